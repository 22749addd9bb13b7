"""How large the packets of a number can be on the hosts that were read: the walks that the judge needs.

A tunnel device under another one counts with the MTU that it should have: what it has, unless a finding says that it is
wrong. So all findings of one run fit together: after all changes were made, nothing is left to change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from netplan.audit.formats.device_names import is_network_s
from netplan.audit.world import World
from netplan.cni.adapter import OVERLAY, BuiltinIpsec, Family
from netplan.path import protection, walk
from netplan.path.kinds import BY_PACKET, MESH, header_tokens
from netplan.path.model import OUTER, Hop, Host, Interface, Mode, NotKnown, Packet, Protection, Route, Sender
from netplan.path.routing import contains, destinations, device_with, hardware, lookup, network
from netplan.stack.headers import HEADERS

# WireGuard leaves room for an IPv6 outer header whatever it runs over; its peers may be either
TOLERANCE = HEADERS["ip6"].bytes - HEADERS["ip4"].bytes
_TUNNELS = ("tunnel", "policy")
_OVN = re.compile(r"ovn-k8s-mp\d+$|ovn0$|ovn-")
_SWITCH = "what Open vSwitch puts on (IPsec of its own, options) is not shown by `ip`; give `ovs-vsctl list interface`"
Carrier = tuple[Interface, str, Route | None]  # a device, what is assumed about it, the route that leads to it


class Reach:
    """Walks over one world. ``path_mtu`` is what the caller said of the path between the hosts."""

    def __init__(self, world: World, path_mtu: int | None) -> None:
        self._world, self._path_mtu = world, path_mtu
        self._targets: dict[tuple[str, str, bool], int] = {}
        self._alike: dict[tuple[str, str, Family], Interface | None] = {}

    def way(self, host: Host, *, inside: bool = False) -> walk.Way:
        """Return a walk that begins on a host; ``inside`` one that stays where the host's own link counts."""
        return walk.Way(
            host=host,
            sizes=_Sizes(self, host, inside),
            path_mtu=None if inside else self._path_mtu,
            peers=self._world.peers,
        )

    def under(self, host: Host, name: str, *, inside: bool = False) -> list[Hop]:
        """Return what is under a device, without its own MTU. Raises NotKnown."""
        device = host.interfaces[name]
        found: list[list[Hop]] = []
        for packet, route in _packets(host, device):
            way = self.way(host, inside=inside)
            walk.under(way, device, packet, _inner(device), route)
            found.append(way.hops)
        return min(found, key=lambda hops: walk.best(hops).inner)

    def unprotected(self, host: Host, name: str) -> list[Protection]:
        """Return the IPsec that would cover the packets of a tunnel device but for its UDP port."""
        device = host.interfaces[name]
        if device.kind not in _GUARDED or device.external:
            return []
        _, packet = walk.encapsulated(host, device, "ip4", None)
        return [] if protection.of_packet(host, packet) else protection.missed(host, packet)

    def target(self, host: Host, name: str, *, inside: bool = False) -> int:
        """Return the MTU that a device has after every finding was followed."""
        key = (host.name, name, inside)
        if key not in self._targets:
            device = host.interfaces[name]
            self._targets[key] = device.mtu  # for a walk that comes back here
            if device.role in (*_TUNNELS, "frame") and not device.external:
                self._targets[key] = self._fitting(host, device, inside)
        return self._targets[key]

    def _fitting(self, host: Host, device: Interface, inside: bool) -> int:
        try:
            hop = walk.best(self.under(host, device.name, inside=inside))
        except NotKnown:
            return device.mtu
        room = TOLERANCE if device.kind == "wireguard" else 0
        fits = hop.inner - room <= device.mtu <= hop.inner or (MESH.match(device.name) and device.mtu <= hop.inner)
        # what is too small is raised only where the whole way is known; over which family does not matter then
        doubts = [a for a in hop.assumed if not (room and a.endswith(walk.OVER_IPV4))]
        return device.mtu if fits or (doubts and device.mtu < hop.inner) else hop.inner

    def pods(self, host: Host, name: str, sender: Sender = "pod") -> list[Hop] | None:
        """Return the way of the pods behind a device; None where no tunnel of this host carries them."""
        device = host.interfaces.get(name)
        found: list[list[Hop]] = []
        unknown: NotKnown | None = None
        for carrier, assumed, route in self._carriers(host, device):
            way = self.way(host)
            way.assumed += [assumed] if assumed else []
            family: Family = "ipv6" if route is not None and ":" in route.dst else "ipv4"
            # what is larger than a route's MTU is reported to the pod, which is what such an MTU is for
            plain = replace(route, mtu=None) if route is not None else None
            try:
                walk.through(way, carrier, Packet(family=family, sender=sender), OUTER[family], plain)
                found.append(way.hops)
            except NotKnown as reason:
                unknown = reason
        if unknown is not None and not found:
            raise unknown
        return min(found, key=lambda hops: walk.best(hops).inner) if found else None

    def by_packet(self, host: Host, name: str) -> tuple[str, str]:
        """Return the encapsulation of pods whose tunnel gets its far ends packet by packet, and what is assumed of it.

        Open vSwitch and Cilium have such tunnels; both texts are empty for others.
        """
        device = host.interfaces[name]
        kinds = {i.kind for i in host.interfaces.values() if i.external and i.kind in _GUARDED}
        switched = device.kind == "openvswitch" or device.master == "ovs-system"
        routed = device.role == "pod" and not device.master and BY_PACKET & host.interfaces.keys()
        if not (switched or routed) or len(kinds) != 1:
            return "", ""
        (kind,) = kinds
        if not switched:
            return kind, ""
        ovn = any(_OVN.match(n) for n in host.interfaces)  # its Geneve has 8 bytes of options
        return f"{kind}:8" if ovn and kind == "geneve" else kind, _SWITCH

    def into(self, host: Host, name: str) -> list[Hop]:
        """Return the way of packets that leave by a tunnel device, whatever sends them. Raises NotKnown."""
        way = self.way(host)
        walk.through(way, host.interfaces[name], Packet(family="ipv4", sender="pod"), OUTER["ipv4"])
        return way.hops

    def routed(self, host: Host, name: str, target: str) -> list[Hop]:
        """Return the way of the packets that a route takes, without the MTU that is set on the route itself."""
        device = host.interfaces[name]
        family: Family = "ipv6" if ":" in target else "ipv4"
        packet = Packet(family=family, dst="" if target.endswith("/0") else target.partition("/")[0])
        way = self.way(host)
        if device.role in _TUNNELS:
            walk.under(way, device, packet, OUTER[family])  # the device's own MTU does not bind where the route has one
        elif device.role == "frame":
            walk.through(way, device, packet, OUTER[family])
        else:
            way.unrouted = True
            walk.below(way, packet, OUTER[family], device=name)
        return way.hops

    def _carriers(self, host: Host, device: Interface | None) -> Iterator[Carrier]:
        """Generate the tunnel devices that carry pods, with what is assumed about it."""
        tunnels = {n: i for n, i in host.interfaces.items() if i.role in _TUNNELS and not i.external}
        tunnels.pop(host.catch_all, None)  # it carries the nodes' packets, and pods' inside of those
        master = device.name if device is not None and device.role == "bridge" else device.master if device else ""
        bridged = [i for i in tunnels.values() if master and i.master == master and i.frames]
        if bridged:
            yield from ((i, "", None) for i in bridged)
            return
        # routes that differ in nothing but where they lead are one
        usable = [r for r in destinations(host) if r.device in tunnels]
        routed = {(r.device, ":" in r.dst, bool(r.via)): r for r in _to_pods(host, usable)}
        if routed or host.routes:
            yield from ((tunnels[r.device], "", r) for r in routed.values())
            return
        # a tunnel that carries another one is no pods' own
        lower = {h.device for n in tunnels for h in self._silent(host, n)}
        free = [i for n, i in tunnels.items() if n not in lower and i.role == "tunnel"]
        # beside a network's own tunnel, one that a person made is a VPN of the host
        free = [i for i in free if is_network_s(i.name)] or free
        for each in free:
            others = f" ({', '.join(i.name for i in free)})" if len(free) > 1 else ""
            said = f"no route was given: pods are taken to use {each.name}{others}; give `ip -j route`"
            yield each, said, None

    def _silent(self, host: Host, name: str) -> list[Hop]:
        try:
            return self.under(host, name)
        except NotKnown:
            return []

    def network(
        self,
        host: Host,
        encap: str,
        family: Family,
        *,
        port: int | None,
        own: BuiltinIpsec | None,
        sender: Sender,
        bearer: str = "",
        inside: bool = False,
        ends: tuple[str, tuple[str, ...]] = ("", ()),
    ) -> tuple[list[Hop], list[Protection]]:
        """Return the way of a network's packets and the IPsec that misses them by its port only. Raises NotKnown.

        ``ends`` are the outer address of this host's end and those of all, where the configuration names them.
        """
        if host.catch_all and encap.endswith("+wireguard"):
            encap = encap.removesuffix("+wireguard")  # the device is here: its own MTU counts
        stack, packet = packet_of(encap, family, port, sender)
        if bearer and bearer not in host.interfaces and host.interfaces:
            raise NotKnown(f"the configuration names {bearer}, which is not among the devices of this host")
        way = self.way(host, inside=inside)
        shield = None if own is None else Protection(suite=own.suite, mode=_mode(own), nat_t=own.nat_t, family=family)
        tunnel = self._same(host, encap, family)
        device = bearer if bearer in host.interfaces else ""
        if tunnel is not None and sender == "host":
            _, outer = walk.encapsulated(host, tunnel, "ip4", _via(host, tunnel))
            packet = Packet(family=family, src=outer.src, dst=outer.dst, port=packet.port, wireguard=packet.wireguard)
            device = device or (tunnel.lower if tunnel.lower in host.interfaces and not host.catch_all else "")
        elif tunnel is None and not device and encap != "none":
            packet = self._between(host, packet, *ends)
        hops = walk.below(way, packet, stack, device=device, own=shield)
        missed: list[Protection] = []
        if (
            own is None
            and _base(encap) in _GUARDED
            and packet.port is not None
            and not protection.of_packet(host, packet)
        ):
            missed = protection.missed(host, packet)
        return hops, missed

    def _between(self, host: Host, packet: Packet, source: str, far: tuple[str, ...]) -> Packet:
        """Return a packet between the ends of a tunnel: to the one that the smallest device leads to."""
        ways: list[tuple[int, str]] = []
        for end in far[:64]:
            route = None if device_with(host, end) else lookup(host, replace(packet, dst=end))
            if route is not None and route.device in host.interfaces:
                ways.append((min(host.interfaces[route.device].mtu, route.mtu or 65535), end))
        return replace(packet, src=source, dst=min(ways)[1] if ways else "")

    def _same(self, host: Host, encap: str, family: Family) -> Interface | None:
        """The live tunnel device of a network's encapsulation, where there is exactly one kind of it."""
        key = (host.name, _base(encap), family)
        if key not in self._alike:
            found = [
                i
                for i in host.interfaces.values()
                if i.kind == key[1] and i.role == "tunnel" and not i.external and (i.family or family) == family
            ]
            self._alike[key] = min(found, key=lambda i: i.name, default=None)
        return self._alike[key]

    def link_of(self, host: Host | None) -> int | None:
        """Return the MTU that programs on a host see on its link; None where no link of it is known."""
        found = hardware(host) if host is not None else []
        return found[0].mtu if found else None


