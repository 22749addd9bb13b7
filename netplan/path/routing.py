"""Which device a packet leaves by: rules, tables, the longest prefix, the smallest metric; and what to take when no
route was given."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from netplan.path.model import Family, Host, Interface, Packet, Route, Rule

T = TypeVar("T")
_DEFAULT_RULES = (Rule(priority=32766, table="main"), Rule(priority=32767, table="default"))
_ANY: Mapping[Family, str] = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}


def family_of(address: str) -> Family | None:
    """Return the family of an address or network in text, None for neither."""
    return "ipv6" if ":" in address else "ipv4" if "." in address else None


@functools.lru_cache(maxsize=65536)
def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return a network, None for a text that is none."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def contains(outer: str, inner: str) -> bool:
    """Tell whether a network contains an address or network; False when one of them is no such text."""
    a, b = network(outer), network(inner)
    if a is None or b is None or a.version != b.version:
        return False
    return int(a.network_address) <= int(b.network_address) and int(b.broadcast_address) <= int(a.broadcast_address)


def lookup(host: Host, packet: Packet, device: str = "") -> Route | None:
    """Return the route of a packet to a known address, None where no route or connected network says it.

    ``device``: the one that the packet leaves by in any case; then only its routes count.
    """
    if not packet.dst:
        return None
    for rule in sorted(host.rules or _DEFAULT_RULES, key=lambda r: r.priority):
        if rule.src and not (packet.src and contains(rule.src, packet.src)):
            continue
        if rule.mark is not None and packet.mark & rule.mask != rule.mark:
            continue
        held = _routes(host, rule.table).holding(packet.dst)
        found = _longest(r for r in held if device in ("", r.device))
        if found is not None and not (_length(found.dst) == 0 and takes_default(host, packet)):
            return found
    if device:
        return None
    near = _connected(host, packet.dst) or _allowed(host, packet.dst)
    if near is None and takes_default(host, packet):
        return Route(dst=_ANY[packet.family], device=host.full_tunnel)
    return near


def way_out(host: Host, packet: Packet, device: str) -> tuple[Route | None, str]:
    """Return the route by which a packet leaves, over ``device`` where one is named, and what is assumed of it.

    To no known address over a named device: the one of its routes with the smallest MTU, if each has one of its own.
    """
    if not device or packet.dst:
        return lookup(host, packet, device), ""
    found = [r for r in host.routes if r.device == device and family_of(r.dst) == packet.family]
    lowest = min(found, key=lambda r: r.mtu or 0, default=None)
    if lowest is None or not lowest.mtu:
        return None, ""
    alike = len({r.mtu for r in found}) == 1
    said = f"no far end's address is known: the smallest MTU of the routes over {device} is taken"
    return lowest, "" if alike else said


def takes_default(host: Host, packet: Packet) -> bool:
    """Tell whether wg-quick's full tunnel takes a packet that only a default route would: any but WireGuard's own."""
    return bool(host.full_tunnel) and not packet.wireguard


def _allowed(host: Host, address: str) -> Route | None:
    """The WireGuard device with a peer that has the address among its allowed IPs: wg-quick makes routes of them."""

    def made() -> Prefixes:
        return Prefixes(
            Route(dst=inside, device=name)
            for name, peers in host.endpoints.items()
            if name in host.interfaces
            for inside, _ in peers
            if _length(inside) > 0
        )

    return _longest(_once(host, "peers", made).holding(address))


def _routes(host: Host, table: str) -> Prefixes:
    return _once(host, ("routes", table), lambda: Prefixes(r for r in host.routes if r.table == table))


def _once(host: Host, key: object, make: Callable[[], T]) -> T:
    """Return what is made of a host once, whatever the number of packets that are walked through it."""
    if key not in host.derived:
        host.derived[key] = make()
    found: T = host.derived[key]
    return found


class Prefixes:
    """Routes by their networks: an address is looked up once for each length of a prefix, not for each route."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._found: dict[tuple[int, int], dict[int, list[tuple[int, Route]]]] = {}
        for number, route in enumerate(routes):
            net = network(route.dst)
            if net is not None:
                of_length = self._found.setdefault((net.version, net.prefixlen), {})
                of_length.setdefault(int(net.network_address), []).append((number, route))

    def holding(self, address: str) -> Iterator[Route]:
        """Generate the routes whose network contains an address or network, in the order in which they were given."""
        inner = network(address)
        held: list[tuple[int, Route]] = []
        for (version, length), nets in self._found.items() if inner is not None else ():
            if inner is not None and version == inner.version and length <= inner.prefixlen:
                beyond = inner.max_prefixlen - length
                held += nets.get(int(inner.network_address) >> beyond << beyond, ())
        yield from (route for _, route in sorted(held, key=lambda found: found[0]))


