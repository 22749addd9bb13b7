"""VyOS and EdgeOS: config.boot with braces, and ``set`` commands. Both become paths of words with a line.

Defaults are those of VyOS 1.4 (vyos-1x interface-definitions): vti 1500, tunnel 1476, wireguard 1420.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from netplan.audit.formats.algorithms import suite
from netplan.audit.formats.listed import lines_of
from netplan.audit.formats.recognised import JUNOS
from netplan.audit.formats.wireguard import add_device
from netplan.audit.model import Device, Esp, Evidence
from netplan.cni.adapter import BuiltinIpsec, Family, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.path.routing import network
from netplan.problems import Location

MAX_DEPTH = 16
_DEFAULTS = {"vti": 1500, "tunnel": 1476, "wireguard": 1420}
# encapsulation of a tunnel interface -> ours, and the family outside
_TUNNELS: dict[str, tuple[str, Family]] = {
    "gre": ("gre", "ipv4"),
    "gretap": ("gretap", "ipv4"),
    "gre-bridge": ("gretap", "ipv4"),
    "ipip": ("ipip", "ipv4"),
    "sit": ("ipip", "ipv4"),
    "ip6gre": ("gre", "ipv6"),
    "ip6gretap": ("gretap", "ipv6"),
    "ip6ip6": ("ipip", "ipv6"),
    "ipip6": ("ipip", "ipv6"),
}
_SET = re.compile(r"^[ \t]*set (interfaces|vpn|firewall|policy|system|protocols|service) ", re.M)


@dataclass
class Node:
    """A word of the configuration, what stands below it, and its line from 0."""

    line: int = 0
    below: dict[str, Node] = field(default_factory=dict)

    def at(self, *words: str) -> Node | None:
        found: Node | None = self
        for word in words:
            found = found.below.get(word) if found else None
        return found

    def value(self, *words: str) -> str:
        """Return the last word that was set below a path, which replaces those before it; empty without one."""
        found = self.at(*words)
        return next(reversed(found.below), "") if found else ""

    def line_of(self, *words: str) -> int:
        """Return the line of the deepest word of a path that there is."""
        found = self
        for word in words:
            if word not in found.below:
                break
            found = found.below[word]
        return found.line


def is_vyos(text: str) -> bool:
    """Tell whether this is a VyOS or EdgeOS configuration."""
    if JUNOS.search(text):
        return False  # its words are others, and `interfaces` is one of both
    return bool(re.search(r"^interfaces \{\s*$", text, re.M)) or bool(_SET.search(text))


def tree(text: str) -> Node | None:
    """Return the configuration as a tree; None where its braces don't match or go too deep."""
    root = Node()
    stack: list[Node] = [root]
    for number, line in enumerate(lines_of(text)):
        words = _split(line)
        if not words or words[0].startswith(("//", "/*", "#")):
            continue
        if words[0] == "set" and len(stack) == 1:
            _insert(root, words[1:], number)
        elif words[-1] == "{":
            stack.append(_insert(stack[-1], words[:-1], number))
            if len(stack) > MAX_DEPTH:
                return None
        elif words[0] == "}":
            if len(stack) == 1:
                return None
            stack.pop()
        else:
            _insert(stack[-1], words, number)
    return root if len(stack) == 1 else None


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line, posix=True) if "'" in line or '"' in line else line.split()
    except ValueError:
        return line.split()


def _insert(node: Node, words: list[str], line: int) -> Node:
    for word in words[:MAX_DEPTH]:
        node = node.below.setdefault(word, Node(line))
        node.line = line
    return node


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read tunnels with their defaults, links, clamps and IPsec; returns why it can't be read, or None."""
    root = tree(text)
    if root is None:
        return "its braces don't match"
    lines = lines_of(text)
    groups = _groups(root)
    bound = dict(_bound(root))
    for name, (node, mode, suites, nat) in groups.items():
        del name
        for number, word in suites:
            kind = "tunnel" if mode == "tunnel" else "transport"
            where = find_word(path, lines, number, "proposal")
            evidence.esps.append(Esp(suite=word, mode=kind, nat_t=nat, networks=mode == "tunnel", location=where))  # type: ignore[arg-type]
        del node
    interfaces = root.at("interfaces")
    for kind, named in interfaces.below.items() if interfaces else ():
        for name, node in named.below.items():
            own = groups.get(bound.get(name, ""))
            _interface(path, lines, kind, name, node, own, evidence)
    return None


_Group = tuple[Node, str, list[tuple[int, str]], bool]


def _groups(root: Node) -> dict[str, _Group]:
    """The ESP groups: node, mode, suites with their lines, and whether a peer that uses it forces UDP."""
    found: dict[str, _Group] = {}
    forced = {group for peer, group in _peers(root) if "force-udp-encapsulation" in peer.below}
    section = root.at("vpn", "ipsec", "esp-group")
    for name, node in section.below.items() if section else ():
        proposals = node.at("proposal")
        suites = [
            (p.line, s)
            for p in (proposals.below.values() if proposals else ())
            if (s := _suite(p.value("encryption") or "aes128", p.value("hash") or "sha1"))
        ]
        found[name] = (node, node.value("mode") or "tunnel", suites, name in forced)
    return found


