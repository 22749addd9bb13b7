"""The parts of the backend "uml" that need no kernel."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path

import pytest

from netplan.lab import backend, guest_config, packages, uml, uml_kernel
from netplan.lab.cluster import Lab
from netplan.lab.config import MAX_NODES, LabConfig
from netplan.lab.image import Image
from netplan.problems import ProblemError

MANY = LabConfig(nodes=MAX_NODES)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IPSECPLAN_LAB_HOME", str(tmp_path / "labs"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ipsecplan/lab"


def test_sixty_four_nodes_have_addresses_names_and_ports_of_their_own():
    members = MANY.members
    for of in ("name", "management_address", "underlay_address", "overlay_address", "pod_address", "pod_cidr"):
        assert len({getattr(node, of) for node in members}) == MAX_NODES
    reserved = {"10.77.0.1", "10.77.0.2"}
    assert not reserved & {node.management_address for node in members}
    assert all(int(node.management_address.rpartition(".")[2]) < 255 for node in members)


def test_the_command_line_of_the_kernel_names_disks_card_and_memory_once(tmp_path):
    image = Image("k", tmp_path / "image", (("bookworm", Image("o", tmp_path / "other")),))
    words = uml.arguments(tmp_path / "lab", image, LabConfig(nodes=20, mtu=9000))
    assert len({word.partition("=")[0] for word in words}) == len(words)
    said = dict(word.partition("=")[::2] for word in words if "=" in word)
    assert said["mem"] == f"{LabConfig(nodes=20).memory}M"
    assert said["seccomp"] == "on"
    disks = [said[f"ubd{number}rc"] for number in range(3)]  # r: nothing is ever written to them
    assert disks == [str(tmp_path / part) for part in ("image/root.ext4", "lab/config.tar", "other/root.ext4")]
    card = next(word for word in words if word.startswith("vec0:"))
    assert "transport=raw" in card
    assert card.endswith("mtu=9000")
    assert not any(character in word for word in words for character in " \n'\"")


def test_the_guest_gets_the_lists_of_what_its_kernel_has_built_in():
    config = LabConfig(nodes=1)
    data = guest_config.first_boot(config, guest_config.Keys.make(config), {"7.2/modules.builtin": b"x"})
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.extractfile("modules/7.2/modules.builtin").read() == b"x"


def test_what_a_kernel_lacks_is_told_by_option():
    made = "CONFIG_NET=y\n# CONFIG_XFRM_USER is not set\nCONFIG_NR_CPUS=2\n"
    wanted = ["CONFIG_NET=y", "CONFIG_XFRM_USER=y", "CONFIG_NR_CPUS=4"]
    assert uml_kernel.lacking(wanted, made) == ["CONFIG_XFRM_USER=y", "CONFIG_NR_CPUS=4"]


@pytest.mark.parametrize(
    "option", ["NF_TABLES_INET", "NFT_XFRM", "INET_ESP", "INET6_ESP", "XFRM_INTERFACE", "VXLAN", "GENEVE", "OVERLAY_FS"]
)
def test_the_kernel_has_what_a_node_is_asked_for(option):
    assert f"CONFIG_{option}=y" in uml_kernel.options()


def test_no_option_is_said_twice_and_none_is_a_module():
    names = [line.partition("=")[0] for line in uml_kernel.options()]
    assert len(set(names)) == len(names)
    assert not any(line.endswith("=m") for line in uml_kernel.options())


def test_another_configuration_is_another_kernel(cache, tmp_path, monkeypatch):
    before = uml_kernel.current().folder
    assert before.parent == cache
    (tmp_path / "config").write_text("CONFIG_NET=y\n")
    monkeypatch.setattr(uml_kernel, "FILES", tmp_path)
    assert uml_kernel.current().folder != before


def test_prune_leaves_the_kernel_of_today(cache):
    now, old = uml_kernel.current().folder, cache / "uml-0000000000000000"
    for folder in (now, old):
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps({}))
    os.utime(old / "kernel.json", (time.time() - 86400,) * 2)
    assert uml_kernel.prune(days=2) == []
    assert uml_kernel.prune(days=0) == [old.name]
    assert now.exists()
    assert not old.exists()


def test_a_missing_compiler_is_named_with_the_line_that_installs_it(cache, monkeypatch):
    monkeypatch.setattr(packages, "find_program", lambda name: None if name in ("gcc", "flex") else "/bin/x")
    monkeypatch.setattr(packages, "ARCHIVE_KEYRINGS", ("/dev/null",))
    with pytest.raises(ProblemError) as caught:
        uml_kernel.ensure(print)
    assert caught.value.problems[0].code == "IPP802"
    assert caught.value.problems[0].hint == "apt-get install --no-install-recommends flex gcc libc6-dev"


def test_it_is_refused_before_anything_is_compiled_where_it_can_not_run(monkeypatch):
    monkeypatch.setattr(uml, "refusal", lambda: "it needs root")
    monkeypatch.setattr(uml_kernel, "ensure", lambda _: pytest.fail("it was compiled"))
    with pytest.raises(ProblemError) as caught:
        backend.choose("uml", Image("k", Path("/nonexistent")), print)
    assert caught.value.problems[0].code == "IPP804"
    assert "it needs root" in caught.value.problems[0].message


def test_sixty_five_nodes_are_refused(cache):
    with pytest.raises(ProblemError) as caught:
        Lab.up("lab", nodes=MAX_NODES + 1, backend="uml")
    assert caught.value.problems[0].code == "IPP801"


def test_the_script_that_starts_it_is_a_shell_script():
    subprocess.run(["sh", "-n", str(uml_kernel.FILES / "boot.sh")], check=True, timeout=10)