# bits that the networks of two nodes' pods have in common: they are cut from one range, which is a /14 or smaller
_COMMON = {4: 13, 6: 40}


def _to_pods(host: Host, routes: list[Route]) -> list[Route]:
    """Return the routes that lead to other hosts' pods; all of them where the pods' own networks are not known.

    A VPN of the host, whose routes lead elsewhere, is no overlay of its pods.
    """
    own = [a for i in host.interfaces.values() if i.role == "bridge" for a in i.addresses]
    own += [r.dst for r in host.routes if (d := host.interfaces.get(r.device)) is not None and d.role == "pod"]
    near = {
        n.supernet(new_prefix=_COMMON[n.version]) for a in own if (n := network(a)) and n.prefixlen > _COMMON[n.version]
    }
    found = [r for r in routes if any(contains(str(wide), r.dst) for wide in near) or r.dst in ("0.0.0.0/0", "::/0")]
    return found or routes


class _Sizes(Mapping[str, int]):
    """The MTUs that the devices of a host should have, computed when a walk asks."""

    def __init__(self, reach: Reach, host: Host, inside: bool) -> None:
        self._reach, self._host, self._inside = reach, host, inside

    def __getitem__(self, name: str) -> int:
        if name not in self._host.interfaces:
            raise KeyError(name)
        return self._reach.target(self._host, name, inside=self._inside)

    def __iter__(self) -> Iterator[str]:
        return iter(self._host.interfaces)

    def __len__(self) -> int:
        return len(self._host.interfaces)


