"""Host variables to typed nodes: every fault of every host at once, each where it is written.

Reading and typing alone; what hosts must not be beside each other or under a plan is in ``rules_hosts``.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from netplan.inputs import network_variables
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.template_values import TEMPLATE
from netplan.inputs.variable_names import VARIABLES, meant
from netplan.model import addresses
from netplan.model.addresses import Address, Subnet
from netplan.model.cni_facts import OverlayFacts
from netplan.model.ids import HOST_NAME, node_id
from netplan.model.node import Node
from netplan.model.planfile import SECOND, AdditionalNetwork, PlanFile
from netplan.model.proposals.capabilities import OLDEST, TRIED, Capabilities, Tried, algorithms, version
from netplan.problems import Problem, closest, printable, quoted

_ALGORITHM = re.compile(r"^[A-Z0-9_]{2,40}\Z")


@dataclass(frozen=True, slots=True)
class HostContext:
    """What a plan says that the typing of its hosts depends on; the link MTU aside, see :meth:`TypedHosts.nodes`.

    Typing sees nothing else of a plan, so hosts typed for an equal context are the same hosts. ``networks`` are the
    additional ones with ``protect: hosts``; ``second`` tells whether each host needs an address of the second family.
    """

    cluster: str
    family: Literal["ipv4", "ipv6", "dual"]
    carrier: Literal["ipv4", "ipv6"]
    families: tuple[Literal["ipv4", "ipv6"], ...]
    made: OverlayFacts | None
    networks: tuple[AdditionalNetwork, ...]
    second: bool

    @classmethod
    def of(cls, plan: PlanFile) -> HostContext:
        """Return the context of a plan file."""
        return cls(
            cluster=plan.name,
            family=plan.underlay.family,
            carrier=plan.underlay.carrier,
            families=plan.underlay.families,
            made=plan.overlay_facts,
            networks=tuple(network for network in plan.additional_networks if network.name != SECOND),
            second=any(network.name == SECOND for network in plan.additional_networks),
        )


@dataclass(frozen=True, slots=True)
class TypedHosts:
    """The hosts of an inventory with their variables typed, and what is wrong with the variables.

    A host with a fault of its own is not among ``found``. There a link MTU of 0 stands for that of the plan.
    """

    found: tuple[Node, ...]
    problems: tuple[Problem, ...]

    def nodes(self, link_mtu: int) -> tuple[Node, ...]:
        """Return the hosts in name order; ``link_mtu`` (bytes) is that of every host without its own."""

        def filled(node: Node) -> Node:
            if node.link_mtu:
                return node
            at = tuple(one if one.link_mtu else replace(one, link_mtu=link_mtu) for one in node.network_addresses)
            return replace(node, link_mtu=link_mtu, network_addresses=at)

        return tuple(filled(node) for node in self.found)


def read_hosts(context: HostContext, inventory: Inventory) -> TypedHosts:
    """Type the variables of every host. Raises nothing: faults are in the result. Rules: ``rules_hosts``."""
    problems: list[Problem] = []
    found: list[Node] = []
    for host in inventory.hosts:
        reader = _Reader(context, inventory, host)
        node = reader.node()
        problems += reader.problems
        if node is not None:
            found.append(node)
    return TypedHosts(tuple(found), tuple(problems))


class _Reader:
    """Reads the variables of one host, keeping every Problem."""

    def __init__(self, context: HostContext, inventory: Inventory, host: Host) -> None:
        self.context, self.inventory, self.host = context, inventory, host
        self.problems: list[Problem] = []
        self.misspelt = {name: known for name in host.variables if isinstance(name, str) and (known := meant(name))}

    def wrong(self, code: str, message: str, variable: str | None = None, hint: str | None = None) -> None:
        text = f"host {quoted(self.host.name)}: {message}"
        self.problems.append(self.inventory.problem(code, text, self.host.name, variable, hint))

    def node(self) -> Node | None:
        name = self.host.name
        if not re.fullmatch(HOST_NAME, name):
            self.wrong("IPP305", "not a usable host name", hint="letters, digits, '.', '_' and '-', at most 253")
        for variable in VARIABLES:
            if variable in self.host.variables and TEMPLATE.search(str(self.host.variables[variable])):
                self._unresolved(variable)
        if self.problems:
            return None
        for variable, known in self.misspelt.items():
            self.wrong("IPP304", f"unknown variable {quoted(variable)}", variable, f"did you mean {known}?")
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
            id=node_id(self.context.cluster, name),
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

    def _unresolved(self, variable: str) -> None:
        why = self.host.unresolved.get(variable)
        if why:
            hint = "define it in the inventory, or write the value out; what Ansible finds on a host is not known here"
            self.wrong("IPP307", f"{variable} holds a template that can't be resolved: {why}", variable, hint)
            return
        self.wrong(
            "IPP307",
            f"{variable} holds a template; what a plan reads must be literal",
            variable,
            "write the value out, or refer to variables alone: templates in an inventory run code on this machine",
        )

    def value(self, variable: str) -> Any:
        return self.host.variables.get(variable)

    def absent(self, variable: str, message: str, hint: str) -> None:
        """Keep a Problem about a variable that is not there, unless a misspelt one says so already."""
        if variable not in self.misspelt.values():
            self.wrong("IPP304", message, hint=self._near(variable) or hint)

    def _near(self, variable: str) -> str | None:
        near = closest(
            variable, [v for v in self.host.variables if not v.startswith("ansible_") and v not in VARIABLES]
        )
        return f"there is {printable(near)}: did you mean {variable}?" if near else None

    def _address(self) -> Address | None:
        version = 4 if self.context.carrier == "ipv4" else 6
        variable, text = "underlay_address", self.value("underlay_address")
        if text is None:
            variable, text = "ansible_host", self.value("ansible_host")
            if text is None or not _literal(text):
                hint = f"underlay_address: the host's IPv{version} address"
                self.absent("underlay_address", "no underlay_address, and ansible_host is no IP address", hint)
                return None
            self._rival(str(text), version)
        hint = f"underlay.family is {self.context.family}; set underlay_address to an IPv{version} address"
        return self.usable(text, variable, variable, version, hint)

    def _rival(self, text: str, version: int) -> None:
        """Keep a Problem where a management address would be taken for what another variable says."""
        for name, value in self.host.rivals:
            if _literal(value) and addresses.address(value).version == version:
                if addresses.address(value) != addresses.address(text):
                    said = f"its underlay_address would be ansible_host, {text}, but {name} says {value}"
                    hint = f"in the plan, host_vars: {{underlay_address: {name}}}; or give the host underlay_address"
                    self.wrong("IPP313", said, "ansible_host", hint)
                return

    def usable(self, text: Any, variable: str, said: str, version: int, hint: str) -> Address | None:
        """Return an address that a host can have in the family; ``said`` is what it is called in a message."""
        try:
            address = addresses.address(str(text))
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

    def _pod_cidr(self) -> Subnet | None:
        text, made = self.value("pod_cidr"), self.context.made
        if text is None and made is not None and made.target is None:
            return None  # this network has no pod subnet for each node
        if text is None:
            self.absent("pod_cidr", "no pod_cidr", "pod_cidr: the node's pod subnet, such as 10.244.1.0/24")
            return None
        if isinstance(text, list) or (isinstance(text, str) and "," in text):
            said = f"pod_cidr {quoted(text)} are several subnets; one is supported"
            self.wrong("IPP304", said, "pod_cidr", "name the subnet that the pods of this node have in the overlay")
            return None
        try:
            network = addresses.subnet(str(text))
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
        if network.max_prefixlen - network.prefixlen < 2:
            self.wrong("IPP304", f"pod_cidr {network} has no room for pods", "pod_cidr", "use /29 or larger")
            return None
        return network

    def _overlay_address(self, pods: Subnet | None) -> str:
        """The address that answers a probe: told, or known from how the network counts, or found when it runs."""
        text, made = self.value("overlay_address"), self.context.made
        if text is None:
            at = 0 if made is None else made.target
            return str(pods[at]) if pods is not None and isinstance(at, int) else ""
        if made is None or not _literal(text):
            known = "our own overlay's is the first address of pod_cidr" if made is None else "not an IP address"
            self.wrong("IPP304", f"overlay_address {quoted(text)}: {known}", "overlay_address")
            return ""
        return str(addresses.address(str(text)))

    def _mtu(self) -> int:
        """The IP MTU of the host's link in bytes, 0 where the plan's counts."""
        value = self.value("underlay_mtu")
        if value is None:
            return 0
        least = 1280 if "ipv6" in self.context.families else 576
        return self.size(value, "underlay_mtu", "underlay_mtu", least)

    def size(self, value: Any, said: str, variable: str, least: int) -> int:
        text = str(value)
        if not re.match(r"^[0-9]{1,6}\Z", text) or not least <= int(text) <= 65535:
            self.wrong("IPP304", f"{said} {quoted(value)} is not a number from {least} to 65535", variable)
            return 0
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
        return Capabilities(found or (), known, self._tried("kernel_iptfs"), self._tried("kernel_per_cpu_sas"))

    def _tried(self, variable: str) -> Tried:
        """What became of a packet, as `ipsecplan facts` writes it."""
        value = self.value(variable)
        for word in TRIED:
            if value == word:
                return word
        if value is not None:
            hint = "`ipsecplan facts` tries it with a packet and writes what became of it"
            self.wrong("IPP304", f"{variable} must be one of {', '.join(TRIED)}, not {quoted(value)}", variable, hint)
        return "untried"


def _literal(text: object) -> bool:
    try:
        addresses.address(str(text))
    except ValueError:
        return False
    return True
