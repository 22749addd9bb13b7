"""The types of the path model: interfaces, routes, IPsec selectors, hosts, and the hops of a walk.

All of it is frozen and pure. Sizes are IP MTUs in bytes; addresses and networks are text as the tools print them; an
empty text is "not said". Headers are written in the stack notation (docs/stack-notation.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netplan.path import padding
from netplan.stack import Solution, wire_size

Family = Literal["ipv4", "ipv6"]
Sender = Literal["host", "pod", "masqueraded"]
Mode = Literal["transport", "tunnel", "beet", "iptfs", "other"]

# what a device is for a packet that leaves through it
Role = Literal[
    "link",  # hardware, and what only passes frames on to it: vlan, bond, macvlan, ipvlan
    "tunnel",  # it puts an IP header and more before the packet: vxlan, gre, ipip, wireguard ...
    "frame",  # it puts a header beside the IP packet: macsec
    "policy",  # XFRM and VTI interfaces: the packet gets whatever the policies of the interface say
    "pod",  # one end of a veth, a tap, a netkit: a pod or a virtual machine is behind it
    "bridge",  # a Linux bridge, or a port of Open vSwitch
    "nothing",  # nothing that leaves the host passes it: lo, dummy, fallback devices
    "unknown",
]
OUTER = {"ipv4": "ip4", "ipv6": "ip6"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """A network device. ``kind`` is the kernel's word (empty: hardware, or not said), ``role`` what it is for.

    ``lower`` is the device that it names as its carrier (``link``), ``head`` what it puts between the outer IP header
    and the packet inside, ``remote`` the only far end (empty: many, or not said). ``why`` is set where its headers are
    not known.
    """

    name: str
    mtu: int
    mtu6: int | None = None  # IPv6's own, where it is known: a router may have lowered it
    kind: str = ""
    role: Role = "link"
    lower: str = ""
    master: str = ""
    up: bool = True
    elsewhere: bool = False  # its other end is in another network namespace
    addresses: tuple[str, ...] = ()  # with prefix length
    family: Family | None = None  # of the outer header; None: not known
    local: str = ""
    remote: str = ""
    port: int | None = None
    head: tuple[str, ...] = ()
    key: int = 0  # of a VTI: the mark; of an XFRM interface: if_id
    external: bool = False  # addresses and options come with each packet
    df: Literal["", "set", "unset", "inherit"] = ""  # don't-fragment of the outer header; empty: it has no such setting
    why: str = ""
    bus: str = ""  # of hardware, where it was printed
    unsaid: str = ""  # what is assumed of its options: the dump has none
    alike: str = ""  # another type that it may have as well: its own was told from the type of its link layer

    @property
    def frames(self) -> bool:
        """Whether it carries Ethernet frames, so that it can be a port of a bridge."""
        return "eth" in self.head


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route: ``dst`` as a network (``0.0.0.0/0``, ``::/0``), one next hop, and the MTU that is set on it."""

    dst: str
    device: str
    via: str = ""
    table: str = "main"
    metric: int = 0
    mtu: int | None = None
    locked: bool = False
    source: str = ""  # preferred source address
    connected: bool = False  # made by the kernel for an address


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A routing policy rule: which table is looked up for which packets, in the order of ``priority``."""

    priority: int
    table: str
    src: str = ""
    mark: int | None = None
    mask: int = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """IPsec for selected packets: what an XFRM policy with its states, or a connection of an IKE daemon, says.

    ``src`` and ``dst`` are the networks of the selector in the sending direction (empty: any, or the tunnel's own
    ends), ``ports`` the UDP ports (None: any), ``protocols`` those of IP (empty: any), ``mark`` and ``if_id`` as in the
    kernel. ``ends`` are the tunnel's own addresses. ``networks``: the selector names networks behind the hosts.
    """

    suite: str
    mode: Mode = "tunnel"
    nat_t: bool = False
    family: Family | None = None  # of the outer header
    src: tuple[str, ...] = ()
    dst: tuple[str, ...] = ()
    ports: frozenset[int] | None = None
    protocols: frozenset[int] = frozenset()
    mark: int | None = None
    if_id: int | None = None
    networks: bool = False
    ends: tuple[str, str] = ("", "")
    assumed: str = ""
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One host: everything of it that was read. ``catch_all`` is the device that takes all traffic to other nodes."""

    name: str
    interfaces: Mapping[str, Interface] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()
    protections: tuple[Protection, ...] = ()
    far_ends: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # device -> outer addresses of its FDB
    # WireGuard device -> networks inside (its allowed IPs), each with the outer address of the peer that has it
    endpoints: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    catch_all: str = ""
    # WireGuard device of wg-quick that has the default route in a table of its own (AllowedIPs 0.0.0.0/0, ::/0)
    full_tunnel: str = ""
    # what walks have worked out of it (netplan.path.routing): thousands of packets leave by one host
    derived: dict[object, Any] = field(default_factory=dict, init=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """What selects a route and a policy: the IP packet as it is at one place. Empty addresses are not known.

    ``sender`` is the host itself, a pod whose packets are routed, or a container that is masqueraded behind the host.
    ``port`` is the UDP port, ``protocol`` that of IP (None: not known); ``wireguard`` marks what WireGuard sends (a
    catch-all device does not take that again).
    """

    family: Family
    src: str = ""
    dst: str = ""
    port: int | None = None
    protocol: int | None = None
    mark: int = 0
    sender: Sender = "host"
    wireguard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A place where a size is decided: ``stack`` is the packet as it is there, outermost header first.

    ``mtu`` is what the device or route says, ``solution`` the largest packet inside for it. ``kind`` tells a device
    from what IPv6 has of its own on it, from a route and from the path behind the last device. ``assumed`` is printed
    wherever the number is used.
    ``levels`` are the WireGuard devices that the packet has passed (:mod:`netplan.path.padding`).
    """

    device: str
    mtu: int
    solution: Solution
    refused: int | None = None  # what the kernel refuses to exceed, where that is less than what fits
    kind: Literal["device", "ipv6", "route", "path"] = "device"
    role: Role = "link"
    df: str = ""  # of the device: whether what it sends may be fragmented
    added: str = ""  # the headers that were put on since the hop before
    assumed: tuple[str, ...] = ()
    levels: padding.Levels = ()

    @property
    def stack(self) -> str:
        """The packet at this hop in the stack notation."""
        return self.solution.stack.text

    @property
    def inner(self) -> int:
        """The largest innermost IP packet that this hop lets through in one piece."""
        fits = self.solution.inner_mtu
        return fits if self.refused is None else min(fits, self.refused)

    @property
    def passes(self) -> int:
        """The largest that passes while WireGuard pads up to its devices' present MTUs: at most :attr:`inner`."""
        return (
            min(self.inner, padding.largest(self.stack, self.solution.link_mtu, self.levels))
            if self.levels
            else self.inner
        )

    def bytes_of(self, size: int) -> int:
        """Return how many bytes of the hop's MTU an innermost IP packet of ``size`` bytes takes here."""
        around = padding.size(self.stack, size, self.levels) if self.levels else wire_size(self.solution.stack, size)
        return around + self.solution.stack.link_bytes


class NotKnown(Exception):
    """A walk can't go on; the message says what is missing and what to give."""
