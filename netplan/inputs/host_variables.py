"""Host variables to typed nodes: every fault of every host at once, each where it is written."""

from __future__ import annotations

import bisect
import ipaddress
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from netplan.inputs import network_variables, rules_trap_any
from netplan.inputs.inventory import Host, Inventory
from netplan.model.ids import node_id
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.model.proposals import EspProposal, IkeProposal
from netplan.model.proposals.capabilities import OLDEST, Capabilities, algorithms, version
from netplan.model.topology import Roles, esp_of, ike_of, offer, protected, roles
from netplan.problems import Problem, ProblemError, closest, quoted

_NAME = re.compile(r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?\Z")
_ALGORITHM = re.compile(r"^[A-Z0-9_]{2,40}\Z")
_TEMPLATE = re.compile(r"\{\{|\{%|\{#")

# host variables that the plan reads, for "did you mean"
VARIABLES = (
    "underlay_address",
    "underlay_mtu",
    "behind_nat",
    "pod_cidr",
    "overlay_address",
    "strongswan_version",
    "strongswan_algorithms",
    "ipsecplan_managed",
    "underlay_address_ipv6",
    "underlay_networks",
)
# variables of earlier inventories: read past in silence, a host's NAT or its further addresses would be missing
_RENAMED = {"underlay_nat": "behind_nat", "underlay_planes": "underlay_networks"}


def nodes(plan: PlanFile, inventory: Inventory) -> tuple[Node, ...]:
    """Return the typed nodes in name order. Raises ProblemError with everything that is wrong with any host."""
    problems: list[Problem] = []
    found: list[Node] = []
    for host in inventory.hosts:
        reader = _Reader(plan, inventory, host)
        node = reader.node()
        problems += reader.problems
        if node is not None:
            found.append(node)
    problems += _duplicates(inventory, found)
    problems += network_variables.deserted(plan, inventory, found)
    problems += _overlaps(inventory, found)
    problems += _alone(plan, inventory, found)
    problems += _no_common(plan, inventory, found)
    problems += rules_trap_any.hosts(plan, inventory, found)
    if len(inventory.hosts) < 2:
        problems.append(
            inventory.problem(
                "IPP306",
                f"the pattern {quoted(inventory.pattern)} selects one host; a tunnel needs two ends",
                inventory.hosts[0].name if inventory.hosts else None,
            )
        )
    if problems:
        raise ProblemError(problems)
    return tuple(found)


class _Reader:
    """Reads the variables of one host, keeping every Problem."""

    def __init__(self, plan: PlanFile, inventory: Inventory, host: Host) -> None:
        self.plan, self.inventory, self.host = plan, inventory, host
        self.problems: list[Problem] = []

    def wrong(self, code: str, message: str, variable: str | None = None, hint: str | None = None) -> None:
        text = f"host {quoted(self.host.name)}: {message}"
        self.problems.append(self.inventory.problem(code, text, self.host.name, variable, hint))

    def node(self) -> Node | None:
        name = self.host.name
        if not _NAME.match(name):
            self.wrong("IPP305", "not a usable host name", hint="letters, digits, '.', '_' and '-', at most 253")
        for former, variable in _RENAMED.items():
            if former in self.host.variables:
                self.wrong("IPP304", f"unknown variable {former}", former, f"did you mean {variable}?")
        for variable in VARIABLES:
            if _TEMPLATE.search(str(self.host.variables.get(variable, ""))):
                self.wrong(
                    "IPP307",
                    f"{variable} holds a template; what a plan reads must be literal",
                    variable,
                    "write the value out: templates in an inventory run code on this machine",
                )
        if self.problems:
            return None
        address = self._address()
        pod_cidr = self._pod_cidr()
        overlay_address = self._overlay_address(pod_cidr)
        mtu = self._mtu()
        nat = self._truth("behind_nat", default=False)
        managed = self._truth("ipsecplan_managed", default=True)
        capabilities = self._capabilities()
        found = network_variables.read(self, mtu)
        if self.problems or address is None:
            return None
        return Node(
            id=node_id(self.plan.name, name),
            name=name,
            address=str(address),
            link_mtu=mtu,
            pod_cidr=str(pod_cidr or ""),
            overlay_address=overlay_address,
            nat=nat,
            groups=self.host.groups | {name},
            capabilities=capabilities,
            managed=managed,
            network_addresses=found,
        )

    def value(self, variable: str) -> Any:
        return self.host.variables.get(variable)

    def near(self, variable: str) -> str | None:
        near = closest(
            variable, [v for v in self.host.variables if not v.startswith("ansible_") and v not in VARIABLES]
        )
        return f"there is {near}: did you mean {variable}?" if near else None

    def _address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        version = 4 if self.plan.underlay.carrier == "ipv4" else 6
        variable, text = "underlay_address", self.value("underlay_address")
        if text is None:
            variable, text = "ansible_host", self.value("ansible_host")
            if text is None or not _literal(text):
                hint = self.near("underlay_address") or f"underlay_address: the host's IPv{version} address"
                self.wrong("IPP304", "no underlay_address, and ansible_host is no IP address", hint=hint)
                return None
        hint = f"underlay.family is {self.plan.underlay.family}; set underlay_address to an IPv{version} address"
        return self.usable(text, variable, variable, version, hint)

    def usable(
        self, text: Any, variable: str, said: str, version: int, hint: str
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Return an address that a host can have in the family; ``said`` is what it is called in a message."""
        try:
            address = ipaddress.ip_address(str(text))
        except ValueError:
            self.wrong("IPP304", f"{said} {quoted(text)} is not an IP address", variable)
            return None
        if address.version != version:
            self.wrong("IPP304", f"{said} {address} is IPv{address.version}", variable, hint)
            return None
        for kind in ("loopback", "multicast", "unspecified", "link_local"):
            if getattr(address, f"is_{kind}"):
                self.wrong("IPP304", f"{said} {address} is {kind.replace('_', '-')}", variable)
                return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            self.wrong("IPP304", f"{said} {address} is an IPv4-mapped address", variable)
            return None
        return address

    def _pod_cidr(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        text, made = self.value("pod_cidr"), self.plan.overlay_facts
        if text is None and made is not None and made.target is None:
            return None  # this network has no pod subnet for each node
        if text is None:
            near = self.near("pod_cidr") or "pod_cidr: the node's pod subnet, such as 10.244.1.0/24"
            self.wrong("IPP304", "no pod_cidr", hint=near)
            return None
        try:
            network = ipaddress.ip_network(str(text))
        except ValueError as error:
            hint = None
            if "host bits" in str(error):
                hint = f"the subnet of that address is {ipaddress.ip_network(str(text), strict=False)}"
            self.wrong("IPP304", f"pod_cidr {quoted(text)} is not a subnet", "pod_cidr", hint)
            return None
        if network.version != 4 and made is None:
            hint = "cni.plugin names a network that makes its own overlay: that may carry IPv6 pods"
            self.wrong("IPP304", "pod_cidr is IPv6; our own overlay carries IPv4 pods", "pod_cidr", hint)
            return None
        if network.num_addresses < 4:
            self.wrong("IPP304", f"pod_cidr {network} has no room for pods", "pod_cidr", "use /29 or larger")
            return None
        return network

    def _overlay_address(self, pods: ipaddress.IPv4Network | ipaddress.IPv6Network | None) -> str:
        """The address that answers a probe: told, or known from how the network counts, or found when it runs."""
        text, made = self.value("overlay_address"), self.plan.overlay_facts
        if text is None:
            at = 0 if made is None else made.target
            return str(pods[at]) if pods is not None and isinstance(at, int) else ""
        if made is None or not _literal(text):
            known = "our own overlay's is the first address of pod_cidr" if made is None else "not an IP address"
            self.wrong("IPP304", f"overlay_address {quoted(text)}: {known}", "overlay_address")
            return ""
        return str(ipaddress.ip_address(str(text)))

    def _mtu(self) -> int:
        value = self.value("underlay_mtu")
        if value is None:
            return self.plan.underlay.mtu
        least = 1280 if "ipv6" in self.plan.underlay.families else 576
        return self.size(value, "underlay_mtu", "underlay_mtu", least)

    def size(self, value: Any, said: str, variable: str, least: int) -> int:
        text = str(value)
        if not re.match(r"^[0-9]{1,6}\Z", text) or not least <= int(text) <= 65535:
            self.wrong("IPP304", f"{said} {quoted(value)} is not a number from {least} to 65535", variable)
            return self.plan.underlay.mtu
        return int(text)

    def _truth(self, variable: str, default: bool) -> bool:
        value = self.value(variable)
        if value is None:
            return default
        text = str(value).lower()
        if text not in ("true", "false"):
            self.wrong("IPP304", f"{variable} must be true or false, not {quoted(value)}", variable)
        return text == "true"

    def _capabilities(self) -> Capabilities:
        text, listed = self.value("strongswan_version"), self.value("strongswan_algorithms")
        found = version(str(text)) if text is not None else ()
        if found is None or (found and found < OLDEST):
            hint = "the version that `swanctl --version` prints; the oldest we render for is 5.9.5"
            self.wrong("IPP304", f"strongswan_version {quoted(text)} is no usable version", "strongswan_version", hint)
        known: tuple[str, ...] | None = None
        if listed is not None:
            words = listed.split() if isinstance(listed, str) else listed
            if isinstance(listed, str) and "[" in listed:
                known = algorithms(listed)
            elif isinstance(words, list) and all(isinstance(w, str) and _ALGORITHM.match(w) for w in words):
                known = tuple(sorted(set(words)))
            if not known:
                hint = "the output of `swanctl --list-algs`, or the names in it as a list"
                self.wrong("IPP304", "strongswan_algorithms holds no algorithms", "strongswan_algorithms", hint)
        return Capabilities(found or (), known)


def _literal(text: object) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _duplicates(inventory: Inventory, found: list[Node]) -> Iterator[Problem]:
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


def _alone(plan: PlanFile, inventory: Inventory, found: list[Node]) -> Iterator[Problem]:
    """A host that the topology joins with nobody: there is nothing to apply or to prove on it."""
    mesh = plan.ipsec.topology
    places = {node.id: (roles(mesh, node), node.managed) for node in found}
    counts = Counter(places.values())

    def peers(node: Node, *, managed: bool) -> bool:
        own = places[node.id]
        return any(
            protected(mesh, own[0], other[0]) and (other != own or n > 1)
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
        elif mesh.partial or len(found) > 1:
            what, hint = (
                f"ipsec.topology {quoted(mesh)} joins host {quoted(node.name)} with no other host that we manage",
                "leave it out with the host pattern of nodes, or name it or its group in ipsec.topology",
            )
        else:
            continue
        yield inventory.problem("IPP408", what, node.name, hint=hint)


def _no_common(plan: PlanFile, inventory: Inventory, found: list[Node]) -> Iterator[Problem]:
    """Report protected pairs without a common proposal, once per combination of host kinds."""
    mesh = plan.ipsec.topology
    if mesh.shape == "trap-any":  # all hosts have to have one in common: wildcard_rules
        return
    first: dict[tuple[Roles, Capabilities], Node] = {}
    for node in found:
        first.setdefault((roles(mesh, node), node.capabilities), node)
    said: set[tuple[str, ...]] = set()
    kinds = list(first.items())
    for index, ((own, can), node) in enumerate(kinds):
        for (role, peer_can), peer in kinds[index:]:
            if not protected(mesh, own, role):
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


def _overlaps(inventory: Inventory, found: list[Node]) -> Iterator[Problem]:
    # sorted by first address, only neighbours can overlap first: sort and sweep, not all pairs
    subnets = [(ipaddress.ip_network(n.pod_cidr), n) for n in found if n.pod_cidr]
    spans = sorted(subnets, key=lambda s: (s[0].version, int(s[0][0]), -s[0].prefixlen))
    widest: tuple[Any, Node] | None = None
    for network, node in spans:
        if widest is not None and int(network[0]) <= int(widest[0][-1]):
            yield inventory.problem(
                "IPP309",
                f"pod_cidr {network} of host {quoted(node.name)} overlaps {widest[0]} of host {quoted(widest[1].name)}",
                node.name,
                "pod_cidr",
            )
        if widest is None or int(network[-1]) > int(widest[0][-1]):
            widest = (network, node)
    pods = [network for network, _ in spans]
    starts = [int(network[0]) for network in pods]
    for node in found:
        for text, variable in network_variables.addresses(node):
            address = ipaddress.ip_address(text)
            place = bisect.bisect_right(starts, int(address)) - 1
            inside = pods[place] if place >= 0 else None
            if inside is not None and address in inside:
                yield inventory.problem(
                    "IPP309",
                    f"underlay address {address} of host {quoted(node.name)} lies in the pod subnet {inside}",
                    node.name,
                    variable,
                    "pods and hosts need separate subnets",
                )
