"""Draws topologies: two hosts with a pod each, and on the way tunnels in tunnels, IPsec, VLANs, bonds and route MTUs.

A drawn topology is commands for four namespaces. It knows names of devices and algorithms, no sizes of headers: MTUs
are drawn, or left to the kernel.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .jobs import _auth, _key

Job = dict[str, Any]
LINK = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
SECOND = {4: ("198.51.100.1", "198.51.100.2"), 6: ("2001:db8:2::1", "2001:db8:2::2")}
POD = {4: ("10.1.0.10", "10.2.0.10"), 6: ("fd01::10", "fd02::10")}
NETWORK = {4: ("10.1.0.0/24", "10.2.0.0/24"), 6: ("fd01::/64", "fd02::/64")}
BRIDGED = {4: ("10.3.0.10", "10.3.0.20"), 6: ("fd03::10", "fd03::20")}
FULL, NET = {4: 32, 6: 128}, {4: 24, 6: 64}
GCM = f"aead rfc4106(gcm(aes)) {_key(20)} 128"
SUITES = {
    "gcm": GCM,
    "gcm8": f"aead rfc4106(gcm(aes)) {_key(20)} 64",
    "sha256": f"enc cbc(aes) {_key(16)} {_auth('sha256')}",
    "sha1": f"enc cbc(aes) {_key(32)} {_auth('sha1')}",
    "ctr": f"enc rfc3686(ctr(aes)) {_key(20)} {_auth('sha256')}",
}
# kind -> (outer family; 0: either, inner families, carries frames, command)
KINDS: dict[str, tuple[int, tuple[int, ...], bool, str]] = {
    "vxlan": (0, (4, 6), True, "type vxlan id {n} dstport {port} local {here} remote {there} df {df}"),
    "vxlan-dev": (0, (4, 6), True, "type vxlan id {n} dstport {port} local {here} remote {there} dev {lower}"),
    "geneve": (0, (4, 6), True, "type geneve id {n} remote {there} dstport {port}"),
    "gre": (4, (4, 6), False, "type gre local {here} remote {there}{flags}"),
    "gretap": (4, (4, 6), True, "type gretap local {here} remote {there}{flags}"),
    "ipip": (4, (4,), False, "type ipip local {here} remote {there}"),
    "sit": (4, (6,), False, "type sit local {here} remote {there}"),
    "ip6gre": (6, (4, 6), False, "type ip6gre local {here} remote {there}{flags}{limit}"),
    "ip6gretap": (6, (4, 6), True, "type ip6gretap local {here} remote {there}{flags}{limit}"),
    "ip6tnl": (6, (4, 6), False, "type ip6tnl mode any local {here} remote {there}{limit}"),
    "vti": (4, (4,), False, "type vti local {here} remote {there} key {n}"),
    "vti6": (6, (6,), False, "type vti6 local {here} remote {there} key {n}"),
    "xfrm": (0, (4, 6), False, "type xfrm dev {lower} if_id {n}"),
    "wireguard": (0, (4, 6), False, "type wireguard"),
}
# not in Debian's User Mode kernel; drawn where the kernel has them
OPTIONAL = ("xfrm", "wireguard")


@dataclass(slots=True)
class Drawn:
    """One topology while it is drawn; ``me`` is 0 for host a and 1 for host b."""

    random: random.Random
    inner: int
    commands: dict[str, list[str]] = field(default_factory=lambda: {n: [] for n in "pabq"})
    attempts: dict[str, list[str]] = field(default_factory=lambda: {n: [] for n in "pabq"})
    outside: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    keyed: list[tuple[str, str, int, int, str]] = field(default_factory=list)  # WireGuard: see wireguard.set_device
    ends: dict[int, tuple[str, str]] = field(default_factory=dict)  # family -> addresses on the device reached so far
    device: str = ""
    spi: int = 0x100

    def both(self, line: str) -> None:
        """Give a command to both hosts, with {me} and {you} as 0 and 1."""
        for name, me in (("a", 0), ("b", 1)):
            self.commands[name].append(line.replace("{me}", str(me)).replace("{you}", str(1 - me)))


def draw(number: int, *, kinds: list[str] | None = None, without: Sequence[str] = OPTIONAL) -> Job:
    """Return the job of a topology; the same number always draws the same one. ``without``: kinds that aren't drawn."""
    rng = random.Random(number)
    depth = rng.choice((0, 1, 1, 1, 2, 2, 3)) if kinds is None else len(kinds)
    inner = rng.choice((4, 4, 6))
    if kinds and inner not in KINDS[kinds[-1]][1]:
        inner = KINDS[kinds[-1]][1][0]
    drawn = Drawn(rng, inner)
    plan = kinds if kinds is not None else _plan(rng, depth, inner, without)
    large = inner == 6 or any(KINDS[k][0] == 6 or k in ("vxlan", "geneve") for k in plan) or depth > 1
    mtu = rng.choice((1500, 1600, 1700, 9000, 8950, 2000) if large else (1500, 1400, 1450, 1492, 9000, 1460))
    mtu = rng.choice((9000, 3000, 1900)) if depth > 2 else mtu
    second = rng.random() < 0.2
    cables = _underlay(drawn, mtu, second)
    _protect(drawn, "link", plan[0] if plan else "")
    for level, kind in enumerate(plan, 1):
        _tunnel(drawn, level, kind)
    entry = "routed"
    if plan and KINDS[plan[-1]][2] and rng.random() < 0.45:
        entry = "bridged"
    elif rng.random() < 0.1 and plan:
        entry = "socket"
    ends = _pods(drawn, entry, mtu)
    return {
        "id": number,
        "inner": inner,
        "entry": entry,
        "kinds": plan,
        "src": ends[0],
        "dst": ends[1],
        "six": True,
        "cables": cables,
        "commands": drawn.commands,
        "attempts": drawn.attempts,
        "keyed": drawn.keyed,
        "outside": drawn.outside,
        "low": 900 if inner == 6 else 700,
        "high": mtu + 40,
        "sysctl": {
            "net.ipv4.ip_forward": 1,
            "net.ipv6.conf.all.forwarding": 1,
            "net.ipv6.conf.all.accept_dad": 0,
            "net.ipv6.conf.default.accept_dad": 0,
            "net.ipv6.conf.default.addr_gen_mode": 1,
            "net.ipv6.conf.default.router_solicitations": 0,
            "net.ipv4.icmp_ratelimit": 0,
            "net.ipv6.icmp.ratelimit": 0,
        },
    }


