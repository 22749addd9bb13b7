"""docs/reference/security-tests.md names a test for each fault, and each test is there; and the smallest of these."""

from __future__ import annotations

import ast
import functools
import io
import os
import re
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.system.core import Stop
from netplan.agent.transaction import deferred_pairs, state, sysctl
from netplan.cni.adapters import ovs
from netplan.host import links
from netplan.ipsec import passphrase
from netplan.problems import ProblemError

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reference" / "security-tests.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ([HML][0-9]+) \|.*\|([^|]*)\|$", PAGE, flags=re.MULTILINE)
NAMED = re.findall(r"`([a-z_/0-9]+\.py)::(test_[a-z0-9_]+)`", PAGE)
NOT_HELD = {"L3", "L8"}  # what the page says of them is all there is


@functools.cache
def functions(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_fault_has_a_row_and_every_row_a_test() -> None:
    known = [*(f"H{n}" for n in range(1, 8)), *(f"M{n}" for n in range(1, 17)), *(f"L{n}" for n in range(1, 10))]
    assert [row for row, _ in ROWS] == known
    assert {row for row, held in ROWS if "::test_" not in held} == NOT_HELD
    assert PAGE.count("::test_") == len(NAMED), "each test is named as `file::test`"


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_a_test_that_the_page_names_exists(path: str, name: str) -> None:
    assert name in functions(path)


def test_a_setting_whose_path_begins_another_one_s_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = state.tx_folder("tx-1") + "/sysctl"
    files = {folder: "/proc/sys/net/ipv4/ip_forward_all 1\n", "/proc/sys/net/ipv4/ip_forward": "0\n"}
    monkeypatch.setattr(sysctl, "read", files.get)
    monkeypatch.setattr(sysctl, "write", files.__setitem__)
    monkeypatch.setattr(sysctl, "open", lambda *_, **__: io.StringIO(), raising=False)
    assert sysctl.sysctl("tx-1", "net.ipv4.ip_forward", "1")
    assert files[folder].splitlines()[1:] == ["/proc/sys/net/ipv4/ip_forward 0"]
    assert sysctl.sysctl("tx-1", "net.ipv4.ip_forward", "1")
    assert len(files[folder].splitlines()) == 2, "once"


def test_no_name_ends_with_a_line_break() -> None:
    peer: dict[str, Any] = {"pair": "pair-1", "id": "n-1\n", "address": "192.0.2.1", "children": ["x"]}
    with pytest.raises(Stop):
        deferred_pairs.choose("tx-1", [peer])  # type: ignore[list-item]
    assert [p.code for p in links.Link(name="eth0\n", mtu=1500).problems()] == ["IPP905"]
    assert not ovs._NAME.fullmatch("br-int\n")


def test_a_passphrase_of_another_user_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple\n", encoding="utf-8")
    file.chmod(0o600)
    assert passphrase.read_passphrase(file)
    if os.geteuid() == 0:  # root's own files are read by everybody who can
        os.chown(file, 12345, -1)
    else:
        uid = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: uid + 1)
    with pytest.raises(ProblemError, match="belongs to another user"):
        passphrase.read_passphrase(file)
