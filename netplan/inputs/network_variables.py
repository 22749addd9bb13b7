"""Host variables about the additional networks between the hosts: each host's address on them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Protocol

from netplan.model.node import NetworkAddress, Node
from netplan.model.planfile import SECOND, AdditionalNetwork
from netplan.problems import Problem, closest, quoted

SECOND_ADDRESS, NETWORKS = "underlay_address_ipv6", "underlay_networks"
FORM = "{address: 10.1.0.1, mtu: 9000, nat: false}}; mtu and nat may be left out"


class Context(Protocol):
    """What a plan says of its additional networks."""

    @property
    def networks(self) -> tuple[AdditionalNetwork, ...]:
        """Return those that the plan names."""

    @property
    def second(self) -> bool:
        """Tell whether each host needs an address of the second family."""


class Reader(Protocol):
    """What reads the variables of one host, and keeps every Problem."""

    problems: list[Problem]

    @property
    def context(self) -> Context:
        """Return what the plan says of its additional networks."""

    def wrong(self, code: str, message: str, variable: str | None = None, hint: str | None = None) -> None:
        """Keep a Problem."""

    def value(self, variable: str) -> Any:
        """Return a variable, None without it."""

    def absent(self, variable: str, message: str, hint: str) -> None:
        """Keep a Problem about a variable that is not there."""

    def usable(
        self, text: Any, variable: str, said: str, version: int, hint: str
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Return an address that a host can have."""

    def size(self, value: Any, said: str, variable: str, least: int) -> int:
        """Return an MTU in bytes."""


def read(reader: Reader, link_mtu: int) -> tuple[NetworkAddress, ...]:
    """Return a host's addresses on the plan's additional networks; ``link_mtu``: its main link's, 0 for the plan's."""
    networks, found = {network.name: network for network in reader.context.networks}, []
    if reader.context.second:
        text = reader.value(SECOND_ADDRESS)
        if text is None:
            message = f"no {SECOND_ADDRESS}, and protect: hosts with family dual covers both families"
            reader.absent(SECOND_ADDRESS, message, f"{SECOND_ADDRESS}: the host's IPv6 address; or family: ipv4")
        else:
            hint = f"{SECOND_ADDRESS} is the IPv6 one of the host's two addresses"
            address = reader.usable(text, SECOND_ADDRESS, SECOND_ADDRESS, 6, hint)
            if address is not None:
                found.append(NetworkAddress(network=SECOND, address=str(address), link_mtu=link_mtu))
    given = reader.value(NETWORKS)
    if given is None or not (networks or reader.context.second):
        return tuple(found)
    if not isinstance(given, dict):
        reader.wrong("IPP304", f"{NETWORKS} {quoted(given)} is no mapping", NETWORKS, f"{NETWORKS}: {{storage: {FORM}")
        return tuple(found)
    for name, about in given.items():
        if name not in networks:
            near = closest(str(name), networks)
            hint = (
                f"did you mean {near}?" if near else "name it in underlay.networks: what the plan doesn't know is clear"
            )
            reader.wrong("IPP304", f"{NETWORKS} names {quoted(name)}, which is no network of the plan", NETWORKS, hint)
            continue
        address_there = _address(reader, networks[name], about)
        if address_there is not None:
            found.append(address_there)
    return tuple(found)


def _address(reader: Reader, network: AdditionalNetwork, about: Any) -> NetworkAddress | None:
    said, before = f"{NETWORKS}: {network.name}", len(reader.problems)
    unknown = sorted(set(about) - {"address", "mtu", "nat"}, key=str) if isinstance(about, dict) else []
    if unknown or not isinstance(about, dict) or "address" not in about:
        what = f": {quoted(unknown[0])} is unknown" if unknown else " has no address"
        what = what if isinstance(about, dict) else f" {quoted(about)} is no mapping"
        reader.wrong("IPP304", f"{said}{what}", NETWORKS, f"{NETWORKS}: {{{network.name}: {FORM}")
        return None
    version, nat = 4 if network.family == "ipv4" else 6, str(about.get("nat", False)).lower()
    address = reader.usable(about["address"], NETWORKS, said, version, f"the network's family is {network.family}")
    mtu = reader.size(about.get("mtu", network.mtu), f"{said}: mtu", NETWORKS, 1280 if version == 6 else 576)
    if nat not in ("true", "false"):
        reader.wrong("IPP304", f"{said}: nat must be true or false, not {quoted(nat)}", NETWORKS)
    if len(reader.problems) > before:
        return None
    return NetworkAddress(network=network.name, address=str(address), link_mtu=mtu, nat=nat == "true")


def addresses(node: Node) -> Iterator[tuple[str, str]]:
    """Generate each address of a host, with the variable that gives it."""
    yield node.address, "underlay_address"
    for at in node.network_addresses:
        yield at.address, SECOND_ADDRESS if at.network == SECOND else NETWORKS
