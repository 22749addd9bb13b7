"""Paths that lead to a pipe, a device, a huge file or nowhere: said at once, whichever verb was given them."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from netplan.cli.main import main
from netplan.files import parse_json, read_regular
from netplan.inputs import inventory, inventory_files
from netplan.ipsec.ca import open_authority

PLAN = "name: lab\ninventory: hosts\n"
HOSTS = "n1 underlay_address=10.0.0.1 pod_cidr=10.1.1.0/24\nn2 underlay_address=10.0.0.2 pod_cidr=10.1.2.0/24\n"
ID = "n-0123456789ab"


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(3 << 30)


ODD: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "huge": _sparse,
    "folder": Path.mkdir,
    "loop": lambda path: path.symlink_to(path),
    "nowhere": lambda _: None,
}
VERBS: dict[str, list[str]] = {
    "lint": ["lint", "odd"],
    "plan": ["plan", "odd"],
    "render": ["render", "odd"],
    "network": ["network", "flannel", "--stack", "ip4/ip4", "--mtu", "1500", "--existing", "odd"],
    "host-link": ["host-link", "ifupdown", "eth0", "--mtu", "9000", "--existing", "odd"],
    "ca sign": ["ca", "sign", "lab", ID, "odd"],
    "ca install": ["ca", "install", "lab", "odd"],
    "ca restore": ["ca", "restore", "lab", "odd", "--passphrase-file", "pass"],
    "psk import": ["psk", "import", "lab", "odd"],
    "plan's inventory": ["lint", "plan.yaml"],
    "plan's existing": ["plan", "existing.yaml"],
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    open_authority(tmp_path / "state" / "clusters" / "lab" / "ca", "lab")
    (tmp_path / "plan.yaml").write_text("name: lab\ninventory: odd\n")
    (tmp_path / "hosts").write_text(HOSTS)
    (tmp_path / "existing.yaml").write_text(PLAN + "cni: {plugin: calico-manifest, existing: [odd]}\n")
    (tmp_path / "pass").write_text("correct horse battery")
    (tmp_path / "pass").chmod(0o600)
    return tmp_path


@pytest.mark.timeout(60)
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ODD)
def test_path_that_is_no_readable_file_is_a_problem_at_once(
    here: Path, capsys: pytest.CaptureFixture[str], kind: str, verb: str
) -> None:
    ODD[kind](here / "odd")
    if kind in ("folder", "huge") and verb == "plan's inventory":
        pytest.skip("a folder may be an inventory, and Ansible reads what is large")
    code = main(VERBS[verb])
    said = capsys.readouterr().err
    assert code in (2, 3), said
    assert "IPP699" not in said
    assert "odd" in said
    assert len(said) < 3000


@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", ["inv/odd", "inv/host_vars/odd", "host_vars/odd", "group_vars/all/odd"])
def test_a_pipe_where_ansible_looks_for_files_is_refused(here: Path, place: str) -> None:
    (here / place).parent.mkdir(parents=True)
    os.mkfifo(here / place)
    if place.startswith("inv"):
        (here / "inv" / "hosts").write_text(HOSTS)
    with pytest.raises(inventory.ProblemError, match="neither a file nor a directory") as raised:
        inventory.read(Path("inv" if place.startswith("inv") else "hosts"))
    assert raised.value.problems[0].location.path == place


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("name: " + "9" * 5000, "IPP2"),
        ('name: lab\ninventory: hosts\nnodes: "a\\0b"', "IPP303"),
        ("name: lab\ninventory: hosts\nnodes: " + "a" * 200_000, "IPP303"),
        ("name: lab\ninventory: " + "a" * 5000, "IPP301"),
        ('name: lab\ninventory: "a\\0b"', "IPP401"),
        ("name: lab\ninventory: .", "IPP3"),
        ("name: lab\ninventory: ..", "IPP3"),
        ("name: lab\ninventory: /", "IPP3"),
    ],
    ids=["digits", "nul in nodes", "long nodes", "long inventory", "nul in inventory", "dot", "dots", "root"],
)
def test_smallest_plans_that_ended_in_a_traceback(
    here: Path, capsys: pytest.CaptureFixture[str], text: str, code: str
) -> None:
    (here / "plan.yaml").write_text(text + "\n")
    assert main(["lint"]) == 3
    said = capsys.readouterr().err
    assert code in said
    assert "IPP699" not in said


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", "0", '{"schema": 1, "hosts": 5}', "\udce4", '{"schema": NaN}'])
def test_damaged_facts_are_refused(here: Path, text: str) -> None:
    (here / "hosts.facts.json").write_text(text, errors="surrogateescape")
    with pytest.raises(inventory.ProblemError, match="no file of"):
        inventory.read(Path("hosts"))


def test_what_is_too_large_is_not_read_to_find_that_out(tmp_path: Path) -> None:
    _sparse(tmp_path / "huge")
    tracemalloc.start()
    try:
        with pytest.raises(OSError, match="more than 1073741824 bytes"):
            read_regular(tmp_path / "huge", 1 << 30)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_read_regular_reads_at_most_its_limit(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"12345")
    link.symlink_to(path)
    assert read_regular(path, 5) == read_regular(link, 5, follow=True) == b"12345"
    for strange, limit in ((path, 4), (link, 5), (tmp_path, 5), (tmp_path / "a\0b", 5), (Path("/dev/zero"), 5)):
        with pytest.raises(OSError, match=r".") as raised:
            read_regular(strange, limit)
        assert raised.value.strerror


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "NaN", "[Infinity]", "[" * 100_000, "", "9" * 5000, b"\xff"])
def test_parse_json_takes_no_text_of_two_meanings(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


DIGITS = "9" * 5000
STATE = "src 10.0.0.1 dst 10.0.0.2\n\tproto esp spi 0x1 reqid 1 mode transport\n\t"
AUDITED: dict[str, tuple[str, str]] = {
    "ini that goes on": ("ml2_conf.ini", "[ml2]\na\n b\n"),
    "icv of many digits": ("xfrm.txt", STATE + f"aead rfc4106(gcm(aes)) 0x00 {DIGITS}\n"),
    "truncation of many digits": ("xfrm.txt", STATE + f"enc cbc(aes) 0x00\n\tauth-trunc hmac(sha256) 0x00 {DIGITS}\n"),
    "reqid of many digits": ("xfrm.txt", STATE.replace("reqid 1", f"reqid {DIGITS}") + "enc cbc(aes) 0x00\n"),
    "port of many digits": ("xfrm.txt", f"src 10.0.0.1/32 dst 10.0.0.2/32 dport {DIGITS}\n\tdir out priority 1\n"),
    "number that is no decimal": ("router.cfg", "interface Tunnel0\n ip mtu \u00b2\n tunnel source Gi0\n"),
    "charon's size that is no decimal": ("strongswan.conf", "charon {\n  fragment_size = \u00b2\n}\n"),
    "selector of many digits": (
        "swanctl.conf",
        f"""connections {{ a {{ remote_addrs = 10.0.0.2
  children {{ c {{ local_ts = dynamic[udp/{DIGITS}]
 esp_proposals = aes256gcm16 }} }} }} }}
