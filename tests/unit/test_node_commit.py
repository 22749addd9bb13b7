"""The node's half of the end of a transaction: prepare, confirm, and that nothing that ended begins again."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import confirm as module
from netplan.agent.phases import guard
from netplan.agent.phases.confirm import confirm, prepare
from netplan.agent.system import core
from netplan.agent.system.core import Done, Stop
from netplan.agent.transaction import beacon, disk_reserve, state

TX = "tx-20260102030405-abcd"
RELEASE = "f" * 64
NODE = {
    "cluster": "lab",
    "overlay": {"address": "10.244.1.0", "devices": [{"name": "ov0"}]},
    "peers": [{"id": "n-b", "name": "b", "overlay_address": "10.244.2.0"}],
}
REQUEST = {"tx": TX, "release": RELEASE, "node": NODE}


class Machine:
    """The commands that would be run, and what they would say."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.pings = True
        self.way = "dev ov0"

    def __call__(self, *words: object, **_: Any) -> Any:
        text = " ".join(map(str, words))
        self.said.append(text)
        if text.startswith("ping"):
            return Done(0 if self.pings else 1, "", "")
        return Done(0, f"10.244.2.0 {self.way} src 10.244.1.0" if "route get" in text else "", "")


@pytest.fixture
def folder(home: Path) -> Path:
    """The folder of the open transaction."""
    found = home / "tx" / TX
    found.mkdir(parents=True)
    core.write(state.OPEN, TX + "\n")
    return found


@pytest.fixture
def machine(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    played = Machine()
    for where in (module, beacon, state):
        monkeypatch.setattr(where, "run", played)
    monkeypatch.setattr(state, "must", played)
    monkeypatch.setattr(guard, "running", lambda: True)
    monkeypatch.setattr(disk_reserve, "ETC", str(home / "etc"))
    return played


def test_the_address_that_says_confirmed() -> None:
    four = [ipaddress.ip_address(beacon.token(f"tx-{n}", "10.0.0.0")) for n in range(200)]
    assert all(address in ipaddress.ip_network("198.18.0.0/15") for address in four)
    six = [ipaddress.ip_address(beacon.token(f"tx-{n}", "fd00::")) for n in range(200)]
    assert all(address in ipaddress.ip_network("2001:2::/48") for address in six)
    assert min(len(set(four)), len(set(six))) > 195, "another transaction, another address"


def test_prepared(machine: Machine, folder: Path) -> None:
    answer = prepare({**REQUEST, "witness": "n-b"})
    assert "notes" not in answer
    token = beacon.token(TX, "10.244.1.0")
    assert (folder / "witness").read_text() == f"{token} 10.244.2.0 ov0\n"
    future = json.loads((folder / "confirmed.json").read_text())
    assert (future["state"], future["tx"], future["release"]) == ("confirmed", TX, RELEASE)
    assert future["last"]["by"] == "witness"
    assert state.progress(state.load())["prepared"]
    machine.pings = False
    assert [note["code"] for note in prepare({**REQUEST, "witness": "n-b"})["notes"]] == ["IPP667"]
    state.arm(TX, 60)
    assert not (folder / "witness").exists(), "armed in another order, it must not ask"


@pytest.mark.parametrize(
    ("way", "asks"), [("via 10.244.2.9 dev ov0", "10.244.2.9 ov0"), ("via 192.0.2.254 dev eth0", ""), ("", "")]
)
def test_who_is_not_behind_the_overlay_is_never_asked(machine: Machine, folder: Path, way: str, asks: str) -> None:
    machine.way = way
    answer = prepare({**REQUEST, "witness": "n-b"})
    witness = folder / "witness"
    assert (witness.read_text().partition(" ")[2].strip() if witness.exists() else "") == asks
    assert ("notes" in answer) == (not asks)


def test_the_coordinator_asks_nobody(machine: Machine, folder: Path) -> None:
    assert prepare(REQUEST)["detail"] == "prepared; decides for the others"
    assert not (folder / "witness").exists()
    assert machine.said == []


def test_confirmed_once_and_again(machine: Machine) -> None:
    prepare(REQUEST)
    assert confirm(REQUEST)["changed"]
    said = f"ip addr replace {beacon.token(TX, '10.244.1.0')}/32 dev lo valid_lft 7200 preferred_lft 0"
    assert said in machine.said
    assert state.load()["state"] == "confirmed"
    assert not confirm(REQUEST)["changed"]
    with pytest.raises(Stop):
        confirm({**REQUEST, "tx": "tx-other"})


def test_what_was_taken_back_is_not_confirmed_nor_begun_again(folder: Path) -> None:
    core.remove(state.OPEN)
    core.write(
        state.STATE,
        json.dumps({"state": "none", "tx": "", "last": {"tx": TX, "result": "reverted", "by": "timer", "at": "x"}}),
    )
    with pytest.raises(Stop, match="reverted by timer"):
        confirm(REQUEST)
    with pytest.raises(Stop, match="has ended here: reverted"):
        state.begin(TX, NODE, 60, f"apply {RELEASE}", pytest.fail)
