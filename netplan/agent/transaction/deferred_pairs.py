"""Pairs that wait for a node that is away: they stay as they were, by name, while all others are protected.

A pair that was clear stays clear: its connection starts nothing, and the guard lets its packets pass. A pair that an
earlier release protects, or drops because it never knew the other node, stays so: no exception is made for it.

/etc/ipsecplan/deferred                          "pair id address child,child" of each pair that stays clear
/etc/swanctl/conf.d/ipsecplan-zz-deferred.conf   the same for charon; its name sorts behind the connections
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Sequence

from ..system import core, paths, xfrm
from ..system.core import Stop, finding, read
from . import release, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import Later, NodeJson

LIST = paths.ETC + "/deferred"
OVERRIDE = "/etc/swanctl/conf.d/ipsecplan-zz-deferred.conf"
_ID = re.compile(r"^[a-z0-9-]{1,48}$")


def current(text: str | None = None) -> dict[str, tuple[str, ...]]:
    """Return pair -> (node id, underlay address, its children) of the pairs that stay clear now."""
    lines = (read(LIST) if text is None else text) or ""
    return {words[0]: (words[1], words[2], *words[3].split(",")) for words in map(str.split, lines.splitlines())}


def without(node: NodeJson) -> NodeJson:
    """Return ``node.json`` without the peers whose pairs are deferred."""
    late = current()
    return {**node, "peers": [peer for peer in node["peers"] if peer["pair"] not in late]} if late else node


def _before(tx: str) -> dict[str, tuple[str, ...]]:
    """Return what was deferred before this transaction."""
    was = state.listed(state.tx_folder(tx), "ipsec").get(LIST)
    if was is None:
        return current()
    return current(read(state.tx_folder(tx) + "/tree" + LIST) or "" if was == "present" else "")


def choose(tx: str, peers: Sequence[Later]) -> int:
    """Write down which of these peers' pairs stay clear; returns how many. Without any, nothing of it is left."""
    guarded = (read(state.tx_folder(tx) + "/before") or "none").startswith("confirmed")
    clear, lines = _before(tx), []
    for peer in peers:
        if not all(_ID.fullmatch(word) for word in (peer["pair"], peer["id"], *peer["children"])):
            raise Stop(finding("IPP601", "not a pair of ours"))
        if not guarded or peer["pair"] in clear:
            address, children = ipaddress.ip_address(peer["address"]), ",".join(peer["children"])
            lines.append(f"{peer['pair']} {peer['id']} {address} {children}\n")
    put(tx, LIST, "".join(lines))
    return len(lines)


def put(tx: str, path: str, text: str) -> None:
    """Install a file of the deferral, or take it away when there is nothing in it."""
    if text:
        release.put(tx, path, text, 0o640)
    elif os.path.exists(path):
        release.remember(tx, path)
        core.remove(path)


def override() -> str:
    """Return what keeps charon from asking for SAs of deferred pairs."""
    quiet = "".join(
        f"{pair} {{ children {{ {' '.join(f'{name} {{ start_action = none }}' for name in children)} }} }}\n"
        for pair, (_, _, *children) in current().items()
    )
    return f"# ipsecplan: pairs that wait for their other node\nconnections {{\n{quiet}}}\n" if quiet else ""


def guard(text: str, node: NodeJson) -> str:
    """Return a guard that lets the deferred pairs pass, before its other rules; nothing else."""
    what = "" if xfrm.hosts(node) else f"udp dport {int(node['overlay']['port'])} "
    out = "postrouting" if xfrm.hosts(node) else "output"
    for family, name in ((4, "ip"), (6, "ip6")):
        addresses = [a for _, a, *_ in current().values() if ipaddress.ip_address(a).version == family]
        if addresses:
            them = "{ " + ", ".join(addresses) + " }"
            text += f"insert rule inet ipsecplan {out} {name} daddr {them} {what}accept\n"
            text += f"insert rule inet ipsecplan input {name} saddr {them} {what}accept\n"
    return text


def routes(text: str) -> str:
    """Return the ways into interfaces without those of the deferred pairs: one a line, by the peer's address."""
    clear = {address for _, address, *_ in current().values()}
    return "".join(line + "\n" for line in text.splitlines() if line.split()[2] not in clear)


def floor(text: str, peers: str, own: str) -> str:
    """Return the block policies without the deferred pairs: one policy a line, by its destination.

    A release has one policy with ``@`` for the address; ``peers`` is its list of them, "own address, peer's address,
    pair" a line, of which those of the underlay address ``own`` count. An older release has a line of each address
    behind that policy, or one policy a line.
    """
    first, _, rest = text.partition("\n")
    if "@" in first:
        before, _, behind = first.partition("@")
        late = {address for _, address, *_ in current().values()}
        addresses = rest.split() or [words[1] for words in map(str.split, peers.splitlines()) if words[:1] == [own]]
        return "".join(f"{before}{address}{behind}\n" for address in addresses if address not in late)
    clear = {f"{address}/{ipaddress.ip_address(address).max_prefixlen}" for _, address, *_ in current().values()}
    return "".join(line + "\n" for line in text.splitlines() if not clear & set(line.split()))
