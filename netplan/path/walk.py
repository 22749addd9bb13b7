"""The way down: from a packet at one device to the link, header by header, and what every hop lets through.

A packet is routed, gets the IPsec whose selector it meets, is routed again behind a tunnel's own header, and goes down
from device to device as often as tunnels are nested. Each device, route MTU and the path behind the last device is a
hop; the smallest of their sizes is the exact MTU.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from netplan.path import protection
from netplan.path.join import Peers
from netplan.path.model import OUTER, Hop, Host, Interface, NotKnown, Packet, Protection, Route
from netplan.path.padding import Levels
from netplan.path.routing import (
    default_devices,
    destinations,
    device_with,
    endpoint,
    hardware,
    lookup,
    takes_default,
    way_out,
)
from netplan.problems import ProblemError
from netplan.stack import Solution, parse, solve
from netplan.stack.headers import HEADERS

MAX_DEPTH = 16  # devices under one another; nothing real goes deeper
DEFAULT_LINK = 1500
ASK = "give --mtu"
PEER = "the link of "
_AZURE = "the link is a virtual NIC of Hyper-V: on Azure tunnels have 1400; give --mtu azure-fabric, or the link's MTU"
OVER_IPV4 = "is taken to run over IPv4"


@dataclass(slots=True)
class Way:
    """A walk under way: the hops so far, and what had to be assumed."""

    host: Host
    sizes: Mapping[str, int] = field(default_factory=dict)  # device -> MTU to take instead of its own
    path_mtu: int | None = None  # between the hosts, behind the last device
    peers: Peers = field(default_factory=Peers)  # the links of the other hosts
    unrouted: bool = False  # MTUs of routes over a named device don't count: it is such a route that is judged
    hops: list[Hop] = field(default_factory=list)
    assumed: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    added: str = ""
    levels: Levels = ()

    def hop(self, device: Interface, stack: str, mtu: int | None = None, kind: str = "device") -> None:
        """Add a hop. Raises NotKnown where the stack can't be solved for it."""
        size = mtu if mtu is not None else self.sizes.get(device.name, device.mtu)
        try:
            solution = _solved(stack, min(size, 65535))
            refused = _refused(stack, min(size, 65535))
        except ProblemError as error:
            raise NotKnown(error.problems[0].message) from error
        self.hops.append(
            Hop(
                device=device.name,
                mtu=size,
                solution=solution,
                refused=refused,
                kind=kind,  # type: ignore[arg-type]
                role=device.role,
                df=device.df,
                added=self.added,
                assumed=tuple(self.assumed),
                levels=self.levels,
            )
        )
        self.added = ""


@functools.lru_cache(maxsize=4096)
def _solved(stack: str, link: int) -> Solution:
    """Return what fits; the hosts of a cluster ask the same."""
    return solve(parse(stack), link)


_LIMITED = re.compile(r"ip6/dstopts:8(/|$)")
_LIMIT_IN_CLEAR = re.compile(r"/dstopts:8(?=(/udp)?/esp:)")


def _refused(stack: str, size: int) -> int | None:
    """Return the size that Linux refuses to exceed where that is not simply what fits.

    It counts the encapsulation limit that stands in clear before ESP as if it were inside, where it would be padded.
    """
    limit = HEADERS["dstopts"].number
    if limit is None or not _LIMIT_IN_CLEAR.search(stack):
        return None
    return solve(parse(_LIMIT_IN_CLEAR.sub("", stack, count=1)), size).inner_mtu - limit.default


def best(hops: list[Hop]) -> Hop:
    """Return the hop that limits: the smallest size; of equal ones the last, which is nearest to the wire."""
    return min(reversed(hops), key=lambda h: h.inner)