_KERNEL = ("gre", "gretap", "ip6gre", "ip6gretap", "ipip", "sit", "ip6tnl", "erspan", "ip6erspan")


def packet_of(encap: str, family: Family, port: int | None, sender: Sender) -> tuple[str, Packet]:
    """Return a network's packet as it leaves its overlay device. Raises NotKnown for an unknown encapsulation."""
    outer, _, more = encap.partition("+")
    overlay = OVERLAY.get(encap, OVERLAY.get(outer))
    if outer in _KERNEL and encap not in OVERLAY:
        family = "ipv6" if outer.startswith("ip6") else "ipv4"
        overlay = "/".join(header_tokens(outer, {"okey": more} if more == "key" else {})[0])
    if overlay is None:
        raise NotKnown(f"the encapsulation {encap!r} can't be computed: give --stack and --mtu")
    ip = OUTER[family]
    if outer == "none":
        stack, packet = "ip4", Packet(family=family, sender=sender)
    else:
        stack = "/".join(part for part in (ip, overlay, "ip6" if outer == "sit" else "ip4") if part)
        packet = Packet(family=family, port=port, wireguard=outer == "wireguard")
    if more == "wireguard":
        stack, packet = f"{ip}/{OVERLAY['wireguard']}/{stack}", Packet(family=family, wireguard=True)
    return stack, packet


# overlays that the hosts' IPsec is there for
_GUARDED = ("vxlan", "geneve", "stt")


def _base(encap: str) -> str:
    return encap.partition(":")[0].partition("+")[0]


def _mode(own: BuiltinIpsec) -> Mode:
    return "tunnel" if own.mode == "tunnel" else "transport"


def _inner(device: Interface) -> str:
    return "ip6" if device.kind == "sit" else "ip4"


def _via(host: Host, device: Interface) -> Route | None:
    return next((r for r in destinations(host) if r.device == device.name and r.via), None)


def _packets(host: Host, device: Interface) -> Iterator[tuple[Packet, Route | None]]:
    """Generate one packet for each far end that a device is known to have; one without addresses for none."""
    packet = Packet(family="ipv4", sender="pod")
    vias = {} if device.remote or device.frames else {r.via: r for r in destinations(host) if r.device == device.name}
    vias.pop("", None)
    if not vias:
        yield packet, None
        return
    # a thousand peers behind one device differ in their link only, and there are few links
    for via in sorted(vias)[:64]:
        yield packet, vias[via]
