"""What one node is asked to do in one step."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from netplan.agent.protocol.request import Request, RequestOptional
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes.participants import Participants
from netplan.rollout.nodes.rekeys import versions
from netplan.rollout.nodes.targets import Target
from netplan.rollout.pace import Pace
from netplan.rollout.phases import HOLD, Step
from netplan.rollout.run_state import RunState
from netplan.rollout.timers import Timers


@dataclass(frozen=True, slots=True)
class Common:
    """What the requests of a step to all its nodes are made from; ``patience``: seconds, see the protocol."""

    step: Step
    run: RunState
    participants: Participants
    credentials: Credentials
    pace: Pace
    patience: float


def build(common: Common, target: Target, timer_s: int) -> Request:
    """Return the request of a step to one node; ``timer_s``: seconds after which it rolls back by itself.

    Nothing here may take longer with more nodes: it is done for each of them, and for each step.
    """
    step, run, participants = common.step, common.run, common.participants
    phases, own = set(step.phases), participants.own(target)
    request: Request = {
        "phases": list(step.phases),
        "tx": run.transaction,
        "node": own.facts,
        "release": target.digest,
        "files": list(target.files),
        "timer": timer_s,
        "rearm": step.rearm,
        "time": time.time(),
        "patience": common.patience,
        "soak": common.pace.soak_s,
        "kind": run.kind,
    }
    if (step.rearm or "arm" in phases) and step != HOLD:
        request["step"] = step.key
    if target.id in run.clocks:
        request["sent"] = time.monotonic() + run.clocks[target.id]
    if "preflight" in phases:
        request["payload_bytes"] = sum(len(entry["path"]) + 4096 for entry in target.files)
        request["script"] = target.script("revert.sh")
        request["watchdog"] = target.script("guard.sh")
    if {"preflight", "reachability"} & phases:
        request["run"] = run.transaction
        request["life"] = 2 * common.pace.wall(step)
    if "encrypt" in phases:
        turn = participants.pairs(step, target.id)
        if turn is not None:
            request["pairs"] = list(turn)
        request["alone"] = own.unmanaged
    if "rekey" in phases:
        request["rekey"] = participants.rekeys(lambda: versions(run.results)).get(target.id, [])
    if participants.replaced:
        request["replaced"] = sorted(participants.replaced)
    if participants.left_out:
        request["deferred"] = own.deferred
    if participants.held_mtu and "lower-devices" in phases:
        request["held_mtu"] = participants.held_mtu
    if "probe" in phases:
        request["node"] = participants.measured(target)
        request["nonce"] = secrets.token_hex(4)
    proof: RequestOptional = common.credentials.request(step, target)
    request.update(proof)  # type: ignore[typeddict-item]  # the keys that may be absent are keys of a request
    return request


def with_lease(request: Request, run: RunState, timers: Timers) -> Request:
    """Return a request that says who wants the change, for longer than the timer that it arms."""
    lease = run.leases.get(request["node"]["id"])
    if lease:
        request["lease"] = {**lease, "seconds": timers.pace.lease_s(request["timer"])}
    return request
