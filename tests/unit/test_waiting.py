"""A phase that lacks what peers have yet to do: what the node does and says, and what is believed of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from netplan.agent import main
from netplan.agent.phases import credentials, ike, reachability
from netplan.agent.system import core, vici, xfrm
from netplan.agent.system.core import Stop, Waiting
from netplan.rollout.answers import lacking
from netplan.rollout.transport.reply import parse
from tests.support.agent_requests import WHOLE

PEERS: list[dict[str, Any]] = [
    {
        "id": f"n-{n:012}",
        "name": f"h{n}",
        "pair": f"pair-{n}",
        "address": f"192.0.2.{n % 250}",
        "initiator": n % 2 == 0,
        "children": [f"pair-{n}-out", f"pair-{n}-in"],
    }
    for n in range(250)
]


def node(number: int) -> Any:
    return {"id": "n-a", "peers": PEERS[:number], "esp": {"mode": "TRANSPORT", "negotiated": ["AES_GCM_16-256"]}}


def established(peer: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return peer["pair"], {"state": "ESTABLISHED", "remote-id": peer["id"], "child-sas": {}}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(ike, "initiate", lambda **what: found.append(what.get("child") or what["ike"]))
    monkeypatch.setattr(ike, "log_of_charon", lambda: ["pair-1 failed"])
    monkeypatch.setattr(core, "read", lambda *_: "")
    monkeypatch.setattr(xfrm, "policies", list)
    return found


def ask(number: int, **more: Any) -> Any:
    return {"node": node(number), "tx": "tx-1", "patience": 0, "alone": [], **more}


def test_what_lacks_is_asked_for_and_waited_for_elsewhere(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setattr(vici, "sas", lambda: [established(PEERS[0])])
    with pytest.raises(Waiting) as found:
        ike.ike_check(ask(4, more=True))
    assert asked == ["pair-2"], "its own part: pairs that it is the initiator of and that are not up"
    assert found.value.peers == [peer["id"] for peer in PEERS[1:4]]
    with pytest.raises(Stop) as last:
        ike.ike_check(ask(4))
    assert [f["code"] for f in last.value.findings] == ["IPP614"] * 3
    assert asked[1:] == ["pair-1", "pair-2", "pair-3"], "at last the others' part as well: they may have lost it"
    monkeypatch.setattr(vici, "sas", lambda: [established(peer) for peer in PEERS[:4]])
    assert ike.ike_check(ask(4, more=True))["detail"] == "4 of 4 IKE_SAs established"


@pytest.mark.parametrize(
    ("before", "loaded", "kept", "again"),
    [
        ("none", 4, True, False),  # asked a second time: charon would end IKE_SAs that have no CHILD_SA yet
        ("none", 3, True, True),
        ("none", 4, False, True),  # another certificate
        ("confirmed 0123", 4, True, True),  # what is loaded may be of the release before
    ],
)
def test_connections_are_read_anew_only_where_they_may_differ(
    monkeypatch: pytest.MonkeyPatch, before: str, loaded: int, kept: bool, again: bool
) -> None:
    read: list[str] = []
    there = [{peer["pair"]: {} for peer in PEERS[:number]} for number in (loaded, 4)]
    monkeypatch.setattr(credentials, "load_credentials", lambda: None)
    monkeypatch.setattr(credentials, "load_connections", lambda: read.append("connections"))
    monkeypatch.setattr(credentials, "put", lambda *_: not kept)
    monkeypatch.setattr(credentials, "read", lambda path: before if path.endswith("/tx/tx-1/before") else "")
    monkeypatch.setattr(vici, "connections", lambda: there[len(read)])
    done = credentials.credentials(ask(4, certificate="one", authority="two"))
    assert (bool(read), done["detail"]) == (again, "4 connections loaded")


def test_no_more_than_a_window_is_negotiated_at_once(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    trying = [(peer["pair"], {"state": "CONNECTING"}) for peer in PEERS[0:80:2]]
    monkeypatch.setattr(vici, "sas", lambda: trying)
    with pytest.raises(Waiting):
        ike.ike_check(ask(250, more=True))
    assert len(asked) == ike.AT_ONCE - len(trying)
    assert not {name for name, _ in trying} & set(asked)


@pytest.mark.parametrize(("tasks", "expected"), [({}, ["pair-0-out"]), ({"tasks-active": ["CHILD_CREATE"]}, [])])
def test_a_child_that_charon_negotiates_yet_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], tasks: dict[str, list[str]], expected: list[str]
) -> None:
    monkeypatch.setattr(vici, "sas", lambda: [("pair-0", {**established(PEERS[0])[1], **tasks})])
    with pytest.raises(Waiting) as found:
        ike.encrypt(ask(2, more=True, pairs=["pair-0"]))
    assert asked == expected
    assert found.value.peers == [PEERS[0]["id"]], "the other pair's turn has not come"


def perform(lacks: Stop) -> Any:
    def work(_: object) -> None:
        raise lacks

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "function_of", lambda _: work)
        return main.perform({**WHOLE, "phases": ["facts", "status"]}, None)  # type: ignore[typeddict-item]


def test_a_phase_that_waits_ends_the_request_and_is_no_pass() -> None:
    (result,) = perform(Waiting([peer["id"] for peer in PEERS]))
    assert (result["ok"], result["findings"], result["lacking"]) == (False, [], 250)
    assert len(result["waiting_for"]) == main.MOST_WAITING
    assert len(json.dumps(result)) < 2000


def reply(**more: Any) -> Any:
    result = {"phase": "encrypt", "ok": False, "changed": True, "detail": "", "findings": [], "seconds": 0.1, **more}
    request: Any = {"phases": ["encrypt"], "node": {"peers": PEERS[:3]}}
    return parse(json.dumps({"results": [result], "clock": 1.0, "wall": 2.0}), request)


def test_an_answer_that_waits_is_told_apart() -> None:
    assert lacking(reply(waiting_for=[PEERS[0]["id"]], lacking=2)) == 2
    assert lacking(reply()) == 0, "a failure"
    assert lacking(reply(ok=True, waiting_for=[PEERS[0]["id"]], lacking=1)) == 0
    finding = {"code": "IPP617", "message": "x", "hint": None, "severity": "error"}
    assert lacking(reply(waiting_for=[PEERS[0]["id"]], lacking=1, findings=[finding])) == 0


@pytest.mark.parametrize(
    "more",
    [
        {"waiting_for": ["n-elsewhere"], "lacking": 1},
        {"waiting_for": [PEERS[0]["id"]] * 2, "lacking": 2},
        {"waiting_for": [PEERS[0]["id"]], "lacking": 4},
        {"waiting_for": [PEERS[0]["id"]], "lacking": 0},
        {"waiting_for": [PEERS[0]["id"]], "lacking": -1},
        {"waiting_for": [PEERS[0]["id"]]},
        {"lacking": 5},
    ],
)
def test_waiting_for_what_was_not_asked_is_no_reply(more: dict[str, Any]) -> None:
    answer = reply(**more)
    assert answer.results == []
    assert answer.broken


def test_peers_with_which_all_is_heard_get_fewer_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(reachability.time, "monotonic", lambda: now[0])
    sent: list[str] = []

    class Link:
        def sendto(self, _: bytes, to: tuple[str, int]) -> None:
            sent.append(to[0])

    talk = object.__new__(reachability.Talk)
    talk.peers = [
        {"id": "a", "address": "192.0.2.1", "link_mtu": 1500},
        {"id": "b", "address": "192.0.2.2", "link_mtu": 1500},
    ]  # type: ignore[typeddict-item]
    talk.run, talk.own, talk.address, talk.refused = "tx-1", "n", "192.0.2.9", {}
    talk.heard, talk.knows, talk.through, talk.next = {"a": 15, "b": 15}, {"a": 15, "b": 0}, {}, {}
    talk.sent = {"a": 0, "b": 0}
    talk.sockets = {50: Link(), 17: Link()}  # type: ignore[dict-item]
    for _ in range(100):
        talk.send()
        now[0] += reachability.EVERY_S
    assert sent.count("192.0.2.2") == talk.sent["b"] == 400
    assert 4 * 8 < sent.count("192.0.2.1") < 4 * 20, "the last word may be lost, so they are reminded"
