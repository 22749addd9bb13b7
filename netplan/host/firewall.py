"""Firewall openings of a host: IKE, ESP, and overlay packets that came out of IPsec.

An ``accept`` in a table of our own would not overrule another table's ``drop``, so the nftables form is a chain to
jump to from the input chain that is in charge, in that chain's table. Where firewalld is in charge, it is told in its
own files: a service, and the peers as address sets. Peers are never moved to another zone, because that would also
decide over SSH and the kubelet.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from html import escape

from netplan.model.node import Node
from netplan.plan.types import Plan
from netplan.problems import Problem

_WORD = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]{0,60}\Z")
_FAMILIES = ("inet", "ip", "ip6")


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """The peers of one host (addresses as text), the overlay's UDP port, and which forms of ESP are used.

    ``table`` and ``chain`` are the host's own input chain, ``zone`` the firewalld zone of its link.
    """

    peers: tuple[str, ...]
    overlay_port: int | None
    nat_t: bool = False
    plain_esp: bool = True
    table: str = "inet filter"
    chain: str = "input"
    zone: str = "public"

    def problems(self) -> list[Problem]:
        """Return the problems of these openings."""
        found = []
        for peer in self.peers:
            try:
                ipaddress.ip_address(peer)
            except ValueError:
                found.append(Problem(code="IPP905", message=f"not an address: {peer!r}"))
        family, _, name = self.table.partition(" ")
        if family not in _FAMILIES or not _WORD.match(name) or not _WORD.match(self.chain):
            message = f"not an nftables table and chain: {self.table!r} {self.chain!r}"
            found.append(Problem(code="IPP905", message=message, hint="such as 'inet filter' and 'input'"))
        if not _WORD.match(self.zone):
            found.append(Problem(code="IPP905", message=f"not a firewalld zone: {self.zone!r}"))
        return found

    def sets(self) -> dict[str, list[str]]:
        """Return the peers by family, sorted by number."""
        parsed = sorted({ipaddress.ip_address(p) for p in self.peers}, key=lambda a: (a.version, int(a)))
        return {
            "4": [str(a) for a in parsed if a.version == 4],
            "6": [str(a) for a in parsed if a.version == 6],
        }


def nftables(openings: Openings) -> dict[str, str]:
    """Return path -> text: the chain with its sets. One line in the host's input chain jumps to it."""
    lines = [
        "# ipsecplan: IKE, ESP and the overlay from the peers, nothing else. Loading it again replaces it.",
        "# It does nothing until the input chain in charge jumps to it, before any drop:",
        f"#   nft insert rule {openings.table} {openings.chain} jump ipsecplan_in",
        f"table {openings.table} {{",
    ]
    families = [(v, peers) for v, peers in openings.sets().items() if peers]
    for version, _peers in families:
        lines += [
            f"    set ipsecplan_peers{version} {{",
            f"        type ipv{version}_addr",
            "    }",
        ]
    lines += ["    chain ipsecplan_in { }", "}", f"flush chain {openings.table} ipsecplan_in"]
    for version, peers in families:
        name = f"{openings.table} ipsecplan_peers{version}"
        lines += [f"flush set {name}", f"add element {name} {{ {', '.join(peers)} }}"]
    lines += [f"table {openings.table} {{", "    chain ipsecplan_in {"]
    for version, _peers in families:
        source = f"{'ip' if version == '4' else 'ip6'} saddr @ipsecplan_peers{version}"
        ports = "{ 500, 4500 }" if openings.nat_t else "500"
        lines.append(f"        {source} udp dport {ports} accept")
        if openings.plain_esp:
            lines.append(f"        {source} meta l4proto esp accept")
        if openings.overlay_port:
            lines.append(f"        {source} udp dport {openings.overlay_port} meta ipsec exists accept")
    # routers are not peers: without these, path MTU discovery fails silently
    if openings.sets()["4"]:
        lines.append("        icmp type destination-unreachable icmp code frag-needed accept")
    if openings.sets()["6"]:
        lines.append("        icmpv6 type { packet-too-big, nd-neighbor-solicit, nd-neighbor-advert } accept")
    lines += ["    }", "}"]
    return {"etc/nftables.d/ipsecplan-openings.nft": "\n".join(lines) + "\n"}


def firewalld(openings: Openings) -> tuple[dict[str, str], list[str]]:
    """Return (path -> text, commands): a service, the peers as ipsets, and the rich rules that join the two."""
    ports = [("500", "udp")] + ([("4500", "udp")] if openings.nat_t else [])
    ports += [(str(openings.overlay_port), "udp")] if openings.overlay_port else []
    service = [
        '<?xml version="1.0" encoding="utf-8"?>',
        "<service>",
        "  <short>ipsecplan</short>",
        "  <description>IKE, ESP and the overlay between cluster nodes</description>",
        *(f'  <port protocol="{escape(protocol)}" port="{escape(port)}"/>' for port, protocol in ports),
        *(['  <protocol value="esp"/>'] if openings.plain_esp else []),
        "</service>",
    ]
    files = {"etc/firewalld/services/ipsecplan.xml": "\n".join(service) + "\n"}
    commands = ["firewall-cmd --reload"]
    for version, peers in openings.sets().items():
        if not peers:
            continue
        name = f"ipsecplan-peers{version}"
        text = [
            '<?xml version="1.0" encoding="utf-8"?>',
            '<ipset type="hash:ip">',
            f'  <option name="family" value="{"inet" if version == "4" else "inet6"}"/>',
            *(f"  <entry>{escape(peer)}</entry>" for peer in peers),
            "</ipset>",
        ]
        files[f"etc/firewalld/ipsets/{name}.xml"] = "\n".join(text) + "\n"
        rule = f'rule family="ipv{version}" source ipset="{name}" service name="ipsecplan" accept'
        commands.append(f"firewall-cmd --permanent --zone={openings.zone} --add-rich-rule='{rule}'")
    return files, [*commands, "firewall-cmd --reload"]


def of_node(plan: Plan, node: Node) -> tuple[dict[str, str], list[str]]:
    """Return (path -> text, commands that make it live) for one host of a plan with the key ``firewall``.

    Only the forms of ESP that its pairs use are let in; peers behind NAT come from an address that the plan does not
    know, so with them the NAT's address has to be added by hand.
    """
    wanted = plan.file.firewall
    connections = [] if wanted.kind == "none" else list(plan.connections(node))
    if not connections:
        return {}, []
    openings = Openings(
        peers=tuple(c.remote.address for c in connections),
        overlay_port=plan.file.overlay.udp_port,
        nat_t=any(c.pair.pair_class.nat_t for c in connections),
        plain_esp=any(not c.pair.pair_class.nat_t for c in connections),
        table=wanted.table,
        chain=wanted.chain,
        zone=wanted.zone,
    )
    if wanted.kind == "firewalld":
        return firewalld(openings)
    files = nftables(openings)
    load = [f"nft -f /{path}" for path in files]
    return files, [*load, f"nft insert rule {wanted.table} {wanted.chain} jump ipsecplan_in"]


def plan_problems(plan: Plan) -> list[Problem]:
    """Return the problems of the plan's key ``firewall``."""
    wanted = plan.file.firewall
    if wanted.kind == "none":
        return []
    return Openings(peers=(), overlay_port=None, table=wanted.table, chain=wanted.chain, zone=wanted.zone).problems()
