"""What one node is asked to do in one step."""

from __future__ import annotations

import secrets
import time

from netplan.agent.protocol.request import Request, RequestOptional
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes.participants import Participants
from netplan.rollout.nodes.rekeys import versions
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import deferred_peers, unmanaged_pairs
from netplan.rollout.phases import Step
from netplan.rollout.run_state import RunState
from netplan.rollout.timers import Timers


def build(
    step: Step,
    target: Target,
    run: RunState,
    participants: Participants,
    credentials: Credentials,
    timers: Timers,
    timer_s: int,
) -> Request:
    """Return the request of a step to one node; ``timer_s``: seconds after which it rolls back by itself."""
    phases = set(step.phases)
    request: Request = {
        "phases": list(step.phases),
        "tx": run.transaction,
        "node": participants.facts(target),
        "release": target.digest,
        "files": list(target.files),
        "timer": timer_s,
        "rearm": step.rearm,
        "time": time.time(),
        "patience": timers.patience_s,
        "soak": timers.pace.soak_s,
        "kind": run.kind,
    }
    if step.rearm or "arm" in phases:
        request["step"] = step.key
    if target.id in run.clocks:
        request["sent"] = time.monotonic() + run.clocks[target.id]
    if "preflight" in phases:
        request["payload_bytes"] = sum(len(entry["path"]) + 4096 for entry in target.files)
        request["script"] = target.script("revert.sh")
        request["watchdog"] = target.script("guard.sh")
    if {"preflight", "reachability"} & phases:
        request["run"] = run.transaction
    if "encrypt" in phases:
        request["pairs"] = participants.pairs(step, request["node"])
        request["alone"] = unmanaged_pairs(request["node"], participants.targets)
    if "rekey" in phases:
        request["rekey"] = participants.rekeys(versions(run.results)).get(target.id, [])
    if participants.replaced:
        request["replaced"] = sorted(participants.replaced)
    if participants.left_out:
        request["deferred"] = deferred_peers(target.node, participants.left_out)
    if participants.held_mtu and "lower-devices" in phases:
        request["held_mtu"] = participants.held_mtu
    if "probe" in phases:
        request["node"] = participants.measured(target)
        request["nonce"] = secrets.token_hex(4)
    own: RequestOptional = credentials.request(step, target)
    request.update(own)  # type: ignore[typeddict-item]  # the keys that may be absent are keys of a request
    return request


def with_lease(request: Request, run: RunState, timers: Timers) -> Request:
    """Return a request that says who wants the change, for longer than the timer that it arms."""
    lease = run.leases.get(request["node"]["id"])
    if lease:
        request["lease"] = {**lease, "seconds": timers.pace.lease_s(request["timer"])}
    return request
