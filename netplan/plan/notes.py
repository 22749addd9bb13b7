"""What follows from a plan's number: who limits it, what that costs the others, and how to get more."""

from __future__ import annotations

from netplan.explain.advice import advice
from netplan.plan import lives
from netplan.plan.fabric import Fabric
from netplan.plan.types import Plan
from netplan.problems import counted


def consequences(plan: Plan) -> list[str]:
    """Return sentences, one a line; shown by ``plan`` and in ``REVIEW.md``."""
    return [
        *_clear(plan),
        *_wildcard(plan),
        *_hosts(plan),
        *_downgrades(plan),
        *lives.sentences(plan),
        *_cni_limit(plan),
        *_slow_class(plan),
        *_proposals(plan),
        *_step(plan),
        *advice(plan.limiting.worst.solution),
    ]


def _clear(plan: Plan) -> list[str]:
    clear, every = sum(c.pairs for c in plan.classes if not c.protected), sum(c.pairs for c in plan.classes)
    if not clear:
        return []
    return [
        f"{clear} of {every} pairs stay clear (ipsec.topology {plan.file.ipsec.topology}): "
        "whoever is on their way reads their overlay packets"
    ]


def _wildcard(plan: Plan) -> list[str]:
    if plan.file.ipsec.topology.shape != "trap-any":
        return []
    return [
        "topology trap-any: whoever has a certificate of this cluster can answer for any peer's address (with "
        "full-mesh: for its own); `status` names an SA with another identity than the planned one",
        "topology trap-any: all pairs have the same proposals, the ones that every host knows; a pair that has not "
        "talked has no SA, and the first packets to it are dropped until IKE is through",
        "topology trap-any: a pair has an IKE_SA for each direction, and each end rekeys its own",
    ]


def _hosts(plan: Plan) -> list[str]:
    ipsec = plan.file.ipsec
    if ipsec.protect != "hosts":
        return []
    six = any(fabric.family == "ipv6" for fabric in plan.fabrics)
    return [
        f"protected hosts carry packets of up to {_packet_limit(plan.main)} bytes, which the kernel takes from the SA: "
        "no link and no route is changed, and connections learn it by themselves",
        *_networks(plan),
        f"between protected hosts stays clear: IKE, {', '.join(ipsec.clear) or 'and nothing else'}"
        + (", and IPv6's neighbour discovery" if six else ""),
    ]


def _packet_limit(fabric: Fabric) -> str:
    sizes = [fabric.host_mtu(c)[0] for c in fabric.classes if c.protected]
    return f"{min(sizes)}" if min(sizes) == max(sizes) else f"{min(sizes)} to {max(sizes)}"


def _networks(plan: Plan) -> list[str]:
    """What is protected on additional networks, and what is not."""
    found = []
    for fabric in plan.additional:
        if not any(c.protected for c in fabric.classes):
            found.append(f"network {fabric.name} stays clear: ipsec.topology joins no two hosts on it")
            continue
        found.append(
            f"on network {fabric.name} ({fabric.family}) they carry packets of up to {_packet_limit(fabric)} bytes"
        )
        absent = [node.name for node in plan.nodes if fabric.at(node) is None]
        if absent:
            more = f" and {len(absent) - 4} more" if len(absent) > 4 else ""
            found.append(
                f"{', '.join(absent[:4])}{more} {'has' if len(absent) == 1 else 'have'} no address on network "
                f"{fabric.name}: whatever leaves there from another address is in no selector and no rule"
            )
    if plan.additional:
        found.append(
            "addresses of the hosts that the plan doesn't name stay clear; packets from an address on one network to a "
            "peer's on another are dropped"
        )
    return found


def _downgrades(plan: Plan) -> list[str]:
    if plan.file.ipsec.topology.shape == "trap-any":  # one list for all
        return [f"all pairs: {reason}" for reason in plan.classes[0].offer.downgrades]
    return [f"{c.name} ({counted(c.pairs, 'pair')}): {reason}" for c in plan.classes for reason in c.offer.downgrades]


def _cni_limit(plan: Plan) -> list[str]:
    cut = plan.limiting.inner_mtu - plan.pod_mtu
    return (
        [f"{plan.file.cni.plugin} refuses more than {plan.pod_mtu} on this link: {cut} bytes stay unused"]
        if cut
        else []
    )


def sum_of(plan: Plan) -> str:
    """Return the ledger of the pod MTU in one line, for a comment in a rendered file."""
    solution = plan.limiting.worst.solution
    taken = [f"{row.bytes} {row.name}" for row in solution.ledger if row.bytes and not row.name.startswith("inner ")]
    unused = [f"{solution.slack} unused"] if solution.slack else []
    unused += [f"{plan.limiting.inner_mtu - plan.pod_mtu} refused"] if plan.limiting.inner_mtu > plan.pod_mtu else []
    return f"{plan.pod_mtu} = {solution.link_mtu} link - {' - '.join(taken + unused)}"


def _slow_class(plan: Plan) -> list[str]:
    least = plan.limiting.inner_mtu
    faster = [c for c in plan.classes if c.inner_mtu > least]
    if not faster:
        return []
    if plan.limiting.protected and not any(c.protected for c in faster):  # that is what encryption costs
        most = max(c.inner_mtu for c in faster)
        return [f"the pairs that stay clear could carry {most}: pods have one MTU for both, {plan.pod_mtu}"]
    best = max(c.inner_mtu for c in faster if c.protected or not plan.limiting.protected)
    slow = [c for c in plan.classes if c.inner_mtu == least]
    names = " and ".join(c.name for c in slow)
    why = "; ".join(dict.fromkeys(f"{c.limited_by}{', NAT-T' if c.nat_t else ''}" for c in slow))
    few, all_pairs = sum(c.pairs for c in slow), sum(c.pairs for c in plan.classes)
    return [
        f"{names} ({why}) limits the cluster: {few} of {counted(all_pairs, 'pair')} "
        f"cost the others up to {best - least} bytes a packet ({(best - least) / best:.1%})",
        f"without {names} pods would get {best}; leaving those hosts out, or widening their path, is the way there",
    ]


def _proposals(plan: Plan) -> list[str]:
    limiting = plan.limiting
    best = max(limiting.sized, key=lambda s: s.solution.inner_mtu)
    if best.solution.inner_mtu == limiting.inner_mtu:
        return []
    return [
        f"offering {limiting.worst.proposal.text} beside {best.proposal.text} costs "
        f"{best.solution.inner_mtu - limiting.inner_mtu} bytes: without it pods get {best.solution.inner_mtu}"
    ]


def _step(plan: Plan) -> list[str]:
    solution = plan.limiting.worst.solution
    if solution.next_gain_at is None or solution.next_gain_at == solution.link_mtu + 1:
        return []
    return [
        f"the next larger MTU needs a link of {solution.next_gain_at}, not {solution.link_mtu + 1}: ESP pads in steps"
    ]
