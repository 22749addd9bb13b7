"""Labels for values of the engine: who decides a byte, and short names for narrow columns."""

from __future__ import annotations

from rich.text import Text

from netplan.problems import printable
from netplan.stack import LedgerRow, Stack

# who can change it: shown beside each row of the ledger
DECIDERS: dict[str, str] = {
    "ip4": "underlay family",
    "ip6": "underlay family",
    "udp": "overlay",
    "tcp": "application",
    "vxlan": "overlay type",
    "geneve": "overlay, its options",
    "eth": "carries frames",
    "ah": "AH proposal",
    "pppoe": "access line",
    "mpls": "provider",
    "macsec": "link encryption",
}

SHORT: dict[str, str] = {
    "ip4": "IPv4",
    "ip6": "IPv6",
    "udp": "UDP",
    "tcp": "TCP",
    "vxlan": "VXLAN",
    "geneve": "GENEVE",
    "eth": "ETH",
    "gre": "GRE",
    "esp": "ESP",
    "ah": "AH",
}


def decides(stack: Stack, row: LedgerRow) -> str:
    """Return who decides how large a row is."""
    token = stack.tokens[row.token]
    if row.token == stack.inner and row.token >= stack.outer and (row.note.startswith("its ") or not row.source):
        return "what is left"
    if token.name == "esp":
        name = row.name.lower()
        if "padding" in name:
            return "packet size, cipher"
        if "iv" in name.split() or "icv" in name.split():
            return "ESP proposal"
        return "fixed by ESP"
    if row.token == stack.outer:
        return "underlay family"
    if token.name == "udp" and "NAT" in row.name:
        return "NAT on the path"
    if token.name in ("ip4", "ip6"):
        return "tunnel mode" if stack.tokens[row.token - 1].name == "esp" else "encapsulation"
    return DECIDERS.get(token.name, "encapsulation")


def short(stack: Stack, row: LedgerRow) -> str:
    """Return a name of a row that fits a narrow place."""
    token = stack.tokens[row.token]
    last = row.name.split()[-1]
    if token.name == "esp" and row.name != stack.tokens[row.token].head[0].name:
        return {"length": "LEN", "header": "NH", "padding": "PAD"}.get(last, last)
    if row.token == stack.inner and not row.source:
        return "payload"
    if row.token == stack.inner and row.name.startswith("inner"):
        return f"inner {SHORT[token.name]}"
    return SHORT.get(token.name, token.name.upper())


def plain(value: object) -> Text:
    """Return text for a table cell: printable, and never markup."""
    return Text(printable(str(value)))
