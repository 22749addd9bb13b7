"""Nodes that say yes: a transport that records what is sent and answers as it is told. No agent runs behind it.

They prove what the engine sends, in which order, and what it does with an answer; nothing of what a node does."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.events import Event, silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer, parse
from netplan.rollout.verbs.apply import Keep, apply
from tests.support import replies
from tests.support.certificates import csr

IDS = [f"n-{c * 12}" for c in "abc"]


@functools.cache
def request_of(node_id: str) -> str:
    """Return the certificate request of a node: no two nodes have the same key."""
    del node_id
    return csr()


def target(node_id: str) -> Target:
    peers = [
        {
            "id": other,
            "pair": "pair-" + min(node_id, other)[2] + max(node_id, other)[2],
            "name": other[2],
        }
        for other in IDS
        if other != node_id
    ]
    node = replies.node_json(node_id, peers, name=node_id[2])
    return Target(node_id, node_id[2], "0" * 64, node, (), {}, {})


class FakeNodes:
    """Nodes that say yes to everything unless told otherwise."""

    def __init__(self, spoil: Callable[[str, str], dict[str, Any] | Answer | None] = lambda *_: None) -> None:
        self.spoil = spoil
        self.calls: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
        self.requests: list[dict[str, dict[str, Any]]] = []
        self.fresh: list[bool] = []
        self.nodes: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}  # node id -> state and how far it is
        self.state = {"state": "none", "tx": "", "release": "", "last": {}}
        self.differs = ["nothing is applied"]
        self.ahead: dict[str, float] = {}  # node id -> by how many seconds its wall clock is

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        assert requests.keys() <= targets.keys()
        assert payload == any("stage" in request["phases"] for request in requests.values())
        self.calls.append((tuple(next(iter(requests.values()))["phases"]), tuple(requests)))
        self.requests.append(dict(requests))
        self.fresh.append(fresh)
        answers = {}
        for node_id, request in requests.items():
            answers[node_id] = self._sent(node_id, request)
            arrived(node_id, answers[node_id])
        return answers

    def _sent(self, node_id: str, request: dict[str, Any]) -> Answer:
        """What arrives of a node's answer: it passes the check that every reply passes."""
        answer = self._answer(node_id, request)
        if not answer.results:
            return answer
        for result in answer.results:
            whole: Any = result
            if result["phase"] == "status" and result["ok"]:
                for key in ("state", "transaction", "lease", "mtu"):
                    whole[key] = {**replies.status()[key], **whole[key]}
        return parse(json.dumps({"results": answer.results, "clock": answer.clock, "wall": answer.wall}), request)  # type: ignore[arg-type]

    def _answer(self, node_id: str, request: dict[str, Any]) -> Answer:
        results = []
        for phase in request["phases"]:
            spoiled = self.spoil(phase, node_id)
            if isinstance(spoiled, Answer):
                return spoiled
            result = {"phase": phase, "ok": True, "changed": True, "detail": "", "seconds": 0.1, "findings": []}
            result |= replies.added(phase, request["node"])
            if phase == "status":
                state, progress = self.nodes.get(node_id, (self.state, {"steps": [], "proven": False, "kind": ""}))
                result |= {"state": state, "transaction": progress, "differs": self.differs}
            if phase == "stage":
                result["request"] = request_of(node_id)
            result |= spoiled or {}
            results.append(result)
            if not result["ok"] or (phase == "status" and request.get("stop_when_same") and not result["differs"]):
                break
        return Answer(results=results, clock=100.0, wall=time.time() + self.ahead.get(node_id, 0))


class Run:
    """One apply on the three nodes of :data:`IDS`: its outcome, its events, and the records of its journal."""

    def __init__(self, tmp_path: Path, nodes: FakeNodes, *, keep: Keep | None = None, **options: Any) -> None:
        self.events: list[Event] = []
        self.asked: list[Outcome] = []
        self.cancelled = threading.Event()
        with ClusterState(tmp_path, "lab") as state:
            self.engine = Engine(
                "lab",
                "d" * 64,
                [target(i) for i in IDS],
                nodes,
                state,
                self.events.append,
                Options(**options),
                self.cancelled,
            )
            self.outcome = apply(self.engine, self.agree, keep=keep)
            self.journal = [record["event"] for record in state.last()]
            self.path = state.folder

    def agree(self, outcome: Outcome) -> bool:
        self.asked.append(outcome)
        return True


