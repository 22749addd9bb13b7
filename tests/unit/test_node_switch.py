"""The switch of pairs on a node: who asks, who ends what is replaced, and when packets wait for an SA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import ike
from netplan.agent.system import vici, xfrm
from netplan.agent.system.core import Stop
from netplan.agent.transaction import state, sysctl

NODE = {
    "underlay": {"address": "10.0.0.1"},
    "overlay": {"port": 4789},
    "protect": "overlay",
    "esp": {"mode": "TRANSPORT", "negotiated": ["AES_CBC-256/HMAC_SHA2_256_128"]},
    "peers": [
        {
            "pair": "pair-1",
            "name": "n2",
            "id": "n-2",
            "address": "10.0.0.2",
            "initiator": True,
            "children": ["pair-1-out", "pair-1-in"],
        }
    ],
}


@pytest.mark.parametrize(("guard", "waits"), [("absent", True), ("count", True), ("drop", False)])
def test_packets_wait_for_an_sa_only_where_no_guard_drops_them(
    monkeypatch: pytest.MonkeyPatch, guard: str, waits: bool
) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(xfrm, "guard", lambda: {"mode": guard, "clear": {}})
    monkeypatch.setattr(xfrm, "permissive", lambda _: True)
    monkeypatch.setattr(sysctl, "sysctl", lambda *words: asked.append(words) or True)
    assert ike.permissive({"node": NODE, "tx": "tx-1"})["changed"] is waits
    assert asked == ([("tx-1", "net.core.xfrm_larval_drop", "0")] if waits else [])


def child(name: str, number: int, transform: tuple[str, str]) -> dict[str, Any]:
    local, remote = ("10.0.0.1/32[udp]", "10.0.0.2/32[udp/4789]")
    selectors = (local, remote) if name.endswith("-out") else ("10.0.0.1/32[udp/4789]", "10.0.0.2/32[udp]")
    return {
        "name": name,
        "uniqueid": str(number),
        "state": "INSTALLED",
        "mode": "TRANSPORT",
        "encr-alg": transform[0],
        "encr-keysize": "256",
        "integ-alg": transform[1],
        "local-ts": [selectors[0]],
        "remote-ts": [selectors[1]],
    }


@pytest.mark.parametrize(
    ("initiator", "alone", "ended"),
    [(True, set(), ["1"]), (False, set(), ["1"]), (True, {"pair-1"}, ["1", "2"]), (False, {"pair-1"}, ["1"])],
)
def test_each_end_ends_what_it_no_longer_sends_on(
    monkeypatch: pytest.MonkeyPatch, initiator: bool, alone: set[str], ended: list[str]
) -> None:
    old, new = ("AES_GCM_16", ""), ("AES_CBC", "HMAC_SHA2_256_128")
    children = [
        child("pair-1-out", 1, old),
        child("pair-1-in", 2, old),
        child("pair-1-out", 3, new),
        child("pair-1-in", 4, new),
    ]
    monkeypatch.setattr(vici, "sas", lambda: [("pair-1", {"child-sas": dict(enumerate(children))})])
    calls: list[str] = []

    class Link:
        def __enter__(self) -> Link:
            return self

        def __exit__(self, *_: object) -> None: ...

        def call(self, what: str, **words: Any) -> None:
            assert what == "terminate"
            calls.append(words["child_id"])

    monkeypatch.setattr(vici, "Vici", Link)
    node = {**NODE, "peers": [{**NODE["peers"][0], "initiator": initiator}]}
    ike.encrypt({"node": node, "pairs": ["pair-1"], "alone": list(alone), "patience": 1})
    assert calls == ended


@pytest.mark.parametrize(
    ("initiator", "alone", "there", "asked"),
    [
        (True, set(), [], ["pair-1-out"]),
        (False, set(), [], []),  # both at once would make two IKE_SAs, of which charon ends one
        (False, set(), ["pair-1-in"], ["pair-1-out"]),
        (True, {"pair-1"}, [], ["pair-1-out", "pair-1-in"]),
    ],
)
def test_the_initiator_asks_first_and_the_other_end_when_it_has_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    initiator: bool,
    alone: set[str],
    there: list[str],
    asked: list[str],
) -> None:
    children = [child(name, 7, ("AES_CBC", "HMAC_SHA2_256_128")) for name in there]
    monkeypatch.setattr(vici, "sas", lambda: [("pair-1", {"child-sas": dict(enumerate(children))})])
    monkeypatch.setattr(ike, "log_of_charon", lambda: ["nothing"])
    calls: list[str] = []
    monkeypatch.setattr(ike, "initiate", lambda **what: calls.append(what["child"]))
    node = {**NODE, "peers": [{**NODE["peers"][0], "initiator": initiator}]}
    with pytest.raises(Stop):
        ike.encrypt({"node": node, "pairs": ["pair-1"], "alone": list(alone), "patience": 0.1})
    assert calls == asked


def test_an_agent_that_was_killed_between_two_timers_keeps_nobody_from_arming(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    units, stopped = list[str](), list[str]()
    monkeypatch.setattr(state, "RUN", str(tmp_path))
    monkeypatch.setattr(state, "tx_folder", lambda _: str(tmp_path))
    monkeypatch.setattr(state, "armed", lambda: [f"{unit}.timer" for unit in units])
    monkeypatch.setattr(state, "run", lambda *words: stopped.extend(words[2:]))

    def start(*words: str) -> None:
        (unit,) = (word.partition("=")[2] for word in words if word.startswith("--unit="))
        assert unit not in units, "systemd has it already"
        units.append(unit)

    monkeypatch.setattr(state, "must", start)
    state.arm("tx-1", 60)
    first, remembered = units[0], (tmp_path / "timer").read_text()
    monkeypatch.setattr(state, "write", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        state.arm("tx-1", 60)
    assert (tmp_path / "timer").read_text() == remembered, "killed before it was written down"
    monkeypatch.undo()
    monkeypatch.setattr(state, "RUN", str(tmp_path))
    monkeypatch.setattr(state, "tx_folder", lambda _: str(tmp_path))
    monkeypatch.setattr(state, "armed", lambda: [f"{unit}.timer" for unit in units])
    monkeypatch.setattr(state, "run", lambda *words: stopped.extend(words[2:]))
    monkeypatch.setattr(state, "must", start)
    state.arm("tx-1", 60)
    assert stopped == [f"{first}.timer", f"{units[1]}.timer"], "one timer is left, the newest"
