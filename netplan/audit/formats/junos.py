"""Junos of SRX and MX: ``set`` commands, and the configuration in braces. VPNs with their proposals, MTUs, TCP MSS.

Junos CLI reference: the MTU of a physical interface counts its layer-2 header, that of a family does not; route-based
VPNs are tunnels for everything that is routed into st0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.audit.formats import vyos
from netplan.audit.formats.algorithms import suite
from netplan.audit.formats.listed import lines_of
from netplan.audit.formats.recognised import JUNOS
from netplan.audit.formats.vyos import Node
from netplan.audit.model import Device, Esp, Evidence
from netplan.cni.adapter import BuiltinIpsec, Family, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.problems import Location

_ETHERNET, _TAG = 14, 4  # bytes that the MTU of a physical interface has beside the IP packet
_PHYSICAL = re.compile(r"^(ge|xe|et|fe|mge|ae|reth)-?\d")
_BRACES = re.compile(r"^[ \t]*(st0|gr-\d+/\d+/\d+) \{$|^[ \t]*tcp-mss \{$", re.M)
_GUESS = ("aes256-sha256",)  # the largest of what proposal-set offers
_ASSUMED = "its proposals are not in the configuration: AES-CBC with HMAC-SHA-256 is taken"


def is_junos(text: str) -> bool:
    """Tell whether this is a configuration of Junos."""
    return bool(JUNOS.search(text)) or bool(
        _BRACES.search(text) and re.search(r"^[ \t]*(security|interfaces) \{$", text, re.M)
    )


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read VPNs, interfaces and clamps; returns why it can't be read, or None."""
    root = vyos.tree(re.sub(r";[ \t]*(##.*)?$", "", text, flags=re.M))
    if root is None:
        return "its braces don't match"
    lines = lines_of(text)
    bound: dict[str, list[str]] = {}
    for node, device, suites in _vpns(root):
        bound.setdefault(device, []).extend(suites)
        where = find_word(path, lines, node.line)
        said = "" if suites else _ASSUMED
        for word in suites or _GUESS:
            evidence.esps.append(Esp(suite=word, mode="tunnel", networks=True, location=where, assumed=said))
    for name, interface in _below(root, "interfaces"):
        _physical(path, lines, name, interface, evidence)
        for number, unit in _below(interface, "unit"):
            _unit(path, lines, f"{name}.{number}", unit, bound.get(f"{name}.{number}", []), evidence)
    _clamps(path, lines, root, evidence)
    return None


def _below(node: Node, *words: str) -> Iterator[tuple[str, Node]]:
    found = node.at(*words)
    yield from found.below.items() if found else ()


def _vpns(root: Node) -> Iterator[tuple[Node, str, list[str]]]:
    """Generate every VPN with the interface that it is bound to, and its suites."""
    for _, vpn in _below(root, "security", "ipsec", "vpn"):
        policy = root.at("security", "ipsec", "policy", vpn.value("ike", "ipsec-policy"))
        names = [n for n, _ in _below(policy, "proposals")] if policy else []
        found = [root.at("security", "ipsec", "proposal", name.strip("[]")) for name in names if name.strip("[]")]
        suites = [s for p in found if p is not None and (s := _suite(p))]
        yield vpn, vpn.value("bind-interface"), suites


def _suite(proposal: Node) -> str | None:
    cipher, digest = proposal.value("encryption-algorithm"), proposal.value("authentication-algorithm")
    aead = re.fullmatch(r"aes-(128|192|256)-gcm", cipher)
    if aead:
        return suite(f"aes_gcm_16_{aead.group(1)}")
    plain = re.sub(r"^hmac-|-(96|128|192|256)$", "", digest).replace("-", "")
    return suite(cipher.replace("-cbc", "").replace("-", ""), plain)


def _physical(path: str, lines: list[str], name: str, node: Node, evidence: Evidence) -> None:
    number = whole(node.value("mtu"))
    if not number or not _PHYSICAL.match(name):
        return
    tagged = bool(node.below.keys() & {"vlan-tagging", "flexible-vlan-tagging"})
    mtu = number - _ETHERNET - (_TAG if tagged else 0)
    if mtu > 0:
        where = find_word(path, lines, node.line_of("mtu"), "mtu")
        evidence.links.append(Device(name=name, mtu=mtu, location=where, configured=True))


def _unit(path: str, lines: list[str], name: str, node: Node, suites: list[str], evidence: Evidence) -> None:
    for inside in ("inet", "inet6"):
        number = whole(node.value("family", inside, "mtu"))
        if number:
            where = find_word(path, lines, node.line_of("family", inside, "mtu"), "mtu")
            _family(name, inside, number, where, node, suites, evidence)


def _family(
    name: str, inside: str, number: int, where: Location, node: Node, suites: list[str], evidence: Evidence
) -> None:
    end = node.value("tunnel", "destination")
    family: Family = "ipv6" if ":" in end else "ipv4"
    if name.startswith("st0"):
        encap, own = "none", BuiltinIpsec(suite=suites[0], mode="tunnel") if len(suites) == 1 else None
    elif name.startswith(("gr-", "ip-")):
        keyed = "+key" if node.at("tunnel", "key") else ""
        encap, own = (f"gre{keyed}" if name.startswith("gr-") else "ipip"), None
    else:
        if _PHYSICAL.match(name) and inside == "inet":
            evidence.links.append(Device(name=name, mtu=number, location=where, configured=True))
        return
    evidence.settings.append(
        Setting(
            system="junos",
            field=f"interfaces {name} family {inside} mtu",
            location=where,
            value=number,
            semantics="device",
            encap=encap,
            family=family,
            own=own,
            source=node.value("tunnel", "source"),
            far=(end,) if end else (),
            change=f"set interfaces {name.replace('.', ' unit ')} family {inside} mtu",
        )
    )


# which packets a clamp is for: all of them may go into a VPN
_CLAMPED = {"ipsec-vpn": "none", "all-tcp": "", "gre-in": "gre", "gre-out": "gre"}


def _clamps(path: str, lines: list[str], root: Node, evidence: Evidence) -> None:
    for kind, encap in _CLAMPED.items():
        number = whole(root.value("security", "flow", "tcp-mss", kind, "mss"))
        if number:
            evidence.settings.append(
                Setting(
                    system="junos",
                    field=f"security flow tcp-mss {kind}",
                    location=find_word(path, lines, root.line_of("security", "flow", "tcp-mss", kind, "mss"), "mss"),
                    value=number,
                    semantics="device" if encap else "pod",
                    encap=encap,
                    measure="mss",
                    change=f"set security flow tcp-mss {kind} mss",
                    note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
                )
            )