def below(way: Way, packet: Packet, stack: str, *, device: str = "", own: Protection | None = None) -> list[Hop]:
    """Walk a packet down to the link and return the hops, in the order in which it passes them.

    ``stack`` is the packet as it is, its own IP header first; ``device`` the device that it leaves by where that is
    known; ``own`` the IPsec of a container network, which counts instead of the hosts'. Of several proposals the one
    with the largest overhead counts. Raises NotKnown with what is missing.
    """
    packet = replace(packet, protocol=protection.protocol(stack))
    found = protection.of_packet(way.host, packet) if own is None else []
    choices: list[Protection | None] = [own] if own else [*found] or [None]
    ids = protection.of_interfaces(way.host)
    if ids and not found and own is None and "/esp:" not in stack:
        named = ", ".join(map(str, ids))
        way.assumed.append(
            f"nothing is taken to go into XFRM interfaces (if_id {named}); give `ip -j route` and `ip -j rule`"
        )
    results: list[Way] = []
    for choice in choices:
        # the far end decides which of several proposals is used, so each is walked
        branch = replace(way, hops=[*way.hops], assumed=[*way.assumed], seen={*way.seen})
        _protected(branch, packet, stack, device, choice)
        results.append(branch)
    worst = min(results, key=lambda w: best(w.hops).inner)
    way.hops[:], way.assumed[:] = worst.hops, worst.assumed
    return way.hops


def _protected(way: Way, packet: Packet, stack: str, device: str, esp: Protection | None) -> None:
    if esp is not None:
        if esp.assumed:
            way.assumed.append(esp.assumed)
        before = packet
        if esp.mode == "tunnel":
            _own_route(way, packet, stack)
        stack, packet = protection.with_esp(esp, packet, stack)
        way.added = _plus(way.added, _join(stack.split("/")[0] if packet is not before else "", "esp"))
        if packet is not before and packet.dst:
            device = ""  # routed again by the tunnel's own addresses
    _leave(way, packet, stack, device)


def _own_route(way: Way, packet: Packet, stack: str) -> None:
    """The route of the packet inside a tunnel of IPsec: the kernel takes its MTU too, though nothing leaves by it."""
    route = lookup(way.host, packet)
    device = way.host.interfaces.get(route.device) if route is not None else None
    if route is not None and route.mtu and device is not None:
        way.hop(replace(device, role="nothing"), stack, route.mtu, "route")


def _leave(way: Way, packet: Packet, stack: str, device: str) -> None:
    """Send a packet by a device, or by the one that it is routed to.

    A tunnel that names its carrier is routed as well, among the routes of that carrier (measured, Linux 6.18).
    """
    route, said = (None, "") if device and way.unrouted else way_out(way.host, packet, device)
    way.assumed += [said] if said else []
    name = device or _catch_all(way, packet) or (route.device if route else "") or _carrier(way, packet)
    if not name:
        _unknown_link(way, stack)
        return
    if name in way.seen or len(way.seen) >= MAX_DEPTH:
        raise NotKnown(f"{name} would have to carry its own packets: the routes lead back to it")
    found = way.host.interfaces.get(name)
    if found is None:
        raise NotKnown(f"device {name} is not among the inputs: give `ip -d -j addr` of this host")
    if route is not None and route.mtu and route.device == name:
        way.hop(found, stack, route.mtu, "route")
    through(way, found, packet, stack, route)


def _catch_all(way: Way, packet: Packet) -> str:
    name = way.host.catch_all
    return name if name and not packet.wireguard and packet.sender == "host" and name not in way.seen else ""


def through(way: Way, device: Interface, packet: Packet, stack: str, route: Route | None = None) -> None:
    """Send a packet through a device: a hop for the device itself, then everything under it.

    The MTU of a route over a tunnel counts instead of the device's: the kernel takes the first that is set.
    """
    if device.role == "unknown":
        way.seen.add(device.name)
        way.assumed.append(
            f"{device.name} is taken to carry what its MTU says: {device.why or 'its type is not known'}"
        )
        way.hop(device, stack)
        return
    routed = route is not None and route.mtu and route.device == device.name
    if device.role in ("tunnel", "frame", "policy") and not (routed and device.role != "frame"):
        way.hop(device, stack)
    under(way, device, packet, stack, route)