def _plan(rng: random.Random, depth: int, inner: int, without: Sequence[str]) -> list[str]:
    """Return kinds of tunnels from the outermost to the innermost whose families fit."""
    plan: list[str] = []
    for level in range(depth):
        last = level == depth - 1
        usable = [k for k in KINDS if k not in without and (not last or inner in KINDS[k][1])]
        usable = [k for k in usable if not plan or _over(plan[-1], k)]
        if not usable:
            break
        plan.append(rng.choice(usable))
    return plan


def _over(below: str, kind: str) -> bool:
    """Whether the outer packet of a kind can go through the tunnel below it."""
    outer = KINDS[kind][0]
    return outer in KINDS[below][1] if outer else True


def _underlay(drawn: Drawn, mtu: int, second: bool) -> list[str]:
    """Cables between the hosts, and what stands on the first: nothing, a VLAN, a bond, or a MACsec device."""
    rng = drawn.random
    cables = [
        _cable("pod", "patha", "10:01", "eth0", "pathp", "10:02"),
        _cable("pod", "pathb", "20:01", "eth0", "pathq", "20:02"),
        _cable("cable", "patha", "00:01", "cable", "pathb", "00:02"),
    ]
    drawn.outside = ["cable"]
    style = rng.choice(("plain", "plain", "vlan", "bond", "macvlan"))
    carrier, other = "cable", rng.choice((1500, 9000, mtu + 100))
    if second:
        cables.append(_cable("wan", "patha", "01:01", "wan", "pathb", "01:02"))
        drawn.outside.append("wan")
        drawn.both(f"link set wan mtu {other}")
        drawn.both("link set wan up")
        for family in (4, 6):
            _address(drawn, "wan", SECOND[family], family, ("02:00:00:00:01:01", "02:00:00:00:01:02"))
        drawn.both("route add default dev wan")
    drawn.both(f"link set cable mtu {mtu}")
    if style == "bond":
        drawn.both("link add uplink type bond mode active-backup")
        drawn.both("link set cable master uplink")
        drawn.both(f"link set uplink mtu {mtu}")
        drawn.both("link set uplink address 02:00:00:00:00:0{me}")
        carrier = "uplink"
    drawn.both("link set cable up")
    if style == "vlan":
        drawn.both("link add link cable name cable.7 type vlan id 7")
        if rng.random() < 0.4:
            drawn.both(f"link set cable.7 mtu {mtu - 40}")
        carrier = "cable.7"
    elif style == "macvlan":
        for name, me in (("a", 0), ("b", 1)):
            drawn.commands[name].append(
                f"link add link cable name mac0 address 02:00:00:00:02:0{me} type macvlan mode bridge"
            )
        carrier = "mac0"
    drawn.both(f"link set {carrier} up")
    macs = {
        "uplink": ("02:00:00:00:00:00", "02:00:00:00:00:01"),
        "mac0": ("02:00:00:00:02:00", "02:00:00:00:02:01"),
    }.get(carrier, ("02:00:00:00:00:01", "02:00:00:00:00:02"))
    for family in (4, 6):
        _address(drawn, carrier, LINK[family], family, macs)
        drawn.ends[family] = LINK[family]
    drawn.device = carrier
    return cables


