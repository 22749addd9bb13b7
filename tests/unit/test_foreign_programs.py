"""Nothing that lies in the working directory, or below an inventory that is a folder, is run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from netplan.inputs import inventory
from netplan.problems import ProblemError
from tests.unit.test_house import SOURCES
from tui.run import processes

HOSTS = "n1 underlay_address=10.0.0.1\nn2 underlay_address=10.0.0.2\n"


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that whatever is run makes; the working directory is the folder that it is in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANSIBLE_CONFIG", raising=False)
    return tmp_path / "mark"


def test_modules_in_the_working_directory_are_not_imported(mark: Path) -> None:
    for name in ("click", "netplan", "json", "resource"):
        mark.with_name(f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    child = processes.module("netplan", "calc", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4", "--mtu", "1500")
    assert any("1416" in line for line in child.lines())
    assert child.end()[0] == 0
    log = mark.with_name("log")
    processes.start_detached(["calc", "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"], log)
    processes._children[-1].wait()
    assert "1416" in log.read_text()
    assert not mark.exists()


def test_every_python_that_we_start_leaves_the_working_directory_out() -> None:
    starts = [
        (path.name, line) for path in SOURCES for line in path.read_text().splitlines() if "sys.executable," in line
    ]
    assert len(starts) > 3
    assert [start for start in starts if not re.search(r'sys\.executable, "-P"', start[1])] == []


PLUGIN = """\
from ansible.plugins.vars import BaseVarsPlugin
open({mark!r}, "w").close()
class VarsModule(BaseVarsPlugin):
    REQUIRES_ENABLED = False
    def get_vars(self, loader, path, entities, cache=True):
        return {{"planted": 1}}
"""


@pytest.mark.parametrize("ours", [True, False], ids=["ours", "the caller's"])
def test_a_plugin_that_the_working_directory_names_is_not_run(
    mark: Path, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    config = mark.with_name("ansible.cfg")
    config.write_text("[defaults]\nvars_plugins = ./plugins\n")
    mark.with_name("plugins").mkdir()
    (mark.parent / "plugins" / "planted.py").write_text(PLUGIN.format(mark=str(mark)))
    # a template needs Ansible itself, whatever else reads plain files
    mark.with_name("hosts").write_text(HOSTS + '[all:vars]\nx="{{ 1 }}"\n')
    mark.with_name("group_vars").mkdir()
    (mark.parent / "group_vars" / "all.yml").write_text("y: 1\n")
    if not ours:
        monkeypatch.setenv("ANSIBLE_CONFIG", str(config))
    found = inventory.read(mark.with_name("hosts"))
    assert [host.name for host in found.hosts] == ["n1", "n2"]
    assert mark.exists() is not ours, "whoever names a configuration means it"


@pytest.mark.parametrize("place", ["inv/program", "inv/deep/program", "inv/group_vars/program"])
def test_a_program_below_an_inventory_directory_is_refused_and_not_run(mark: Path, place: str) -> None:
    program = mark.parent / place
    program.parent.mkdir(parents=True)
    (mark.parent / "inv" / "hosts").write_text(HOSTS)
    program.write_text(f"#!/bin/sh\ntouch {mark}\necho '{{}}'\n")
    program.chmod(0o755)
    with pytest.raises(ProblemError, match="is not run") as raised:
        inventory.read(mark.with_name("inv"), shown="inv")
    assert str(raised.value.problems[0].location) == place
    assert not mark.exists()


def test_a_file_that_only_may_be_executed_is_read(mark: Path) -> None:
    mark.with_name("inv").mkdir()
    (mark.parent / "inv" / "hosts").write_text(HOSTS)
    (mark.parent / "inv" / "hosts").chmod(0o755)
    assert len(inventory.read(mark.with_name("inv")).hosts) == 2


def test_a_program_that_is_named_is_run(mark: Path) -> None:
    program = mark.with_name("program")
    program.write_text(f'#!/bin/sh\ntouch {mark}\necho \'{{"all": {{"hosts": ["n1", "n2"]}}}}\'\n')
    program.chmod(0o755)
    assert len(inventory.read(program).hosts) == 2
    assert mark.exists()
    assert os.environ.get("ANSIBLE_CONFIG") is None