def under(way: Way, device: Interface, packet: Packet, stack: str, route: Route | None = None) -> None:
    """Send a packet through a device and leave out the device's own MTU: what is under it."""
    way.seen.add(device.name)
    if device.role == "unknown":
        raise NotKnown(f"{device.name}: {device.why}")
    if device.role == "policy":
        _policy(way, device, packet, stack)
    elif device.role == "tunnel":
        if device.alike:
            way.assumed.append(
                f"{device.name} is taken for a tunnel of type {device.kind}; one of type {device.alike} looks alike: "
                "give `ip -d -j addr`"
            )
        if device.unsaid:
            way.assumed.append(f"{device.name} {device.unsaid}")
        head, outer = encapsulated(way.host, device, stack, route, packet)
        way.added = _plus(way.added, _join(OUTER[outer.family], *device.head))
        if device.family is None and not outer.dst:
            way.assumed.append(f"{device.name} {OVER_IPV4}")
        if device.kind == "wireguard":
            over = route.mtu if route is not None and route.device == device.name else None
            way.levels = (*way.levels, (stack, over or way.sizes.get(device.name, device.mtu)))
        below(way, outer, head, device=_named_lower(way, device))
    elif device.role == "frame":
        way.added = _plus(way.added, _join(*device.head))
        _down(way, device, packet, "/".join((*device.head, stack)))
    else:
        _link(way, device, packet, stack)


def encapsulated(
    host: Host, device: Interface, stack: str, route: Route | None, entering: Packet | None = None
) -> tuple[str, Packet]:
    """Return the packet that a tunnel device sends, and its stack. ``entering`` is the packet that goes in."""
    remote = device.remote or endpoint(host.endpoints.get(device.name, ()), entering.dst if entering else "")
    far = host.far_ends.get(device.name, ())
    if not remote and route is not None and route.via and "eth" not in device.head and device.kind != "wireguard":
        remote = route.via  # a tunnel to many: the next hop is the outer address
    if not remote and len(far) == 1:
        remote = far[0]
    family = device.family or ("ipv6" if ":" in remote else "ipv4")
    head = device.head
    inside = stack.removeprefix("eth/")
    if family == "ipv6" and _LIMITED.match(inside) and not any(t.startswith("dstopts") for t in head):
        head = (
            "dstopts:8",
            *head,
        )  # a packet with an encapsulation limit gets another one, even with `encaplimit none`
    whole = "/".join((OUTER[family], *head, stack))
    packet = Packet(
        family=family,
        src=device.local,
        dst=remote,
        port=device.port if "udp" in device.head else None,
        protocol=protection.protocol(whole),
        wireguard=device.kind == "wireguard",
    )
    return whole, packet


def _named_lower(way: Way, device: Interface) -> str:
    """The carrier that a tunnel names. A catch-all device takes its packets all the same."""
    if device.lower and device.lower in way.host.interfaces and not way.host.catch_all:
        return device.lower
    return ""


def _policy(way: Way, device: Interface, packet: Packet, stack: str) -> None:
    """An XFRM interface or a VTI: the packet gets the IPsec of its id or mark, and nothing leaves without any."""
    xfrm = device.kind == "xfrm"
    found = protection.of_packet(
        way.host, packet, if_id=device.key if xfrm else None, mark=device.key if not xfrm else None
    )
    found = [p for p in found if p.mode == "tunnel" or xfrm]
    if not found and xfrm:
        # a dump may lack the ids, as the kernel's policies never do
        found = [p for p in protection.of_packet(way.host, replace(packet, sender="pod")) if p.mode == "tunnel"]
        if found:
            way.assumed.append(f"no IPsec with if_id {device.key} is among the inputs: the one without id is taken")
    if not found and not xfrm and not device.key:
        found = protection.between(way.host, device.local, device.remote)
        if found:
            way.assumed.append(f"the key of {device.name} is not among the inputs: the IPsec between its ends is taken")
    if not found:
        what = f"if_id {device.key}" if xfrm else f"key {device.key}"
        raise NotKnown(
            f"no IPsec for {device.name} ({what}) is among the inputs, and nothing leaves it without: give "
            "swanctl.conf, or `ip xfrm state` and `ip xfrm policy` of this host"
        )
    results: list[Way] = []
    for each in found:
        branch = replace(way, hops=[*way.hops], assumed=[*way.assumed], seen={*way.seen})
        if each.assumed:
            branch.assumed.append(each.assumed)
        wrapped, outer = protection.with_esp(each, packet, stack)
        branch.added = _plus(branch.added, _join(OUTER[outer.family], "esp"))
        if device.remote and not outer.dst:
            outer = replace(outer, src=device.local, dst=device.remote)
        lower = device.lower if device.lower in way.host.interfaces else ""
        if lower and way.host.interfaces[lower].role == "nothing":
            lower = ""  # an interface that stands on `lo` sends by the route of the tunnel's own address
        _leave(branch, outer, wrapped, "" if outer.dst else lower)
        results.append(branch)
    worst = min(results, key=lambda w: best(w.hops).inner)
    way.hops[:], way.assumed[:] = worst.hops, worst.assumed