def _peers(root: Node) -> Iterator[tuple[Node, str]]:
    """Every peer with every ESP group that it uses."""
    section = root.at("vpn", "ipsec", "site-to-site", "peer")
    for peer in section.below.values() if section else ():
        names = {peer.value("default-esp-group"), peer.value("vti", "esp-group")}
        tunnels = peer.at("tunnel")
        names |= {t.value("esp-group") for t in (tunnels.below.values() if tunnels else ())}
        for name in names - {""}:
            yield peer, name


def _bound(root: Node) -> Iterator[tuple[str, str]]:
    """Interfaces that are bound to an ESP group: a VTI by its peer, a tunnel by a profile."""
    section = root.at("vpn", "ipsec", "site-to-site", "peer")
    for peer in section.below.values() if section else ():
        name = peer.value("vti", "bind")
        if name:
            yield name, peer.value("vti", "esp-group") or peer.value("default-esp-group")
    profiles = root.at("vpn", "ipsec", "profile")
    for profile in profiles.below.values() if profiles else ():
        tunnels = profile.at("bind", "tunnel")
        for name in tunnels.below if tunnels else ():
            yield name, profile.value("esp-group")


def _suite(cipher: str, digest: str) -> str | None:
    aead = re.fullmatch(r"(aes)(128|192|256)(gcm|ccm)(64|96|128)", cipher)
    return suite(f"aes_{aead[3]}_{int(aead[4]) // 8}_{aead[2]}" if aead else cipher, digest)


def _interface(
    path: str, lines: list[str], kind: str, name: str, node: Node, group: _Group | None, evidence: Evidence
) -> None:
    value = node.value("mtu")
    number = whole(value)
    line = node.line_of("mtu") if value else node.line
    location = find_word(path, lines, line, "mtu" if value else name)
    if kind in ("ethernet", "bonding"):
        if number:
            evidence.links.append(Device(name=name, mtu=number, location=location, configured=True))
        return
    if kind not in ("vti", "tunnel", "wireguard", "vxlan", "geneve"):
        return
    encap, family = _encap(kind, node)
    own = _worst(group)
    number = number or _DEFAULTS.get(kind)
    if kind == "wireguard" and number:
        _wireguard(path, name, number, location, node, evidence)
    ends = [node.value("source-address"), node.value("local-ip"), *_values(node, "remote"), node.value("remote-ip")]
    for measure, size, where, shown in (
        ("mtu", number, location, "mtu"),
        (
            "mss",
            whole(node.value("ip", "adjust-mss")),
            find_word(path, lines, node.line_of("ip", "adjust-mss"), "adjust-mss"),
            "ip adjust-mss",
        ),
    ):
        if size:
            evidence.settings.append(
                Setting(
                    system="vyos",
                    field=f"interfaces {kind} {name} {shown}",
                    location=where,
                    value=size,
                    semantics="device",
                    encap=encap,
                    family=family,
                    own=own,
                    source=ends[0] or ends[1],
                    far=tuple(e for e in ends[2:] if e),
                    port=whole(node.value("port")),
                    device=name if kind == "wireguard" else "",
                    measure=measure,  # type: ignore[arg-type]
                    change=f"set interfaces {kind} {name} {shown}",
                    note="" if value or measure == "mss" else f"not set: VyOS uses {size}",
                )
            )


def _values(node: Node, *words: str) -> list[str]:
    """Return all words below a path."""
    found = node.at(*words)
    return list(found.below) if found else []


def _wireguard(path: str, name: str, mtu: int, location: Location, node: Node, evidence: Evidence) -> None:
    """Add a WireGuard device with its addresses and peers, so that a tunnel through it is found."""
    add_device(name, mtu, location, _values(node, "address"), evidence)
    peers = node.at("peer")
    for peer in peers.below.values() if peers else ():
        end = peer.value("address")
        for inside in (*_values(peer, "allowed-ips"), *_values(peer, "allowed-ip")):
            if network(end) is not None and network(inside) is not None:
                evidence.endpoints.append((path, name, inside, end))


def _worst(group: _Group | None) -> BuiltinIpsec | None:
    """The IPsec of the interface itself where its group has one suite; of several the reader of all IPsec decides."""
    if group is None or len(group[2]) != 1:
        return None
    return BuiltinIpsec(suite=group[2][0][1], mode="tunnel" if group[1] == "tunnel" else "transport", nat_t=group[3])


def _encap(kind: str, node: Node) -> tuple[str, Family]:
    outside = node.value("source-address") + node.value("local-ip") + node.value("remote") + node.value("remote-ip")
    family: Family = "ipv6" if ":" in outside else "ipv4"
    if kind == "vti":
        return "none", family
    if kind != "tunnel":
        peers = node.at("peer")
        if peers and any(":" in peer.value("address") for peer in peers.below.values()):
            family = "ipv6"
        return kind, family
    word = node.value("encapsulation") or "gre"
    encap, family = _TUNNELS.get(word, (word, family))
    keyed = node.value("parameters", "ip", "key") or node.value("key")
    return (f"{encap}+key" if keyed and encap in ("gre", "gretap") else encap), family
