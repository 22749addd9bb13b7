"""A node that was too busy to see its own packets measures those peers again; what was seen wrong stays wrong."""

from __future__ import annotations

from typing import Any

import pytest

from netplan.agent.phases import probe
from netplan.agent.protocol.limits import AGAIN_AT_ONCE, MOST_AGAIN, PEERS_AT_ONCE

GOOD: dict[str, Any] = {"passes": True, "esp_full": 3, "planted": 1, "planted_seen": 1, "plaintext": 0, "fragments": 0}
UNSEEN = [{"esp_full": 0}, {"planted_seen": 0}, {"flow_sent": 0}]
WRONG = [{"passes": False, "esp_full": 0}, {"plaintext": 1, "esp_full": 0}, {"fragments": 2, "planted_seen": 0}]


class Looks:
    """What each look at the peers finds, in turn, and whom it was about."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *found: dict[int, dict[str, Any]]) -> None:
        self.found, self.asked = iter(found), list[tuple[list[int], int]]()
        monkeypatch.setattr(probe, "_rows", self.rows)
        monkeypatch.setattr(probe.trap_any, "trigger_sas", lambda *_: None)
        monkeypatch.setattr(probe.xfrm, "errors", dict)

    def rows(self, _node: object, peers: list[int], _nonce: str, _enter: object, at_once: int) -> list[dict[str, Any]]:
        self.asked.append((peers, at_once))
        wrong = next(self.found, {})
        return [{**GOOD, "peer": peer, **wrong.get(peer, {})} for peer in peers]


def measured(peers: int) -> list[dict[str, Any]]:
    node: Any = {"peers": [*range(peers)], "underlay": {"address": "192.0.2.1"}}
    return probe._measure(node, "nonce", ())["rows"]  # type: ignore[return-value]


@pytest.mark.parametrize("what", UNSEEN, ids=lambda what: next(iter(what)))
def test_peer_that_was_not_seen_is_measured_again(monkeypatch: pytest.MonkeyPatch, what: dict[str, int]) -> None:
    looks = Looks(monkeypatch, {1: what}, {})
    assert [row["peer"] for row in measured(3)] == [0, 1, 2]
    assert looks.asked == [([0, 1, 2], PEERS_AT_ONCE), ([1], AGAIN_AT_ONCE)]


@pytest.mark.parametrize("what", WRONG, ids=["lost", "clear", "fragments"])
def test_peer_that_is_wrong_is_not_measured_again(monkeypatch: pytest.MonkeyPatch, what: dict[str, int]) -> None:
    looks = Looks(monkeypatch, {1: what}, {})
    assert measured(3)[1] == {**GOOD, "peer": 1, **what}
    assert len(looks.asked) == 1


def test_what_is_never_seen_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    never = {1: {"esp_full": 0}}
    looks = Looks(monkeypatch, *[never] * 9)
    assert measured(3)[1]["esp_full"] == 0
    assert len(looks.asked) == 2


def test_many_that_were_not_seen_are_no_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch, {peer: {"esp_full": 0} for peer in range(MOST_AGAIN + 1)})
    measured(20)
    assert len(looks.asked) == 1


ROSE = [
    ({"XfrmOutNoStates": 1}, {}, 2),  # SAs were replaced meanwhile
    ({"XfrmOutNoStates": 1, "XfrmInNoStates": 2}, {}, 2),
    ({"XfrmInError": 1}, {}, 1),
    ({"XfrmOutNoStates": 1, "XfrmInError": 1}, {}, 1),
    ({"XfrmOutNoStates": 1}, {"plaintext": 1}, 1),
]


@pytest.mark.parametrize(("rose", "row", "times"), ROSE)
@pytest.mark.parametrize("again", [False, True])
def test_what_rises_while_a_peer_replaces_its_sas_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, rose: dict[str, int], row: dict[str, int], times: int, again: bool
) -> None:
    looks = Looks(monkeypatch, {1: row})
    counts = [{}, rose, rose, {name: 2 * n for name, n in rose.items()} if again else rose]
    monkeypatch.setattr(probe.xfrm, "errors", lambda: counts.pop(0))
    node: Any = {"peers": [0, 1], "underlay": {"address": "192.0.2.1"}}
    found = probe._measure(node, "nonce", ())
    assert len(looks.asked) == times
    assert found["xfrm"] == (rose if times == 1 or again else {}), "a fault shows in the second, too"