def _cable(one: str, at: str, mac: str, other: str, there: str, far: str) -> str:
    start = "02:00:00:00"
    near = f"{one} netns {at} address {start}:{mac}"
    return f"link add {near} type veth peer name {other} netns {there} address {start}:{far}"


def _address(drawn: Drawn, device: str, ends: tuple[str, str], family: int, macs: tuple[str, str] | None) -> None:
    nodad = " nodad" if family == 6 else ""
    for name, me in (("a", 0), ("b", 1)):
        drawn.commands[name].append(f"addr add {ends[me]}/{NET[family]} dev {device}{nodad}")
        if macs:
            drawn.commands[name].append(
                f"neigh replace {ends[1 - me]} dev {device} lladdr {macs[1 - me]} nud permanent"
            )


def _states(drawn: Drawn, ends: tuple[str, str], mode: str, suite: str, extra: str, reqid: int) -> None:
    for name in "ab":
        for way in (0, 1):
            drawn.commands[name].append(
                f"xfrm state add src {ends[way]} dst {ends[1 - way]} proto esp spi {drawn.spi + way} reqid {reqid} "
                f"mode {mode} {extra}{SUITES[suite]}"
            )
    drawn.spi += 2


def _policies(
    drawn: Drawn, selector: tuple[str, str], ends: tuple[str, str], mode: str, more: str, reqid: int, mark: str = ""
) -> None:
    for name, me in (("a", 0), ("b", 1)):
        for direction, way in (("out", me), ("in", 1 - me), ("fwd", 1 - me)):
            drawn.commands[name].append(
                f"xfrm policy add src {selector[way]} dst {selector[1 - way]}{more} dir {direction}{mark} "
                f"tmpl src {ends[way]} dst {ends[1 - way]} proto esp reqid {reqid} mode {mode}"
            )


def _protect(drawn: Drawn, place: str, first: str) -> None:
    """ESP between the hosts by policy: for all, for the tunnel's protocol, in transport or tunnel mode; or none."""
    rng = drawn.random
    if first in ("vti", "vti6", "xfrm") or rng.random() < 0.45:
        return
    outer = KINDS[first][0] if first else 0
    family = outer or 4
    ends = drawn.ends[family]
    suite = rng.choice(list(SUITES))
    nat = "encap espinudp 4500 4500 0.0.0.0 " if rng.random() < 0.25 else ""
    if not first:
        family = drawn.inner if rng.random() < 0.5 else 4
        ends = drawn.ends[family]
        _states(drawn, ends, "tunnel", suite, nat + "flag af-unspec ", 1)
        _policies(drawn, NETWORK[drawn.inner], ends, "tunnel", "", 1)
        drawn.kinds.append(f"esp-{suite}-networks")
        return
    mode = rng.choice(("transport", "transport", "tunnel"))
    more = rng.choice(("", _protocol(first)))
    _states(drawn, ends, mode, suite, nat, 1)
    selector = (f"{ends[0]}/{FULL[family]}", f"{ends[1]}/{FULL[family]}")
    _policies(drawn, selector, ends, mode, more, 1)
    drawn.kinds.append(f"esp-{suite}-{mode}")
    del place


# ip6tnl carries IPv4 or IPv6, which are two protocols
_SELECTED = {
    **dict.fromkeys(("gre", "gretap", "ip6gre", "ip6gretap"), " proto gre"),
    "ipip": " proto 4",
    "sit": " proto 41",
}


def _protocol(kind: str) -> str:
    if kind.startswith("vxlan"):
        return " proto udp dport 4791"
    if kind == "geneve":
        return " proto udp dport 6091"
    return _SELECTED.get(kind, "")


