"""The walk of one packet between two addresses: where it begins, which devices it passes, what each lets through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from netplan.path import walk
from netplan.path.join import Peers
from netplan.path.model import OUTER, Family, Hop, Host, Interface, NotKnown, Packet, Route
from netplan.path.routing import contains, device_with, family_of, lookup, network
from netplan.stack import parse, solve
from netplan.stack.headers import HEADERS

Entry = Literal["socket", "routed", "bridged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A walk: ``entry`` is how the packet gets into the first device behind its source.

    ``socket``: a program of the host sends it. ``routed``: it comes from a pod and is routed by the host. ``bridged``:
    it comes from a pod as a frame and stays one.
    """

    src: str
    dst: str
    family: Family
    host: str
    entry: Entry
    hops: tuple[Hop, ...]
    assumed: tuple[str, ...] = ()

    @property
    def exact(self) -> int:
        """The largest packet that arrives without a fragment."""
        return min(hop.passes for hop in self.hops)


def trace(hosts: Mapping[str, Host], peers: Peers, src: str, dst: str, path_mtu: int | None = None) -> Trace:
    """Walk a packet from ``src`` (an address, or ``DEVICE`` or ``HOST:DEVICE`` of a pod) to the address ``dst``.

    Raises NotKnown with what is missing: the source is on no host, or a device or route on the way is not known.
    """
    family = family_of(dst)
    if family is None or network(dst) is None or "/" in dst:
        raise NotKnown(f"{dst!r} is no IP address")
    host, device, address = _source(hosts, src)
    way = walk.Way(host=host, path_mtu=path_mtu, peers=peers)
    packet = Packet(family=family, src=address, dst=dst, sender="pod" if device else "host")
    stack = OUTER[family]
    entry: Entry = "socket"
    if device is not None:
        way.hop(device, stack)
        way.seen.add(device.name)
        entry = _from_pod(way, device, packet, stack)
    else:
        walk.below(way, packet, stack)
    hops = [*way.hops, *_far_pod(hosts, host, dst, stack)]
    assumed = tuple(dict.fromkeys(a for hop in hops for a in hop.assumed))
    return Trace(src=src, dst=dst, family=family, host=host.name, entry=entry, hops=tuple(hops), assumed=assumed)


def _from_pod(way: walk.Way, device: Interface, packet: Packet, stack: str) -> Entry:
    host = way.host
    bridge = host.interfaces.get(device.master) if device.role == "pod" else device
    if bridge is None or bridge.role != "bridge":
        _routed(way, packet, stack)
        return "routed"
    own = any("/" in a and contains(a, packet.dst) for a in bridge.addresses)
    ports = [
        i
        for i in host.interfaces.values()
        if i.master == bridge.name and ((i.frames and not i.external) or i.role == "link")
    ]
    if ports and (own or not bridge.addresses):
        port = min(ports, key=lambda i: i.name)
        if len(ports) > 1:
            way.assumed.append(f"{bridge.name} has several tunnels; {port.name} is taken")
        way.hop(port, stack, port.mtu + _forwarded_beyond(way, device, port))
        walk.under(way, port, packet, stack)
        return "bridged"
    way.seen.add(bridge.name)
    if own:
        return "bridged"  # the other pod is on the same bridge
    _routed(way, packet, stack)
    return "routed"


def _forwarded_beyond(way: walk.Way, device: Interface, port: Interface) -> int:
    """Return by how much a frame that a bridge forwards may exceed the MTU of a port (`is_skb_forwardable`).

    It is a VLAN tag, whether the frame has one or not. The driver of ip6gretap in Linux 6.1 counts its own headers to
    the length of the link's header, so a bridge forwards larger frames to it; that of 6.12 doesn't (measured on 6.1.176
    and 6.12.113). No dump says which kernel it is of, so the newer one is taken, and said where it makes a difference.
    """
    if port.kind in ("erspan", "ip6erspan"):
        return 0  # it cuts frames at its MTU
    beyond = HEADERS["vlan"].bytes
    if port.kind == "ip6gretap" and device.mtu > port.mtu + beyond:
        own = sum(t.head_bytes for t in parse("/".join(("ip6", port.head[-2], "eth/ip4"))).tokens[:2])
        way.assumed.append(
            f"the kernel is as new as 6.12: one of 6.1 forwards frames to {port.name} that are {own} larger"
        )
    return beyond


def _routed(way: walk.Way, packet: Packet, stack: str) -> None:
    """Route a pod's packet; without any route, over the only tunnel that is not under another one."""
    host = way.host
    tunnels = [
        i for i in host.interfaces.values() if i.role == "tunnel" and not i.external and i.name != host.catch_all
    ]
    lower = {i.lower for i in tunnels}
    free = [i for i in tunnels if i.name not in lower]
    if lookup(host, packet) is None and not host.routes and free:
        if len(free) > 1:
            names = ", ".join(i.name for i in free)
            raise NotKnown(
                f"no route to {packet.dst} was given, and there are several tunnels ({names}): give `ip -j route`"
            )
        way.assumed.append(f"no route was given: the packet is taken to use {free[0].name}; give `ip -j route`")
        walk.through(way, free[0], packet, stack)
        return
    walk.below(way, packet, stack)


def _source(hosts: Mapping[str, Host], src: str) -> tuple[Host, Interface | None, str]:
    """Return the host a packet begins on, the device of the pod that sends it (None: the host), and its address."""
    name, _, device = src.rpartition(":")
    named = [h for h in hosts.values() if (not name or h.name == name) and device in h.interfaces]
    if family_of(src) is None or named:
        if len(named) != 1:
            many = f"several hosts have {device}: write HOST:{device}" if named else f"no host has a device {src!r}"
            raise NotKnown(many)
        return named[0], named[0].interfaces[device], ""
    for host in hosts.values():
        if device_with(host, src):
            return host, None, src
    for host in hosts.values():
        found = _pod_device(host, src)
        if found is not None:
            return host, found, src
    raise NotKnown(
        f"{src} is on none of the hosts: give `ip -d -j addr` and `ip -j route` of its host, or name a device"
    )


def _pod_device(host: Host, address: str) -> Interface | None:
    """Return the device behind which a pod has an address: the most specific route or connected network."""
    candidates: list[tuple[int, Route]] = []
    for route in host.routes:
        device = host.interfaces.get(route.device)
        near = network(route.dst)
        if (
            device is not None
            and device.role in ("pod", "bridge")
            and near is not None
            and contains(route.dst, address)
        ):
            candidates.append((near.prefixlen, route))
    if candidates:
        return host.interfaces[max(candidates, key=lambda c: (c[0], c[1].device))[1].device]
    found = lookup(replace(host, routes=()), Packet(family=family_of(address) or "ipv4", dst=address))
    device = host.interfaces.get(found.device) if found else None
    return device if device is not None and device.role in ("pod", "bridge") else None


def _far_pod(hosts: Mapping[str, Host], here: Host, dst: str, stack: str) -> list[Hop]:
    """The device of the receiving pod: a veth drops what is larger than its MTU."""
    for host in hosts.values():
        if host.name != here.name and (device := _pod_device(host, dst)) is not None and device.role == "pod":
            solution = solve(parse(stack), min(device.mtu, 65535))
            return [
                Hop(device=f"{host.name} {device.name}", mtu=device.mtu, solution=solution, kind="path", role="pod")
            ]
    return []