""",
    ),
    "calico": ("calico/mtu", DIGITS),
    "flannel": ("subnet.env", f"FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_MTU={DIGITS}\n"),
    "json that is deep": ("dump.json", "[" * 100_000),
}


@pytest.mark.parametrize("name", AUDITED)
def test_smallest_audited_texts_that_ended_in_a_traceback(
    here: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    place, text = AUDITED[name]
    (here / "audited" / place).parent.mkdir(parents=True)
    (here / "audited" / place).write_text(text, encoding="utf-8")
    assert main(["audit", "audited", "--json"]) in (0, 1, 3, 4, 9)
    said = "".join(capsys.readouterr())
    assert "IPP699" not in said
    assert "Error" not in said


class _Sealed:
    """What os.scandir gives for a folder that opens and can't be read, such as /proc/1/map_files."""

    def __enter__(self) -> _Sealed:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> _Sealed:
        return self

    def __next__(self) -> os.DirEntry[str]:
        raise PermissionError(13, "Permission denied")

    def close(self) -> None:
        """Nothing is open."""


def test_a_folder_of_an_inventory_that_cannot_be_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts").write_text("n1\n")
    (tmp_path / "sealed").mkdir()
    plain = os.scandir
    monkeypatch.setattr(os, "scandir", lambda at: _Sealed() if Path(at).name == "sealed" else plain(at))
    assert list(inventory_files.files(tmp_path)) == [tmp_path / "hosts"]
    inventory_files.refuse_programs(tmp_path, "here")
