"""Rules over the hosts of a plan, typed: what they must not be beside each other, or under what the plan asks for."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from netplan.inputs import network_variables, rules_kernel, rules_trap_any
from netplan.inputs.host_variables import HostContext, TypedHosts, read_hosts
from netplan.inputs.inventory import Inventory
from netplan.model import addresses
from netplan.model.addresses import Subnet, subnet
from netplan.model.node import Node
from netplan.model.planfile import SECOND, PlanFile
from netplan.model.proposals import EspProposal, IkeProposal
from netplan.model.proposals.capabilities import Capabilities
from netplan.model.topology import Roles, esp_of, ike_of, offer, protected, roles
from netplan.problems import Problem, ProblemError, counted, in_order, quoted

Typing = Callable[[HostContext, Inventory], TypedHosts]


def nodes(plan: PlanFile, inventory: Inventory, typing: Typing = read_hosts) -> tuple[Node, ...]:
    """Return the typed nodes in name order. Raises ProblemError with everything that is wrong with any host.

    ``typing`` types the hosts: :func:`read_hosts`, or a function that remembers what it said. Rules always run.
    """
    typed = typing(HostContext.of(plan), inventory)
    found = typed.nodes(plan.underlay.mtu)
    problems = [*typed.problems, *_broken(plan, inventory, found)]
    if problems:
        raise ProblemError(in_order(problems))
    return found


def _broken(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """Everything that the hosts break; a host whose variables could not be typed is not among them."""
    yield from _duplicates(inventory, found)
    yield from _deserted(plan, inventory, found)
    yield from _overlaps(inventory, found)
    yield from _alone(plan, inventory, found)
    yield from _no_common(plan, inventory, found)
    yield from rules_trap_any.hosts(plan, inventory, found)
    yield from rules_kernel.hosts(plan, inventory, found)
    if len(inventory.hosts) < 2:
        yield inventory.problem(
            "IPP306",
            f"the pattern {quoted(inventory.pattern)} selects one host; a tunnel needs two ends",
            inventory.hosts[0].name if inventory.hosts else None,
        )


def _duplicates(inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    first: dict[str, tuple[Node, str]] = {}
    for node in found:
        for address, variable in network_variables.addresses(node):
            here = (node, variable)
            other, where_other = first.setdefault(address, here)
            if (other, where_other) == here:
                continue
            earlier = inventory.problem("IPP308", "", other.name, where_other)
            where = f" ({earlier.location})" if earlier.location.line else ""
            yield inventory.problem(
                "IPP308",
                f"hosts {quoted(other.name)}{where} and {quoted(node.name)} have the same underlay address {address}",
                node.name,
                variable,
            )


def _alone(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """Report hosts that the topology joins with no other: nothing could be applied or verified there."""
    topology = plan.ipsec.topology
    places = {node.id: (roles(topology, node), node.managed) for node in found}
    counts = Counter(places.values())

    def peers(node: Node, *, managed: bool) -> bool:
        own = places[node.id]
        return any(
            protected(topology, own[0], other[0]) and (other != own or n > 1)
            for other, n in counts.items()
            if other[1] or (not managed and own[1])
        )

    for node in found:
        if not node.managed and plan.ipsec.auth != "certificates":
            what = (
                "its pre-shared keys would have to travel" if plan.ipsec.auth == "psk" else "nobody has its public key"
            )
            yield inventory.problem(
                "IPP402",
                f"host {quoted(node.name)} is not managed: {what}",
                node.name,
                "ipsecplan_managed",
                "auth: certificates; `ipsecplan ca sign` makes its certificate",
            )
        if peers(node, managed=True):
            continue
        if node.managed and peers(node, managed=False):
            what = f"host {quoted(node.name)} has only peers that we don't manage, so nothing proves its change"
            hint = "a host needs one managed peer"
        elif topology.partial or len(found) > 1:
            what, hint = (
                f"ipsec.topology {quoted(topology)} joins host {quoted(node.name)} with no other host that we manage",
                "leave it out with the host pattern of nodes, or name it or its group in ipsec.topology",
            )
        else:
            continue
        yield inventory.problem("IPP408", what, node.name, hint=hint)


def _no_common(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """Report protected pairs without a common proposal, once per combination of host kinds."""
    topology = plan.ipsec.topology
    if topology.shape == "trap-any":  # all hosts have to have one in common: rules_trap_any
        return
    first: dict[tuple[Roles, Capabilities], Node] = {}
    for node in found:
        first.setdefault((roles(topology, node), node.capabilities), node)
    said: set[tuple[str, ...]] = set()
    kinds = list(first.items())
    for index, ((own, can), node) in enumerate(kinds):
        for (role, peer_can), peer in kinds[index:]:
            if not protected(topology, own, role):
                continue
            agreed = offer(plan, can, peer_can)
            if (agreed.esp and agreed.ike) or agreed.downgrades in said:
                continue
            said.add(agreed.downgrades)
            what = "IKE" if agreed.esp else "ESP"
            offered: list[EspProposal | IkeProposal] = [*esp_of(plan), *ike_of(plan)]
            lacking = node if any(can.lacks(p) for p in offered) else peer
            with_whom = (
                "other hosts of the same strongSwan version"
                if peer is node
                else f"host {quoted((peer if lacking is node else node).name)}"
            )
            yield inventory.problem(
                "IPP408",
                f"host {quoted(lacking.name)} shares no {what} proposal with {with_whom}: {agreed.downgrades[0]}",
                lacking.name,
                "strongswan_version",
                "offer a further proposal in ipsec.esp and ipsec.ike, choose another profile, or upgrade strongSwan; "
                "strongswan_version and strongswan_algorithms say what a host has",
            )


def _overlaps(inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    # sorted by first address, only neighbours can overlap first: sort and sweep, not all pairs
    subnets = [(subnet(n.pod_cidr), n) for n in found if n.pod_cidr]
    spans = sorted(subnets, key=lambda s: (s[0].version, int(s[0].network_address), -s[0].prefixlen))
    widest: tuple[int, Subnet, Node] | None = None
    for network, node in spans:
        start = int(network.network_address)
        last = start + (1 << network.max_prefixlen - network.prefixlen) - 1
        if widest is not None and start <= widest[0]:
            yield inventory.problem(
                "IPP309",
                f"pod_cidr {network} of host {quoted(node.name)} overlaps {widest[1]} of host {quoted(widest[2].name)}",
                node.name,
                "pod_cidr",
            )
        if widest is None or last > widest[0]:
            widest = (last, network, node)
    pods = [network for network, _ in spans]
    starts = [int(network.network_address) for network in pods]
    for node in found:
        for text, variable in network_variables.addresses(node):
            own = addresses.address(text)
            place = bisect.bisect_right(starts, int(own)) - 1
            inside = pods[place] if place >= 0 else None
            if inside is not None and own in inside:
                yield inventory.problem(
                    "IPP309",
                    f"underlay address {own} of host {quoted(node.name)} lies in the pod subnet {inside}",
                    node.name,
                    variable,
                    "pods and hosts need separate subnets",
                )


def _deserted(plan: PlanFile, inventory: Inventory, found: Sequence[Node]) -> Iterator[Problem]:
    """Report an additional network with fewer than two hosts: it would protect nothing."""
    for network in plan.additional_networks:
        there = [node for node in found if any(at.network == network.name for at in node.network_addresses)]
        if len(there) < 2 and len(found) > 1 and network.name != SECOND:
            yield inventory.problem(
                "IPP306",
                f"{len(there)} of {counted(len(found), 'host')} on the network {network.name}: a tunnel needs two ends",
                there[0].name if there else None,
                network_variables.NETWORKS,
                f"{network_variables.NETWORKS}: {{{network.name}: {{address: ADDRESS}}}} for each host that is on it",
            )
