"""The node's half of the end of a transaction: prepare, confirm, and that nothing that ended begins again."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .test_node_module import LIBRARY

TX = "tx-20260102030405-abcd"
RELEASE = "f" * 64
NODE = {
    "cluster": "lab", "overlay": {"address": "10.244.1.0", "devices": [{"name": "ov0"}]},
    "peers": [{"id": "n-b", "name": "b", "overlay_address": "10.244.2.0"}],
}  # fmt: skip


class Machine:
    """The commands that would be run, and what they would say."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.pings = True
        self.way = "dev ov0"

    def __call__(self, *words: object, **_: Any) -> Any:
        from netplan.agent.system.core import Done  # type: ignore[import-not-found,unused-ignore]

        text = " ".join(map(str, words))
        self.said.append(text)
        if text.startswith("ping"):
            return Done(0 if self.pings else 1, "", "")
        return Done(0, f"10.244.2.0 {self.way} src 10.244.1.0" if "route get" in text else "", "")


@pytest.fixture
def commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(LIBRARY))
    import ipsecplan_node.state as state

    for name, value in (
        ("ROOT", ""), ("STATE", "/state.json"), ("OPEN", "/open"), ("LAST", "/last"), ("BASE", "/base"),
        ("RUN", "/run"),
    ):  # fmt: skip
        monkeypatch.setattr(state, name, str(tmp_path / "lib") + value)
    (tmp_path / "lib" / "tx" / TX).mkdir(parents=True)
    state.write(state.OPEN, TX + "\n")
    return netplan.agent.phases.confirm


@pytest.fixture
def machine(commit: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()
    monkeypatch.setattr(commit, "run", played)
    monkeypatch.setattr(commit.state, "run", played)
    monkeypatch.setattr(commit.state, "must", played)
    monkeypatch.setattr(commit.floor, "running", lambda: True)
    monkeypatch.setattr(commit.room, "ETC", commit.state.ROOT + "/etc")
    return played


def test_the_address_that_says_confirmed(commit: ModuleType) -> None:
    four = [ipaddress.ip_address(commit.token(f"tx-{n}", "10.0.0.0")) for n in range(200)]
    assert all(address in ipaddress.ip_network("198.18.0.0/15") for address in four)
    six = [ipaddress.ip_address(commit.token(f"tx-{n}", "fd00::")) for n in range(200)]
    assert all(address in ipaddress.ip_network("2001:2::/48") for address in six)
    assert min(len(set(four)), len(set(six))) > 195, "another transaction, another address"


def test_prepared(commit: ModuleType, machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "lib" / "tx" / TX
    answer = commit.prepare(TX, RELEASE, NODE, "n-b")
    assert "notes" not in answer
    token = commit.token(TX, "10.244.1.0")
    assert (folder / "witness").read_text() == f"{token} 10.244.2.0 ov0\n"
    future = json.loads((folder / "confirmed.json").read_text())
    assert (future["state"], future["tx"], future["release"]) == ("confirmed", TX, RELEASE)
    assert future["last"]["by"] == "witness"
    assert commit.state.progress(commit.state.load())["prepared"]
    machine.pings = False
    assert [note["code"] for note in commit.prepare(TX, RELEASE, NODE, "n-b")["notes"]] == ["IPP667"]
    commit.state.arm(TX, 60)
    assert not (folder / "witness").exists(), "armed in another order, it must not ask"


@pytest.mark.parametrize(
    ("way", "asks"), [("via 10.244.2.9 dev ov0", "10.244.2.9 ov0"), ("via 192.0.2.254 dev eth0", ""), ("", "")]
)
def test_who_is_not_behind_the_overlay_is_never_asked(
    commit: ModuleType, machine: Machine, tmp_path: Path, way: str, asks: str
) -> None:
    machine.way = way
    answer = commit.prepare(TX, RELEASE, NODE, "n-b")
    witness = tmp_path / "lib" / "tx" / TX / "witness"
    assert (witness.read_text().partition(" ")[2].strip() if witness.exists() else "") == asks
    assert ("notes" in answer) == (not asks)


def test_the_coordinator_asks_nobody(commit: ModuleType, machine: Machine, tmp_path: Path) -> None:
    assert commit.prepare(TX, RELEASE, NODE, None)["detail"] == "prepared; decides for the others"
    assert not (tmp_path / "lib" / "tx" / TX / "witness").exists()
    assert machine.said == []


def test_confirmed_once_and_again(commit: ModuleType, machine: Machine) -> None:
    commit.prepare(TX, RELEASE, NODE, None)
    assert commit.confirm(TX, RELEASE, NODE)["changed"]
    said = f"ip addr replace {commit.token(TX, '10.244.1.0')}/32 dev lo valid_lft 7200 preferred_lft 0"
    assert said in machine.said
    assert commit.state.load()["state"] == "confirmed"
    assert not commit.confirm(TX, RELEASE, NODE)["changed"]
    with pytest.raises(commit.state.Stop):
        commit.confirm("tx-other", RELEASE, NODE)


def test_what_was_taken_back_is_not_confirmed_nor_begun_again(commit: ModuleType) -> None:
    state = commit.state
    state.core.remove(state.OPEN)
    state.write(state.STATE, json.dumps({"state": "none", "tx": "", "last": {"tx": TX, "result": "reverted",
                                                                             "by": "timer", "at": "x"}}))  # fmt: skip
    with pytest.raises(state.Stop, match="reverted by timer"):
        commit.confirm(TX, RELEASE, NODE)
    with pytest.raises(state.Stop, match="has ended here: reverted"):
        state.begin(TX, NODE, 60, f"apply {RELEASE}")