def _longest(routes: Iterable[Route]) -> Route | None:
    return min(routes, key=lambda r: (-_length(r.dst), r.metric, r.device, r.via), default=None)


def _length(text: str) -> int:
    found = network(text)
    return found.prefixlen if found else -1


def _connected(host: Host, address: str) -> Route | None:
    """The network of a device's own address, where routes were not given."""

    def made() -> Prefixes:
        return Prefixes(
            Route(dst=own, device=name, connected=True)
            for name in sorted(host.interfaces)
            for own in host.interfaces[name].addresses
            if "/" in own
        )

    return next(_once(host, "connected", made).holding(address), None)


def endpoint(peers: Sequence[tuple[str, str]], dst: str) -> str:
    """Return the outer address of the WireGuard peer that has ``dst`` among its allowed IPs: the longest network wins.

    Where no peer has it, or ``dst`` is empty: the only peer's, else one of IPv6, whose header is longer; empty where
    all of several peers are of IPv4.
    """
    holding = [(_length(net), end) for net, end in peers if contains(net, dst)]
    if holding:
        return max(holding)[1]
    ends = sorted({end for _, end in peers}, key=lambda end: (":" not in end, end))
    return ends[0] if ends and (len(ends) == 1 or ":" in ends[0]) else ""


def default_devices(host: Host, family: Family | None = None) -> list[str]:
    """Return the devices of default routes in the table ``main``, the best metric first."""
    return _once(host, ("default", family), lambda: _default_devices(host, family))


def _default_devices(host: Host, family: Family | None) -> list[str]:
    wanted = {_ANY[family]} if family else set(_ANY.values())
    found = [r for r in host.routes if r.dst in wanted and r.table == "main"]
    return list(dict.fromkeys(r.device for r in sorted(found, key=lambda r: (r.metric, r.device))))


def device_with(host: Host, address: str) -> str:
    """Return the device that has an address, empty where none has."""

    def made() -> dict[str, str]:
        devices = host.interfaces
        return {a.partition("/")[0]: n for n in sorted(devices, reverse=True) for a in devices[n].addresses}

    found: str = _once(host, "addresses", made).get(address.partition("/")[0], "")
    return found


def hardware(host: Host) -> list[Interface]:
    """Return the devices that can be the link under everything, smallest MTU first; ports of a bond give way to it."""
    return _once(host, "hardware", lambda: _hardware(host))


def _hardware(host: Host) -> list[Interface]:
    links = [i for i in host.interfaces.values() if i.role == "link" and i.up]
    links = links or [i for i in host.interfaces.values() if i.role == "link"]
    links = [i for i in links if not _is_port(host, i)] or links
    # a VLAN's carrier is in use through the VLAN, unless it has an address of its own
    carriers = {i.lower for i in links if i.kind in ("vlan", "macvlan", "ipvlan")}
    links = [i for i in links if i.name not in carriers or i.addresses] or links
    return sorted(links, key=lambda i: (i.mtu, i.name))


def _is_port(host: Host, device: Interface) -> bool:
    return bool(device.master) and host.interfaces.get(device.master, device).role == "link"


def destinations(host: Host) -> Iterator[Route]:
    """Generate the routes that lead to other hosts' networks: none that the kernel made for an address."""
    for route in host.routes:
        if not route.connected and route.device in host.interfaces:
            yield route
