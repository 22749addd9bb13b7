"""``topology: trap-any``: pairs while a rollout runs, one wildcard connection at rest, and whose SA is whose.

/etc/ipsecplan/pairs.conf   one connection a peer; in charon's place from ``stage`` until ``trap``
/etc/ipsecplan/any.conf     the wildcard that takes its place; not while pairs are deferred: it would ask for theirs too

SAs of the wildcard all have its name. They are told apart by the peer's address, and belong to the pair only if the
identity that was authenticated is the one planned for that address: any certificate of the cluster opens the wildcard.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from ..system import core, paths, vici
from ..system.core import read
from ..transaction import deferred_pairs, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import Later, NodeJson, Peer
    from ..protocol.words import Json

NAME = "ipsecplan-any"
CHILDREN = (NAME + "-out", NAME + "-in")  # in the order of a pair's children
SOON_S = 15.0  # a pair's first packet waits for two exchanges of IKE, each of which may have to be repeated
CONNECTIONS = "/etc/swanctl/conf.d/ipsecplan.conf"
PAIRS = paths.ETC + "/pairs.conf"
WILDCARD = paths.ETC + "/any.conf"


def install_pairs(tx: str) -> None:
    """Put the connections of single pairs where swanctl reads them, when the release has a wildcard."""
    if os.path.exists(WILDCARD):
        release.put(tx, CONNECTIONS, read(PAIRS) or "", 0o640)


def install_wildcard(tx: str) -> bool:
    """Put the wildcard in their place. True when it changed something."""
    if not os.path.exists(WILDCARD) or deferred_pairs.current():
        return False
    return release.put(tx, CONNECTIONS, read(WILDCARD) or "", 0o640)


def copied() -> list[tuple[str, str, str | None]]:
    """Return (file, name of its source, text of that) for what has to be in charon's place now."""
    if not os.path.exists(WILDCARD):
        return []
    source = PAIRS if deferred_pairs.current() else WILDCARD
    return [(CONNECTIONS, os.path.basename(source), read(source))]


def sas(node: NodeJson, listed: list[tuple[str, Json]] | None = None) -> list[tuple[str, Json]]:
    """Return every IKE_SA as (pair, fields), those of the wildcard under the names of the pair that they belong to."""
    peers = {peer["address"]: peer for peer in node["peers"]}
    found = []
    for name, body in vici.sas() if listed is None else listed:
        peer = peers.get(str(body.get("remote-host"))) if name == NAME else None
        if peer and body.get("remote-id") == peer["id"]:
            names = dict(zip(CHILDREN, peer["children"]))  # noqa: B905  needs Python 3.10
            children = {
                key: {**child, "name": names.get(child.get("name"), child.get("name"))}
                for key, child in body.get("child-sas", {}).items()
            }
            found.append((peer["pair"], {**body, "child-sas": children}))
        else:
            found.append((name, body))
    return found


def loaded(node: NodeJson, connections: Iterable[str]) -> set[str]:
    """Return the names of loaded connections; the wildcard stands for that of every pair."""
    names = set(connections)
    return names | {peer["pair"] for peer in node["peers"]} if NAME in names else names


def traps(node: NodeJson, names: set[str]) -> set[str]:
    """Return the names of children with a trap; the wildcard's stand for those of every pair."""
    every = (dict(zip(CHILDREN, peer["children"])) for peer in node["peers"])  # noqa: B905  needs Python 3.10
    return names | {own for pair in every for wild, own in pair.items() if wild in names}


def protected(peer: Peer, connections: Json) -> set[str]:
    """Return the names of a peer's children as charon has them loaded now, by its connection or the wildcard's."""
    own = connections.get(peer["pair"], {}).get("children", {})
    wild = connections.get(NAME, {}).get("children", {})
    return set(own) or {peer["pair"] + name[len(NAME) :] for name in wild}


def unplanned_sas(node: NodeJson, listed: list[tuple[str, Json]]) -> list[Json]:
    """Return the wildcard's authenticated IKE_SAs that are no planned pair's."""
    return [body for name, body in sas(node, listed) if name == NAME and body.get("state") == "ESTABLISHED"]


def end_unplanned_sas(node: NodeJson, spared: Iterable[Later]) -> None:
    """End the wildcard's SAs with hosts that are no peers, but for ``spared`` ones that are away."""
    known = {peer["address"] for peer in node["peers"]} | {peer["address"] for peer in spared}
    for body in unplanned_sas(node, vici.sas()):
        if body.get("remote-host") not in known:
            _end(body)


def end_idle_ike_sas(node: NodeJson) -> int:
    """End IKE_SAs without children beside one of the same pair that has some: rehearsals and what a change emptied."""
    held: dict[str, list[Json]] = {}
    for name, body in sas(node):
        if body.get("state") == "ESTABLISHED":
            held.setdefault(name, []).append(body)
    pairs = [held.get(peer["pair"], []) for peer in node["peers"]]
    idle = [
        body
        for bodies in pairs
        if any(b.get("child-sas") for b in bodies)
        for body in bodies
        if not body.get("child-sas")
    ]
    for body in idle:
        _end(body, wait=-1)  # nothing depends on it
    return len(idle)


def _end(body: Json, wait: int = 5000) -> None:
    with vici.Vici() as link:
        link.call("terminate", ike_id=body["uniqueid"], force="yes", timeout=wait)


def trigger_sas(node: NodeJson, send: Callable[[Peer], object], seconds: float = 45) -> None:
    """Send to peers without an SA until they have one: at rest that is no fault, and measuring it would be.

    Of a wildcard all pairs are at rest now and then; with a connection for each peer only after charon was started
    again, and a pair that has no SA soon is measured as it is.
    """

    def cold() -> list[Peer]:
        up: dict[str, set[str]] = {}
        for pair, body in sas(node):
            up.setdefault(pair, set()).update(str(c.get("name")) for c in body.get("child-sas", {}).values())
        return [peer for peer in node["peers"] if not set(peer["children"]) <= up.get(peer["pair"], set())]

    def all_up() -> bool:
        lacking = cold()
        core.each(send, lacking)
        return not lacking

    core.wait(all_up, seconds if "wildcard" in node else min(seconds, SOON_S))