def _tunnel(drawn: Drawn, level: int, kind: str) -> None:
    """A tunnel device over what there is so far, with addresses inside."""
    rng = drawn.random
    outer, _inner, frames, command = KINDS[kind]
    families = [f for f in (4, 6) if f in drawn.ends and (not outer or f == outer)]
    # the policy between the hosts is for IPv4 unless the kind decides
    family = outer or (4 if 4 in families else families[0])
    ends = drawn.ends[family]
    name = f"t{level}"
    macs = (f"02:00:00:00:0{level}:a1", f"02:00:00:00:0{level}:b1")
    flags = "".join(f for f in (f" key {level}", " csum", " seq") if rng.random() < 0.3)
    flags = "" if kind in ("gretap", "ip6gretap") and " seq" in flags and " csum" in flags else flags
    limit = rng.choice(("", " encaplimit none"))
    port = {"geneve": 6090}.get(kind, 4790) + level  # devices of one port share a socket and have to be alike
    df = rng.choice(("unset", "unset", "set", "inherit")) if family == 4 else "unset"
    for host, me in (("a", 0), ("b", 1)):
        words = command.format(
            n=level + 40,
            port=port,
            here=ends[me],
            there=ends[1 - me],
            lower=drawn.device,
            flags=flags,
            limit=limit,
            df=df,
        )
        address = f"address {macs[me]} " if frames else ""
        drawn.commands[host] += [f"link add {name} {address}{words}", f"link set {name} up"]
    if kind in ("vti", "vti6"):
        suite, mark = rng.choice(list(SUITES)), f" mark {level + 40}"
        reqid = 10 + level
        _states(drawn, ends, "tunnel", suite, f"mark {level + 40} ", reqid)
        anything = ("::/0", "::/0") if kind == "vti6" else ("0.0.0.0/0", "0.0.0.0/0")
        _policies(drawn, anything, ends, "tunnel", "", reqid, mark)
    elif kind == "xfrm":
        interface, reqid = f" if_id {level + 40}", 10 + level
        _states(drawn, ends, "tunnel", rng.choice(list(SUITES)), f"flag af-unspec{interface} ", reqid)
        for anything in (("0.0.0.0/0", "0.0.0.0/0"), ("::/0", "::/0")):
            _policies(drawn, anything, ends, "tunnel", "", reqid, interface)
    elif kind == "wireguard":
        drawn.keyed += [(host, name, me, 51820 + level, ends[1 - me]) for host, me in (("a", 0), ("b", 1))]
    # what the kernel chose, a little less, or more than fits
    choice = rng.random()
    if choice < 0.3:
        drawn.attempts["a"].append(f"link set {name} mtu {rng.randrange(1290, 1400)}")
    elif choice < 0.6:
        drawn.attempts["a"].append(f"link set {name} mtu {rng.choice((1450, 1500, 1600, 8000))}")
    usable = {6} if kind in ("sit", "vti6") else {4} if kind in ("ipip", "vti") else {4, 6}
    drawn.ends = {}
    for inside in sorted(usable):
        addresses = (f"10.9.{level}.1", f"10.9.{level}.2") if inside == 4 else (f"fd09:{level}::1", f"fd09:{level}::2")
        _address(drawn, name, addresses, inside, macs if frames else None)
        drawn.ends[inside] = addresses
    drawn.device = name
    drawn.kinds.append(kind)


def _pods(drawn: Drawn, entry: str, mtu: int) -> tuple[str, str]:
    """The pods, and how they reach each other: by routes, or on a bridge together with the last tunnel."""
    rng, family = drawn.random, drawn.inner
    if entry == "socket":
        return drawn.ends[family]
    nodad = " nodad" if family == 6 else ""
    size = rng.choice((None, None, mtu, 1500, 9000))
    size = max(size or 0, 1280) if size else None
    macs = ("02:00:00:00:10:02", "02:00:00:00:20:02")
    gateways = ("02:00:00:00:10:01", "02:00:00:00:20:01")
    bridged = entry == "bridged"
    ends = BRIDGED[family] if bridged else POD[family]
    for host, pod, me in (("a", "p", 0), ("b", "q", 1)):
        commands = drawn.commands[host]
        far = ends[1 - me]
        for space, device in ((host, "pod"), (pod, "eth0")):
            if size:
                drawn.commands[space].append(f"link set {device} mtu {size}")
            drawn.commands[space].append(f"link set {device} up")
        if bridged:
            commands += [
                "link add br0 type bridge",
                *([f"link set br0 mtu {size}"] if size else []),
                "link set pod master br0",
                f"link set {drawn.device} master br0",
                "link set br0 up",
            ]
        else:
            commands += [
                f"route add {ends[me]}/{FULL[family]} dev pod",
                f"neigh replace {ends[me]} dev pod lladdr {macs[me]} nud permanent",
            ]
            via = f"via {drawn.ends[family][1 - me]} " if family in drawn.ends else ""
            route_mtu = f" mtu {rng.randrange(1290, 1480)}" if rng.random() < 0.2 and me == 0 else ""
            commands.append(f"route add {far}/{FULL[family]} {via}dev {drawn.device}{route_mtu}")
        length = NET[family] if bridged else FULL[family]
        lladdr = macs[1 - me] if bridged else gateways[me]
        drawn.commands[pod] += [
            f"addr add {ends[me]}/{length} dev eth0{nodad}",
            *([] if bridged else [f"route add {'::/0' if family == 6 else 'default'} dev eth0"]),
            f"neigh replace {far} dev eth0 lladdr {lladdr} nud permanent",
        ]
        if not bridged:
            # an address of the host on the pod's side, from which it reports
            commands.append(
                f"addr add {'10.1.255.' if family == 4 else 'fd01:ff::'}{me + 1}/{FULL[family]} dev lo{nodad}"
            )
    return ends
