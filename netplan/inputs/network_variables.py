"""Host variables about the further networks between the hosts (planes): where each host stands on them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any, Protocol

from netplan.inputs.inventory import Inventory
from netplan.model.node import Node, Station
from netplan.model.planfile import SECOND, Plane, PlanFile
from netplan.problems import Problem, closest, quoted

SECOND_ADDRESS, PLANES = "underlay_address_ipv6", "underlay_planes"
FORM = "{address: 10.1.0.1, mtu: 9000, nat: false}}; mtu and nat may be left out"


class Reader(Protocol):
    """What reads the variables of one host, and keeps every Problem."""

    plan: PlanFile
    problems: list[Problem]

    def wrong(self, code: str, message: str, variable: str | None = None, hint: str | None = None) -> None:
        """Keep a Problem."""

    def value(self, variable: str) -> Any:
        """Return a variable, None without it."""

    def near(self, variable: str) -> str | None:
        """Return a hint when a variable looks misspelt."""

    def usable(
        self, text: Any, variable: str, said: str, version: int, hint: str
    ) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """Return an address that a host can have."""

    def size(self, value: Any, said: str, variable: str, least: int) -> int:
        """Return an MTU in bytes."""


def read(reader: Reader, link_mtu: int) -> tuple[Station, ...]:
    """Return where a host stands on the plan's planes; ``link_mtu`` is that of its main link in bytes."""
    planes, found = {plane.name: plane for plane in reader.plan.planes}, []
    if reader.plan.underlay.family == "dual" and SECOND in planes:
        del planes[SECOND]
        text = reader.value(SECOND_ADDRESS)
        if text is None:
            hint = reader.near(SECOND_ADDRESS) or f"{SECOND_ADDRESS}: the host's IPv6 address; or family: ipv4"
            message = f"no {SECOND_ADDRESS}, and protect: hosts with family dual covers both families"
            reader.wrong("IPP304", message, hint=hint)
        else:
            hint = f"{SECOND_ADDRESS} is the IPv6 one of the host's two addresses"
            address = reader.usable(text, SECOND_ADDRESS, SECOND_ADDRESS, 6, hint)
            if address is not None:
                found.append(Station(plane=SECOND, address=str(address), link_mtu=link_mtu))
    given = reader.value(PLANES)
    if given is None or not reader.plan.planes:
        return tuple(found)
    if not isinstance(given, dict):
        reader.wrong("IPP304", f"{PLANES} {quoted(given)} is no mapping", PLANES, f"{PLANES}: {{storage: {FORM}")
        return tuple(found)
    for name, about in given.items():
        if name not in planes:
            near = closest(str(name), planes)
            hint = (
                f"did you mean {near}?" if near else "name it in underlay.planes: what the plan doesn't know is clear"
            )
            reader.wrong("IPP304", f"{PLANES} names {quoted(name)}, which is no plane of the plan", PLANES, hint)
            continue
        station = _station(reader, planes[name], about)
        if station is not None:
            found.append(station)
    return tuple(found)


def _station(reader: Reader, plane: Plane, about: Any) -> Station | None:
    said, before = f"{PLANES}: {plane.name}", len(reader.problems)
    unknown = sorted(set(about) - {"address", "mtu", "nat"}, key=str) if isinstance(about, dict) else []
    if unknown or not isinstance(about, dict) or "address" not in about:
        what = f": {quoted(unknown[0])} is unknown" if unknown else " has no address"
        what = what if isinstance(about, dict) else f" {quoted(about)} is no mapping"
        reader.wrong("IPP304", f"{said}{what}", PLANES, f"{PLANES}: {{{plane.name}: {FORM}")
        return None
    version, nat = 4 if plane.family == "ipv4" else 6, str(about.get("nat", False)).lower()
    address = reader.usable(about["address"], PLANES, said, version, f"the plane's family is {plane.family}")
    mtu = reader.size(about.get("mtu", plane.mtu), f"{said}: mtu", PLANES, 1280 if version == 6 else 576)
    if nat not in ("true", "false"):
        reader.wrong("IPP304", f"{said}: nat must be true or false, not {quoted(nat)}", PLANES)
    if len(reader.problems) > before:
        return None
    return Station(plane=plane.name, address=str(address), link_mtu=mtu, nat=nat == "true")


def addresses(node: Node) -> Iterator[tuple[str, str]]:
    """Generate each address of a host, with the variable that gives it."""
    yield node.address, "underlay_address"
    for at in node.stations:
        yield at.address, SECOND_ADDRESS if at.plane == SECOND else PLANES


def deserted(plan: PlanFile, inventory: Inventory, found: list[Node]) -> Iterator[Problem]:
    """A plane on which no two hosts stand: it would protect nothing."""
    for plane in plan.planes:
        there = [node for node in found if any(at.plane == plane.name for at in node.stations)]
        if len(there) < 2 and len(found) > 1 and plane.name != SECOND:
            yield inventory.problem(
                "IPP306",
                f"{len(there)} of {len(found)} hosts on the plane {plane.name}: a tunnel needs two ends",
                there[0].name if there else None,
                PLANES,
                f"{PLANES}: {{{plane.name}: {{address: ADDRESS}}}} for each host that is on it",
            )
