"""The lab's parts that need no cluster."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from netplan.lab import archive, building, guest_config, image, packages, qemu, snapshots, sources
from netplan.lab.cluster import Lab, down, free_ports
from netplan.lab.config import LabConfig, check_name
from netplan.lab.paths import cache_home, labs_home, locked, write
from netplan.lab.qemu import Machine
from netplan.lab.ssh import Ssh
from netplan.lab.state import State, write_product_files
from netplan.model.planfile import PlanFile
from netplan.problems import Problem, ProblemError

CONFIGS = [
    LabConfig(nodes=nodes, family=family, overlay=overlay)
    for nodes in (1, 3)
    for family in ("ipv4", "ipv6")
    for overlay in ("vxlan", "geneve")
]


def state(config):
    ports = {name: 40000 + index for index, name in enumerate(("guest", *config.names))}
    keys = {name: f"ssh-ed25519 key-of-{name}" for name in ports}
    return State(
        config=config,
        backend="emulated",
        reason="a test",
        image="0",
        others={},
        clean="/0",
        ports=ports,
        host_keys=keys,
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("IPSECPLAN_LAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a b", "x" * 33, "a\n", "-$(id)"])
def test_a_name_that_could_be_more_than_a_name_is_refused(name):
    with pytest.raises(ProblemError) as caught:
        check_name(name)
    assert caught.value.problems[0].code == "IPP801"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"nodes": 0}, {"nodes": 65}, {"mtu": 576}, {"mtu": 65535}, {"family": "ipx"}, {"overlay": "gre"}),
        *({"release": "buster"}, {"release": "../sid"}, {"mix": {"n4": "sid"}}, {"mix": {"n1": "woody"}}),
        *({"mix": {"guest": "sid"}}, {"kernel": "6"}, {"kernel": "6.12; id"}, {"kernel": "newest"}),
    ],
)
def test_parameters_out_of_range_are_refused_before_anything_starts(home, wrong):
    with pytest.raises(ProblemError) as caught:
        Lab.up("lab", **wrong)
    assert {problem.code for problem in caught.value.problems} == {"IPP801"}
    assert not (home / "labs").exists()


def test_a_home_that_ssh_would_read_as_options_is_refused(monkeypatch):
    monkeypatch.setenv("IPSECPLAN_LAB_HOME", "/tmp/my %h")
    with pytest.raises(ProblemError):
        labs_home()


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_no_two_nodes_share_an_address(config):
    for addresses in zip(
        *((n.underlay_address, n.pod_cidr, n.pod_address, n.name) for n in config.members), strict=True
    ):
        assert len(set(addresses)) == config.nodes


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_the_cluster_files_are_stable_and_have_the_mtu_of_a_cluster_without_ipsec(config):
    files = guest_config.cluster_files(config)
    assert files == guest_config.cluster_files(config)
    for node in config.members:
        conflist = json.loads(files[f"nodes/{node.name}/etc/cni/net.d/50-cluster.conflist"])
        assert conflist["plugins"][0]["mtu"] == config.overlay_mtu
        mine = [path for path in files if path.startswith(f"nodes/{node.name}/etc/systemd/network/50-cluster-")]
        peers = config.nodes - 1
        assert len(mine) == 2 * (1 if config.overlay == "vxlan" else peers)


def test_the_archive_keeps_private_files_private():
    config = LabConfig()
    keys = guest_config.Keys.make(config)
    with tarfile.open(fileobj=io.BytesIO(guest_config.first_boot(config, keys))) as archive:
        members = {member.name: member for member in archive.getmembers()}
    assert members["nodes/n1/etc/ssh/ssh_host_ed25519_key"].mode == 0o600
    assert members["nodes/n1/root/.ssh"].mode == 0o700
    assert members["nodes/n1/root"].mode == 0o700
    assert all(member.uid == member.gid == 0 for member in members.values())
    assert len({key.public for key in keys.hosts.values()}) == 4
    assert "PRIVATE" not in repr(keys)


def test_the_product_accepts_the_plan_and_the_inventory_names_every_node(tmp_path):
    config = LabConfig(family="ipv6", overlay="geneve", mtu=9000)
    write_product_files(tmp_path, state(config))
    plan = PlanFile.model_validate(yaml.safe_load((tmp_path / "plan.yaml").read_text()))
    assert (plan.underlay.mtu, plan.underlay.family, plan.overlay.udp_port) == (9000, "ipv6", 6081)
    group = yaml.safe_load((tmp_path / "inventory.yml").read_text())["k8s_nodes"]
    assert group["hosts"]["n2"]["underlay_address"] == "fd00:77::12"
    assert "StrictHostKeyChecking=yes" in group["vars"]["ansible_ssh_common_args"]


def test_the_state_file_is_read_back_and_nonsense_is_no_state(tmp_path):
    for config in (LabConfig(nodes=2), LabConfig(nodes=2, mix=(("n2", "sid"),), kernel="6.12")):
        one = replace(state(config).ready("restored"), others={"bookworm": "1"})
        one.write(tmp_path)
        assert State.read(tmp_path) == one
    for text in ("", "{}", '{"schema": 99}', '{"schema": 2}', "[]"):
        (tmp_path / "state.json").write_text(text)
        assert State.read(tmp_path) is None


def test_ssh_files_name_each_port_with_its_own_key(tmp_path):
    one = state(LabConfig(nodes=2))
    Ssh(tmp_path).write_files(guest_config.KeyPair.make(), one.host_keys, one.ports)
    assert (tmp_path / "id_ed25519").stat().st_mode & 0o777 == 0o600
    assert "[127.0.0.1]:40002 ssh-ed25519 key-of-n2\n" in (tmp_path / "known_hosts").read_text()
    done = subprocess.run(
        ["ssh", "-G", "-F", tmp_path / "ssh_config", "n2"], capture_output=True, text=True, check=True, timeout=10
    )
    for line in ("hostname 127.0.0.1", "port 40002", "stricthostkeychecking true", "user root"):
        assert line in done.stdout.splitlines()


def test_a_foreign_process_is_never_taken_for_ours(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(tmp_path / "qemu.pid")])
    try:
        (tmp_path / "qemu.pid").write_text(str(other.pid))
        machine = Machine(tmp_path)
        assert machine.pid() is None
        machine.kill()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_down_on_nothing_is_fine_and_attach_says_so(home):
    assert down("nothing") is False
    with pytest.raises(ProblemError) as caught:
        Lab.attach("nothing")
    assert caught.value.problems[0].code == "IPP806"


def test_missing_programs_are_named_with_the_line_that_installs_them(monkeypatch):
    monkeypatch.setattr(packages, "ARCHIVE_KEYRINGS", ("/dev/null",))
    monkeypatch.setattr(packages, "find_program", lambda name: None if name in ("zstd", "mmdebstrap") else "/bin/x")
    with pytest.raises(ProblemError) as caught:
        packages.require_programs(build=True)
    assert caught.value.problems[0].hint == "apt-get install --no-install-recommends mmdebstrap zstd"
    with pytest.raises(ProblemError) as caught:
        packages.require_programs(build=False)
    assert caught.value.problems[0].hint == "apt-get install --no-install-recommends zstd"


def test_debians_keys_are_part_of_what_a_build_needs(monkeypatch):
    monkeypatch.setattr(packages, "ARCHIVE_KEYRINGS", ("/nonexistent/keys",))
    monkeypatch.setattr(packages, "find_program", lambda _: "/bin/x")
    packages.require_programs(build=False)
    with pytest.raises(ProblemError) as caught:
        packages.require_programs(build=True)
    assert caught.value.problems[0].hint == "apt-get install --no-install-recommends debian-archive-keyring"


def test_what_is_not_debian_or_not_linux_gets_no_line_of_apt(monkeypatch):
    monkeypatch.setattr(packages, "find_program", lambda _: None)
    with pytest.raises(ProblemError) as caught:
        packages.require_programs(build=True)
    assert "everything else of ipsecplan works here" in caught.value.problems[0].hint
    monkeypatch.setattr(packages.platform, "machine", lambda: "arm64")
    with pytest.raises(ProblemError) as caught:
        packages.require_programs(build=False)
    assert caught.value.problems[0].code == "IPP804"
    assert "on arm64" in caught.value.problems[0].message


@pytest.mark.parametrize(("place", "free"), [("/nonexistent", 9e9), ("/tmp/a b", 9e9), ("/tmp", 1e6)])
def test_a_place_to_build_in_exists_is_plain_and_has_room(monkeypatch, tmp_path, place, free):
    wanted = str(home_of(tmp_path))
    monkeypatch.setattr(building.tempfile, "gettempdir", lambda: place)
    room = {place: free, wanted: 9e9}

    def statvfs(path):
        if path not in room or path == "/nonexistent":
            raise FileNotFoundError(path)
        return os.statvfs_result((4096, 4096, 0, 0, int(room[path] // 4096), 0, 0, 0, 0, 255))

    monkeypatch.setattr(building.os, "statvfs", statvfs)
    monkeypatch.setattr(building, "cache_home", lambda: Path(wanted))
    made = building.make_place(1_500_000_000)
    assert str(made.parent) == wanted
    room[wanted] = 1e6
    with pytest.raises(ProblemError) as caught:
        building.make_place(1_500_000_000)
    assert "TMPDIR" in caught.value.problems[0].hint


def home_of(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def test_the_package_list_for_make_is_the_one_that_is_checked():
    assert (Path(packages.__file__).parent / "packages.txt").read_text().split() == list(packages.HOST_PACKAGES)


def test_proxy_and_date_settings_of_the_host_are_kept_and_its_hooks_are_not(monkeypatch):
    dump = (
        'Acquire::http::Proxy "http://proxy.example:3128";\nAcquire::Check-Date "false";\nDPkg::Post-Invoke:: "rm";\n'
    )
    monkeypatch.setattr(sources, "apt", lambda *_: dump)
    settings = sources.settings()
    assert "proxy.example" in settings
    assert "Check-Date" in settings
    assert "Post-Invoke" not in settings


def test_free_ports_are_different():
    ports = free_ports([f"n{index}" for index in range(30)])
    assert len(set(ports.values())) == 30


def noted(suite, kernel="6.12.118-1", systemd="257"):
    """Note what a suite has, as asking its archive does."""
    found = archive.Contents(suite, kernel, {"systemd": systemd}, "a mirror")
    note = cache_home() / "suites" / f"{suite}.json"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(asdict(found)))
    return found


def test_pruning_keeps_what_is_new_or_in_use(home):
    key = image.image_key(noted("trixie"), noted("sid", "7.2.13-1"))
    for name, days in ((key, 99), ("used", 99), ("recent", 1), ("old", 99)):
        note = home / "cache/ipsecplan/lab" / name / "image.json"
        note.parent.mkdir(parents=True)
        note.write_text(json.dumps({"release": "trixie", "kernel_suite": "sid"}))
        os.utime(note, (time.time() - days * 86400,) * 2)
    assert image.prune(["used"], days=14) == ["old"]
    assert {path.parent.name for path in home.glob("cache/ipsecplan/lab/*/image.json")} == {key, "recent", "used"}
    noted("sid", "7.2.14-1")
    assert sorted(image.prune([], days=14)) == sorted([key, "used"]), "no more what `up` would build"
    with pytest.raises(ProblemError):
        image.built("old")


def test_an_image_follows_its_release_and_its_kernel_whatever_their_versions(home):
    one = noted("trixie")
    keys = {
        image.image_key(one, one),
        image.image_key(one, noted("sid", "7.2.13-1")),
        image.image_key(one, noted("sid", "7.2.14-1")),
        image.image_key(noted("trixie", systemd="257.1"), one),
        image.image_key(noted("bookworm"), one),
    }
    assert len(keys) == 5


def test_a_suite_is_asked_once_a_week_and_not_needed_to_start_what_is_there(home, monkeypatch):
    asked = []

    class Archive:
        def __init__(self, _, suite):
            asked.append(suite)
            if len(asked) > 2:
                raise ProblemError(Problem(code="IPP803", message="no mirror"))

        def contents(self):
            return archive.Contents("sid", f"7.2.{len(asked)}-1", {}, "a mirror")

    monkeypatch.setattr(archive, "Archive", Archive)
    assert [archive.contents("sid").kernel for _ in range(3)] == ["7.2.1-1"] * 3
    assert archive.contents("sid", now=True).kernel == "7.2.2-1"
    note = cache_home() / "suites" / "sid.json"
    os.utime(note, (time.time() - 8 * 86400,) * 2)
    assert archive.contents("sid").kernel == "7.2.2-1", "the mirror is away, what is known stays"
    assert asked == ["sid"] * 3
    note.unlink()
    with pytest.raises(ProblemError, match="no mirror"):
        archive.contents("sid")


@pytest.mark.parametrize(
    ("version", "release", "suite"),
    [
        ("6.1", "trixie", "bookworm"),
        ("6.12", "trixie", "trixie"),
        ("6.12.118", "sid", "trixie"),
        ("6.12", "bookworm", "bookworm-backports"),
        ("7.3", "bookworm", "trixie-backports"),
        ("7.2", "sid", "sid"),
    ],
)
def test_a_kernel_is_taken_from_the_first_suite_that_has_it(version, release, suite):
    have = {
        "bookworm": "6.1.192-2",
        "bookworm-backports": "6.12.113-1~bpo12+1",
        "trixie": "6.12.118-1",
        "trixie-backports": "7.3.4-1~bpo13+1",
        "forky": "7.2.12-1",
        "sid": "7.2.13-1",
    }
    found = archive.find_kernel(version, release, lambda name: archive.Contents(name, have[name], {}, ""))
    assert found.suite == suite


def test_a_kernel_that_no_suite_has_is_named_with_those_that_there_are():
    with pytest.raises(ProblemError) as caught:
        archive.find_kernel("6.1", "sid", lambda name: archive.Contents(name, "6.12.118-1", {}, ""))
    assert "kernel 6.1 now" in caught.value.problems[0].message
    assert "trixie 6.12.118-1" in (caught.value.problems[0].hint or "")


METAPACKAGES = {
    "one package": {
        "linux-image-cloud-amd64": "linux-image-6.12.118+deb13-cloud-amd64 (= 6.12.118-1)",
        "linux-image-6.12.118+deb13-cloud-amd64": "kmod, initramfs-tools (>= 0.120+deb8u2) | linux-initramfs-tool",
    },
    "split": {
        "linux-image-cloud-amd64": "linux-base-cloud-amd64 (= 7.2-1), linux-image-7.2+deb14-cloud-amd64 (= 7.2-1)",
        "linux-image-7.2+deb14-cloud-amd64": "dracut | initramfs-tools, linux-base-7.2+deb14-cloud-amd64 (= 7.2-1), "
        "linux-binary-7.2+deb14-cloud-amd64 (= 7.2-1), linux-modules-7.2+deb14-cloud-amd64 (= 7.2-1)",
        "linux-binary-7.2+deb14-cloud-amd64": "linux-base-7.2+deb14-cloud-amd64 (= 7.2-1)",
        "linux-modules-7.2+deb14-cloud-amd64": "kmod, linux-base-7.2+deb14-cloud-amd64 (= 7.2-1)",
    },
}


@pytest.mark.parametrize("layout", METAPACKAGES)
def test_all_packages_of_a_kernel_are_fetched_at_one_version(monkeypatch, tmp_path, layout):
    depends = METAPACKAGES[layout]
    (tmp_path / "work").mkdir()
    (tmp_path / "debs").mkdir()

    def apt(program, *words, limit=0, folder=None):
        if "show" in words:
            name = words[-1]
            return f"Package: {name}\nVersion: 1\nDepends: {depends[name]}\n" if name in depends else ""
        for word in words[words.index("download") + 1 :] if "download" in words else ():
            (folder / f"{word.replace('=', '_')}_amd64.deb").touch()
        return ""

    monkeypatch.setattr(sources, "apt", apt)
    monkeypatch.setattr(sources, "find", lambda *_: sources.Sources("deb http://m.example/d sid main\n", "a mirror"))
    fetched = archive.Archive(tmp_path / "work", "sid").fetch_kernel(tmp_path / "debs")
    numbered = {name for name in depends if any(mark.isdigit() for mark in name.replace("amd64", ""))}
    numbered |= {"linux-base-7.2+deb14-cloud-amd64"} if layout == "split" else set()
    assert {path.name.split("_")[0] for path in fetched} == numbered


def test_in_a_mix_the_newest_release_is_around_the_others_and_each_node_is_told_its_own():
    config = LabConfig(nodes=4, release="bookworm", mix=(("n2", "sid"), ("n3", "trixie")))
    assert config.guest_release == "sid"
    with tarfile.open(fileobj=io.BytesIO(guest_config.first_boot(config, guest_config.Keys.make(config)))) as tar:
        texts = {
            name: tar.extractfile(name).read().decode() for name in tar.getnames() if name.endswith((".env", "se"))
        }
    assert "LAB_ROOTS='bookworm trixie'\n" in texts["guest/lab.env"], "in the order of the disks"
    assert [texts[f"guest/n{number}.release"] for number in (1, 2, 3, 4)] == [
        *("bookworm\n", "sid\n", "trixie\n", "bookworm\n")
    ]
    assert LabConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_a_peer_is_the_last_node_with_a_root_of_its_own(tmp_path):
    config = LabConfig(nodes=3, release="trixie", peer="libreswan")
    assert config.releases == {"n1": "trixie", "n2": "trixie", "n3": "trixie-libreswan"}
    assert config.guest_release == "trixie", "the machine around them is an ordinary one"
    with tarfile.open(fileobj=io.BytesIO(guest_config.first_boot(config, guest_config.Keys.make(config)))) as tar:
        assert b"LAB_ROOTS='trixie-libreswan'\n" in tar.extractfile("guest/lab.env").read()
        assert tar.extractfile("guest/n3.release").read() == b"trixie-libreswan\n"
    write_product_files(tmp_path, state(config))
    hosts = yaml.safe_load((tmp_path / "inventory.yml").read_text())["k8s_nodes"]["hosts"]
    assert {name: host.get("ipsecplan_managed") for name, host in hosts.items()} == {
        "n1": None,
        "n2": None,
        "n3": False,
    }
    assert LabConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    old = {name: value for name, value in LabConfig().as_dict().items() if name != "peer"}
    assert LabConfig.from_dict(old) == LabConfig(), "a cluster that was saved before there were peers"
    assert LabConfig(nodes=3, release="bookworm", peer="libreswan").guest_release == "trixie-libreswan"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peer": "racoon"}, "a peer is one of libreswan, not 'racoon'"),
        ({"peer": "libreswan", "nodes": 2}, "3 nodes or more"),
        ({"peer": "libreswan", "mix": (("n3", "sid"),)}, "n3, which is the peer"),
    ],
)
def test_what_no_lab_with_a_peer_is(change, words):
    with pytest.raises(ProblemError) as caught:
        LabConfig(**{"nodes": 3, **change})
    assert words in caught.value.problems[0].message


def test_libreswan_replaces_strongswan_and_makes_another_image(home):
    ours, theirs = packages.image_packages(""), packages.image_packages("libreswan")
    assert set(theirs) - set(ours) == {"libreswan"}
    assert set(ours) - set(theirs) == {name for name in ours if "strongswan" in name or "charon" in name}
    suite = noted("trixie")
    assert image.image_key(suite, suite) != image.image_key(suite, suite, "libreswan")
    newer = archive.Contents(suite.suite, suite.kernel, {**suite.versions, "libreswan": "5.3"}, suite.source)
    assert image.image_key(newer, newer) == image.image_key(suite, suite), "its version is nothing to the others"
    assert image.image_key(newer, newer, "libreswan") != image.image_key(suite, suite, "libreswan")
    note = home / "cache/ipsecplan/lab" / image.image_key(suite, suite, "libreswan") / "image.json"
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps({"release": "trixie", "kernel_suite": "trixie", "peer": "libreswan"}))
    os.utime(note, (time.time() - 99 * 86400,) * 2)
    assert image.prune([], days=14) == []


def test_a_saved_cluster_of_another_machine_is_not_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(qemu, "version", lambda: "QEMU 1")
    about = snapshots.describe(state(LabConfig(nodes=1)))
    for name in ("state.zst", "config.tar", "id_ed25519"):
        (tmp_path / name).touch()
    (tmp_path / "saved.json").write_text(json.dumps(about))
    assert snapshots.load(tmp_path).config == LabConfig(nodes=1)
    for other in ({"qemu": "QEMU 2"}, {"processors": 99}, {"hardware": ["clocksource=tsc"]}):
        (tmp_path / "saved.json").write_text(json.dumps(about | other))
        assert snapshots.load(tmp_path) is None, other
    del about["hardware"]  # as of an earlier version
    (tmp_path / "saved.json").write_text(json.dumps(about))
    assert snapshots.load(tmp_path) is None


def test_a_lock_is_waited_for_no_longer_than_asked(tmp_path):
    with locked(tmp_path / "lab"), pytest.raises(ProblemError), locked(tmp_path / "lab", limit=0.3):
        pass


def test_write_replaces_and_sets_the_mode(tmp_path):
    write(tmp_path / "f", "one", 0o644)
    write(tmp_path / "f", b"two")
    assert (tmp_path / "f").read_text() == "two"
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
