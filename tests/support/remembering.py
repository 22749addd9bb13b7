"""Nodes that remember: what a request changes, a later status tells, and a timer that is armed is seen.

Still no agent runs behind them. They are quick enough for thousands of runs, and show on which side each node ends.
"""

from __future__ import annotations

import copy
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from netplan.agent.phase_table import PHASES
from netplan.rollout.transport.reply import Answer
from tests.support import replies
from tests.support.fake_nodes import IDS, RELEASE, FakeNodes

NOTHING: dict[str, Any] = {
    "state": replies.status()["state"],
    "transaction": replies.status()["transaction"],
    "lease": replies.status()["lease"],
    "to_raise": 0,
    "held": [],
    "deferred": [],
}


def request_of_key() -> str:
    """Return a certificate request for a new key."""
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    key = ec.generate_private_key(ec.SECP384R1())
    return made.sign(key, hashes.SHA384()).public_bytes(serialization.Encoding.PEM).decode()


REQUESTS = {node_id: request_of_key() for node_id in IDS}


class RememberingNodes(FakeNodes):
    """``here``: node id -> what it tells and keeps; ``armed``: whose timer runs; ``before``: where they go back."""

    def __init__(self) -> None:
        super().__init__()
        self.here: dict[str, dict[str, Any]] = {i: copy.deepcopy(NOTHING) for i in IDS}
        self.before: dict[str, dict[str, Any]] = {}
        self.armed: set[str] = set()
        self.requests_of = dict(REQUESTS)
        self.certified: set[str] = set()
        self.live: dict[str, dict[str, Any]] = {}  # node id -> what of its status is not as usual

    def word(self, node_id: str) -> str:
        """Return the side that a node is on: none, open or confirmed."""
        return str(self.here[node_id]["state"]["state"])

    def _answer(self, node_id: str, request: dict[str, Any]) -> Answer:
        answer = super()._answer(node_id, request)
        done = []
        for result in answer.results:
            own: Any = result
            own.pop("request", None)
            if not self._may(node_id, request, result["phase"]):
                said = {"code": "IPP603", "message": "not open", "hint": None, "severity": "error"}
                done.append({**own, "ok": False, "detail": "not open", "findings": [said]})
                break
            own |= self._do(node_id, request, result["phase"])
            done.append(own)
            if result["phase"] == "status" and request.get("stop_when_same") and not own["differs"]:
                break
        if "step" in request and len(done) == len(request["phases"]) and all(r["ok"] for r in done):
            self.here[node_id]["transaction"]["steps"].append(request["step"])
        return Answer(results=done, clock=answer.clock, wall=answer.wall)  # type: ignore[arg-type]

    def _may(self, node_id: str, request: dict[str, Any], phase: str) -> bool:
        now = self.here[node_id]["state"]
        if phase == "arm":
            return now["state"] != "open" or now["tx"] == request["tx"]
        if phase == "confirm" and now["state"] == "confirmed" and now["tx"] == request["tx"]:
            return True
        return not PHASES[phase].needs_open or (now["state"] == "open" and now["tx"] == request["tx"])

    def _do(self, node_id: str, request: dict[str, Any], phase: str) -> dict[str, Any]:
        here = self.here[node_id]
        state, tx = here["state"], request["tx"]
        if "lease" in request:
            here["lease"] = {**here["lease"], "owner": request["lease"]["owner"], "epoch": request["lease"]["epoch"]}
        if phase == "status":
            same = state["state"] == "confirmed" and state["release"] == request["release"]
            return copy.deepcopy({**here, "differs": [] if same else ["x"], **self.live.get(node_id, {})})
        if phase == "arm" and state["state"] != "open":
            self.before[node_id] = copy.deepcopy(here)
            state |= {"state": "open", "tx": tx}
            about = {"kind": request["kind"], "release": request["release"], "left_s": 60.0, "steps": []}
            here["transaction"] = {**replies.status()["transaction"], **about}
        if phase == "arm" or request["rearm"]:
            self.armed.add(node_id)
        if phase == "arm":
            here["deferred"] = [peer["id"] for peer in request.get("deferred", ())]
        if phase == "lower-devices":
            here["to_raise"] = request.get("held_mtu", 0)
        if phase == "raise-senders":
            here["to_raise"] = 0
        if phase == "probe":
            outer = {peer["id"]: peer["outer_packet"] for peer in request["node"]["peers"]}
            rows = [replies.row(peer=i, outer=size, outer_planned=size) for i, size in outer.items()]
            return {"rows": rows}
        if phase == "stage":
            return {} if node_id in self.certified else {"request": self.requests_of[node_id]}
        if phase == "credentials" and "certificate" in request:
            self.certified.add(node_id)
        if phase == "await-confirm":
            here["transaction"]["proven"] = True
        if phase == "prepare":
            here["transaction"]["prepared"] = True
        if phase == "confirm":
            ended = {"tx": tx, "result": "confirmed", "by": "operator", "at": "x"}
            state |= {"state": "confirmed", "tx": tx, "release": request["release"], "last": ended}
            here["transaction"] = copy.deepcopy(NOTHING["transaction"])
            here["held"] = [peer["pair"] for peer in request["node"]["peers"]]
            self.armed.discard(node_id)
        if phase == "roll-back":
            self._back(node_id, request)
        return {}

    def _back(self, node_id: str, request: dict[str, Any]) -> None:
        """Go back to what was before the open transaction; with ``off`` to nothing."""
        state = self.here[node_id]["state"]
        mine = request.get("any") or state["tx"] == request["tx"]
        if not mine or state["state"] == "none":
            return
        ended = {"tx": state["tx"], "result": "reverted", "by": "operator", "at": "x"}
        before = self.before.pop(node_id, None)
        self.here[node_id] = copy.deepcopy(NOTHING) if before is None or request.get("off") else before
        if self.here[node_id]["state"]["state"] == "none":
            self.certified.discard(node_id)
        self.here[node_id]["state"]["last"] = ended
        self.armed.discard(node_id)


def confirmed(nodes: RememberingNodes, tx: str = "tx-20260101000000-aaaa", release: str = RELEASE) -> None:
    """Let all nodes have a confirmed release."""
    for node_id, here in nodes.here.items():
        last = {"tx": tx, "result": "confirmed", "by": "operator", "at": "x"}
        here["state"] |= {"state": "confirmed", "tx": tx, "release": release, "last": last}
        here["held"] = [f"pair-{min(node_id, i)[2]}{max(node_id, i)[2]}" for i in nodes.here if i != node_id]
        nodes.certified.add(node_id)
