"""Where a cluster stands, from what this machine keeps, and what the next step is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netplan.rollout.record import seen
from netplan.rollout.record.at_work import Holder
from netplan.rollout.record.events import Event, RunFinished, RunStarted
from netplan.rollout.record.history import Past, Run
from netplan.rollout.standing import LOOK_OLD_S, PROOF_OLD_S, Folded, Standing, next_step, standing
from netplan.verify.verdict import Check, PairVerdict
from tests.support.verdicts import verdict_of
from tui.draw import overview

NOW = 1_000_000_000.0
NAMES = {"n-a": "a", "n-b": "b"}


def status(peer: str, name: str, *, sa: bool = True, **more: Any) -> Any:
    return {
        "state": {"state": "confirmed", "release": "r"},
        "guard": {"mode": "drop", "clear": {}},
        "certificates": {"node.pem": {"used_percent": 10, "days_left": 300.0}},
        "pairs": [{"peer": peer, "name": name, "children": {"out": ["AES_GCM_16-256"] if sa else [], "in": []}}],
        "differs": [],
        "xfrm_errors": {},
        **more,
    }


def look(**more: Any) -> seen.Look:
    both = {"n-a": status("n-b", "b"), "n-b": status("n-a", "a")}
    return seen.look_of({**both, **more}, NAMES, "d", NOW)


def pair(*, ok: bool = True) -> PairVerdict:
    return PairVerdict(
        source="a",
        destination="b",
        inner_mtu=1416,
        passes=ok,
        refused=True,
        outer=1500,
        outer_planned=1500,
        esp=2,
        plaintext=0,
        planted=1,
        planted_seen=1,
        algorithms=(),
        flow_sent=1,
        flow_gap=0,
        checks=(Check("full", None if ok else "does not arrive"),),
        over=1417,
    )


def proof(*, ok: bool = True, at: float = NOW, digest: str = "d") -> seen.Proof:
    return seen.proof_of(verdict_of([pair(ok=ok)], nodes=("a",)), digest, "tx-1", at)


CALM = Standing(cluster="c", digest="d", in_force="d", look=look(), proof=proof(), last=Past("tx-1"))
CALM = replace(CALM, last=Past("tx-1", runs=[Run("apply", "", "confirmed")]))
WAITS = Past("tx-2", runs=[Run("try", "", "awaiting-confirm")])
ROTATE = "rotate-certificates"
GONE = Past("tx-2", runs=[Run("apply", "")])


@pytest.mark.parametrize(
    ("changed", "old", "act"),
    [
        ({}, False, "nothing"),
        ({}, True, "render"),
        ({"digest": ""}, False, "render"),
        ({"in_force": ""}, False, "try"),
        ({"in_force": "other"}, False, "try"),
        ({"last": WAITS, "holder": Holder(pid=1)}, True, "confirm"),
        ({"holder": Holder(pid=1)}, True, "wait"),
        ({"last": GONE}, True, "resume"),
        ({"look": look(**{"n-a": status("n-b", "b", differs=["ov0 is 1500"])})}, False, "diff"),
        ({"look": look(**{"n-a": status("n-b", "b", certificates={"x": {"days_left": 3}})})}, False, ROTATE),
        ({"look": look(**{"n-a": status("n-b", "b", sa=False)})}, False, "verify"),
        ({"look": seen.look_of({"n-a": status("n-b", "b")}, NAMES, "d", NOW)}, False, "status"),
        ({"proof": None}, False, "verify"),
        ({"proof": proof(ok=False)}, False, "verify"),
        ({"proof": proof(digest="other")}, False, "verify"),
        ({"proof": proof(at=NOW - PROOF_OLD_S - 1)}, False, "verify"),
        ({"look": None}, False, "status"),
    ],
)
def test_the_next_step(changed: dict[str, Any], old: bool, act: str) -> None:
    assert next_step(replace(CALM, **changed), NOW, old=old).act == act


def test_nodes_that_nobody_asked_for_a_day_are_asked() -> None:
    later = NOW + LOOK_OLD_S + 1
    assert next_step(CALM, later, old=False).act == "status"
    assert next_step(replace(CALM, proof=proof(at=later)), later, old=False).act == "nothing", "a proof asks them, too"


def test_silence_is_not_encrypted() -> None:
    assert (look().pairs, look().encrypted, look().clear) == (1, 1, [])
    half = seen.look_of({"n-a": status("n-b", "b")}, NAMES, "d", NOW)
    assert (half.pairs, half.encrypted, half.clear, half.silent) == (1, 0, [("a", "b")], ["b"])


def test_a_node_that_is_not_managed_is_known_by_the_other_end() -> None:
    found = seen.look_of({"n-a": status("n-x", "router")}, {"n-a": "a"}, "d", NOW)
    assert (found.pairs, found.encrypted) == (1, 1)


def test_what_was_seen_is_kept_for_the_next_start(tmp_path: Path) -> None:
    assert (seen.last_proof(tmp_path), seen.last_look(tmp_path)) == (None, None)
    seen.keep_proof(tmp_path, verdict_of([pair(ok=False), pair()], nodes=("a",)), "d", "tx-1")
    found = seen.last_proof(tmp_path)
    assert found is not None
    assert (found.ok, found.measured, found.failed) == (False, 2, 1)
    assert found.directions[0].as_json()["from"] == "a"
    assert (tmp_path / seen.PROOF).stat().st_mode & 0o777 == 0o600
    both: Any = {"n-a": status("n-b", "b"), "n-b": status("n-a", "a")}
    seen.keep_look(tmp_path, both, NAMES, "d")
    kept = seen.last_look(tmp_path)
    assert kept is not None
    assert kept.nodes.keys() == {"a", "b"}
    seen.keep_look(tmp_path / "missing", both, NAMES, "d")  # a reader makes no directory
    assert not (tmp_path / "missing").exists()
    (tmp_path / seen.LOOK).write_text("{")
    assert seen.last_look(tmp_path) is None


def test_the_digest_in_force_is_that_of_the_confirmed_transaction(tmp_path: Path) -> None:
    place = tmp_path / "clusters" / "c"
    (place / "journal").mkdir(parents=True)
    for number, digest in ((1, "one"), (2, "two")):
        told: list[Event] = [
            RunStarted(verb="apply", transaction=f"tx-{number}", cluster="c", digest=digest, nodes={}, timer_s=180),
            RunFinished(outcome="confirmed" if number == 1 else "rolled-back", exit_code=0),
        ]
        lines = "".join(json.dumps({"at": "2026-01-01T00:00:00Z", **event.as_json()}) + "\n" for event in told)
        (place / "journal" / f"tx-{number}.jsonl").write_text(lines)
    kept = {"transaction": "tx-1", "nodes": [], "left_out": [], "mtu": 1, "held": False, "confirmed": True}
    (place / "memory.json").write_text(json.dumps({"schema_version": 1, "transactions": [kept]}))
    found = standing(tmp_path, "c", "one", Folded())
    assert (found.in_force, found.applied) == ("one", True)
    assert found.last is not None
    assert found.last.outcome == "rolled-back"
    assert not standing(tmp_path, "c", "two", Folded()).applied
    assert standing(tmp_path / "nothing", "c", "", Folded()) == Standing(cluster="c")
    assert (found.held_mtu, found.left_out) == (None, 0)
    waits = {**kept, "left_out": ["n-1", "n-2"], "mtu": 1392, "held": True}
    (place / "memory.json").write_text(json.dumps({"schema_version": 1, "transactions": [waits]}))
    found = standing(tmp_path, "c", "one", Folded())
    assert (found.held_mtu, found.left_out) == (1392, 2)


@pytest.mark.parametrize(
    ("changed", "mark", "said"),
    [
        ({}, "ok", "this bundle was confirmed last; "),
        ({"held_mtu": 1392}, "!", "confirmed last; pods wait at 1392 bytes for `ipsecplan apply --raise-mtu`; "),
        ({"left_out": 1}, "!", "confirmed last, without 1 node: apply it again; "),
        ({"left_out": 2, "digest": "other"}, "!", "another bundle was confirmed last; "),
    ],
)
def test_what_was_held_or_left_out_is_on_the_overview(changed: dict[str, Any], mark: str, said: str) -> None:
    found, words = overview._cluster(replace(CALM, **changed), NOW)
    assert found == mark
    assert said in words
