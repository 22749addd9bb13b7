"""``topology: trap-any`` at rest: one connection for all peers, in a file of the same size for ten hosts or a thousand.

A wildcard can't be initiated, so a rollout rehearses and switches pair by pair, with the file that
``topology: full-mesh`` would have, and puts this one in its place when it sets the traps. Live SAs
don't notice.

Measured with 5.9.8 (decisions 73 and 74): the traps take one subnet as their selector, an SA made by them has the two
addresses alone; each acquire makes an IKE_SA of its own, so a pair has one for each direction; ``unique`` is ``no``.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from netplan.ipsec import swanctl
from netplan.ipsec.swanctl_parser import read
from netplan.model.lifetimes import REKEY_PACKETS, dpd_delay, duration, seconds
from netplan.model.node import Node
from netplan.plan.types import Plan
from netplan.problems import DefectError, present
from netplan.templates.render import render

NAME = "ipsecplan-any"
CHILDREN = (f"{NAME}-out", f"{NAME}-in")  # in the order of a pair's children


def planned(plan: Plan) -> bool:
    """Tell whether the nodes of a plan rest behind a wildcard."""
    return plan.file.ipsec.topology.shape == "trap-any"


def span(plan: Plan) -> str:
    """Return the smallest subnet that holds every host's IPv4 address, this one's too: the same on all hosts."""
    return plan.main.span


def connection_file(plan: Plan, node: Node) -> str:
    """Return what takes their place at rest. Raises DefectError if it does not read back as the plan says."""
    own, theirs, udp = f"{node.address}/32", span(plan), f"{swanctl.UDP}/{plan.file.overlay.udp_port}"
    children = (
        (CHILDREN[0], f"{own}[{swanctl.UDP}]", f"{theirs}[{udp}]"),
        (CHILDREN[1], f"{own}[{udp}]", f"{theirs}[{swanctl.UDP}]"),
    )
    text = render(
        "swanctl/any.conf.j2",
        {"q": swanctl.quote},
        cluster=plan.file.name,
        local=node,
        name=NAME,
        span=theirs,
        offer=next(c.offer for c in plan.classes if c.protected),
        children=children,
        ike=_life(plan, "ike"),
        child=_life(plan, "child"),
        packets=REKEY_PACKETS,
        dpd=dpd_delay(plan.connection_count(node), always=node.capabilities.asks_always),
    )
    found = swanctl.connections_of(read(text + swanctl.start_file("none")))
    if found != {NAME: expected(plan, node)}:
        raise DefectError(f"the rendered wildcard of {node.id} does not read back as planned")
    return text


def expected(plan: Plan, node: Node) -> dict[str, Any]:
    """What the wildcard must mean, said directly from the plan: that of any pair, with the peer left open."""
    one = swanctl.expected(plan, next(iter(plan.connections(node))))
    own, port = str(ipaddress.ip_interface(node.address)), plan.file.overlay.udp_port
    selectors = (f"{own}[17]", f"{span(plan)}[17/{port}]"), (f"{own}[17/{port}]", f"{span(plan)}[17]")
    child = {
        **next(iter(one["children"].values())),
        "rekey_time": _life(plan, "child"),
        "rekey_packets": str(REKEY_PACKETS),
    }
    return {
        **one,
        "rekey_time": _life(plan, "ike"),
        "remote_addrs": span(plan),
        "remote": {**one["remote"], "id": "%any"},
        "children": {
            name: {**child, "local_ts": local, "remote_ts": remote}
            for name, (local, remote) in zip(CHILDREN, selectors, strict=True)
        },
    }


def _life(plan: Plan, kind: str) -> str:
    """Both ends have the same; strongSwan takes up to a tenth off by chance, so that they seldom meet."""
    return duration(present(seconds(getattr(plan.file.ipsec.lifetimes, kind)), f"the lifetime of {kind}"))