def _link(way: Way, device: Interface, packet: Packet, stack: str) -> None:
    if device.mtu6 is not None and device.mtu6 < device.mtu and stack.partition("/")[0] == "ip6":
        way.hop(device, stack, device.mtu6, "ipv6")
    lower = way.host.interfaces.get(device.lower) if device.kind in _ON_A_CARRIER else None
    if lower is None or lower.name in way.seen or lower.role == "nothing":
        last = way.path_mtu
        if last is None and device.bus == "vmbus" and "/" in stack:
            way.assumed.append(_AZURE)
        way.hop(device, stack, last, "path" if last is not None else "device")
        if last is None:
            _far_link(way, device, packet, stack)
        return
    if way.path_mtu is None:
        way.hop(device, stack)
    _down(way, device, packet, stack)


def _far_link(way: Way, device: Interface, packet: Packet, stack: str) -> None:
    """The other host's link, where it is among the inputs and smaller: its device drops what is larger."""
    far = way.peers.at(packet.dst) if packet.dst else way.peers.near(way.host.name, device)
    if far is not None and far[0] < device.mtu:
        way.hop(Interface(name=f"{PEER}{far[1]}", mtu=far[0]), stack, far[0], "path")


_ON_A_CARRIER = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")


def _down(way: Way, device: Interface, packet: Packet, stack: str) -> None:
    lower = way.host.interfaces.get(device.lower)
    if lower is None:
        _unknown_link(way, stack)
    elif lower.name not in way.seen:
        through(way, lower, packet, stack)


def _carrier(way: Way, packet: Packet) -> str:
    """Return the device to take for an address that no route is known for, and say so where it is a guess."""
    host = way.host
    if packet.src and (name := device_with(host, packet.src)):
        return name
    if takes_default(host, packet) and packet.sender != "host" and host.full_tunnel not in way.seen:
        return host.full_tunnel
    usable = [n for n in default_devices(host, packet.family) or default_devices(host) if n in host.interfaces]
    usable = [n for n in usable if n not in way.seen]
    if usable:
        return _of_several(way, usable[0])
    links = [i for i in hardware(host) if i.name not in way.seen]
    if not links:
        return ""
    if way.path_mtu is not None:
        return links[0].name
    return _smallest(way, links, "no route is known: the smallest of the host's links is taken")


def _of_several(way: Way, name: str) -> str:
    """Return the device of the default route, or a smaller link that leads to networks behind a gateway as well.

    The nodes of a cloud's cluster reach each other by a second, private network, and nothing but an address of a
    peer tells it from the first.
    """
    host = way.host
    if way.path_mtu is not None:
        return name
    behind = {r.device for r in destinations(host) if r.via and r.table == "main" and not r.dst.endswith("/0")}
    links = [i for i in hardware(host) if i.name == name or (i.name in behind and i.name not in way.seen)]
    if len({i.mtu for i in links}) < 2:
        return name
    why = "no address of another host is known, and several links lead to others: the smallest is taken"
    return _smallest(way, links, why)


def _smallest(way: Way, links: Sequence[Interface], why: str) -> str:
    """Return the first of these links, the smallest first; where they differ, say why that one is taken."""
    if len({i.mtu for i in links}) > 1:
        names = ", ".join(f"{i.name} {i.mtu}" for i in links[:4])
        way.assumed.append(f"{why} ({names}); {ASK}")
    return links[0].name


def _unknown_link(way: Way, stack: str) -> None:
    """No device is known under it: take the MTU that was given, else 1500, and say so."""
    mtu = way.path_mtu
    if mtu is None:
        mtu = DEFAULT_LINK
        way.assumed.append(f"the link MTU {mtu} is assumed; {ASK}")
    way.hop(Interface(name="", mtu=mtu), stack, mtu, "path")


def _plus(added: str, more: str) -> str:
    return f"{added} + {more}" if added else more


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