def failure(code: str = "IPP614") -> dict[str, Any]:
    return {
        "ok": False,
        "detail": "no",
        "findings": [{"code": code, "message": "no", "hint": None, "severity": "error"}],
    }


def phases_sent(nodes: FakeNodes) -> list[str]:
    return [phase for sent, _ in nodes.calls for phase in sent]


PACKET = "ip4/esp:aes256gcm16/udp/vxlan/eth/ip4"

LIVE = {"devices": {"ov0": 1416}, "bridge": 1416, "pods": [{"port": "veth0", "mtu": 1416, "port_mtu": 1416}]}


def mesh(number: int, control: tuple[int, ...] = ()) -> list[Target]:
    ids = [f"n-{n:012}" for n in range(number)]
    out = []
    for at, node_id in enumerate(ids):
        peers = [
            {
                "id": other,
                "pair": f"pair-{min(node_id, other)[2:]}-{max(node_id, other)[2:]}",
                "name": f"h{n}",
                "address": f"192.0.2.{n + 1}",
                "inner_mtu": 1416,
                "outer_packet": 1500,
                "packet": PACKET,
                "children": ["out", "in"],
            }
            for n, other in enumerate(ids)
            if other != node_id
        ]
        node = replies.node_json(node_id, peers, name=f"h{at}")
        node["overlay"] |= {"devices": [{"name": "ov0", "mtu": 1416}], "bridge": "br"}
        groups = frozenset({"k8s_nodes", "kube_control_plane"} if at in control else {"k8s_nodes"})
        out.append(Target(node_id, f"h{at}", f"{at:064}", node, (), {}, {}, groups))
    return out


class Cluster(FakeNodes):
    """FakeNodes nodes with live MTUs; ``outer`` follows what they are asked to measure."""

    def __init__(self, spoil: Callable[[str, str], Any] = lambda *_: None, **status: Any) -> None:
        super().__init__(spoil)
        self.status = {"mtu": LIVE, "deferred": [], "to_raise": 0, **status}

    def _answer(self, node_id: str, request: dict[str, Any]) -> Answer:
        answer = super()._answer(node_id, request)
        for result in answer.results:
            if result["phase"] == "status":
                result |= {**self.status, **(self.spoil("as status", node_id) or {})}
            for row in result.get("rows", ()):
                row["outer"] = next(p["outer_packet"] for p in request["node"]["peers"] if p["id"] == row["peer"])
        return answer


def engine(tmp_path: Path, targets: list[Target], nodes: FakeNodes, **options: Any) -> Engine:
    state = ClusterState(tmp_path, "lab")
    state.__enter__()
    return Engine("lab", "d" * 64, targets, nodes, state, silent, Options(**options))


def yes(_: Outcome) -> bool:
    return True


TX = "tx-20260102030405-abcd"

RELEASE = "0" * 64

STEPS = [step.key for step in phases.APPLY]


def opened(steps: list[str], kind: str = "apply", proven: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    state = {"state": "open", "tx": TX, "release": "", "last": {}}
    return state, {
        "steps": steps,
        "proven": proven,
        "kind": kind,
        "release": RELEASE,
        "prepared": False,
        "left_s": 100.0,
    }


def closed(word: str, result: str, by: str = "timer") -> tuple[dict[str, Any], dict[str, Any]]:
    state = {"state": word, "tx": TX if word == "confirmed" else "", "release": RELEASE if word == "confirmed" else ""}
    last = {"tx": TX, "result": result, "by": by, "at": "2026-01-02T03:09:00Z"} if result else {}
    return {**state, "last": last}, {
        "steps": [],
        "proven": False,
        "kind": "",
        "release": "",
        "prepared": False,
        "left_s": None,
    }
