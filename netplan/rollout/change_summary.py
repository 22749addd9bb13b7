"""What a change is, for the question before it: sizes, algorithms, pairs, traffic, files. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import Status
from netplan.problems import counted, printable

SHOWN = 6  # names in a line
SHOWN_FILES = 30  # lines about files; `diff --live` shows all


@dataclass(frozen=True, slots=True)
class ChangeSummary:
    """A change before it is made.

    ``before``: the MTU of pods and overlay devices now (bytes) -> nodes that have it; a node without such devices is in
    none. ``planned``: the bundle's, ``held``: the size that the cluster keeps for now, None where none is kept.
    ``esp``: transforms as charon names them. ``states``: what nodes have -> nodes. ``files``: what is not as in the
    bundle -> nodes. Nodes are names.
    """

    before: Mapping[int, Sequence[str]]
    planned: int
    held: int | None
    esp: tuple[str, ...]
    mode: str
    pairs: int
    states: Mapping[str, Sequence[str]]
    files: Mapping[str, Sequence[str]]

    def lines(self) -> list[str]:
        """Return the summary as people read it, safe for a terminal."""
        return [printable(line) for line in (self._mtu(), self._ipsec(), *self._traffic(), *self._files())]

    def _mtu(self) -> str:
        to = self.held or self.planned
        later = f"; planned {self.planned}, by `apply --raise-mtu`" if self.held else ""
        other = [f"{size} on {_some(nodes)}" for size, nodes in sorted(self.before.items()) if size != to]
        if other:
            return f"pod MTU {' and '.join(other)} -> {to}{later}"
        return f"pod MTU {to}{', as it is' if self.before else ', new'}{later}"

    def _ipsec(self) -> str:
        return f"{counted(self.pairs, 'pair')}, ESP {' or '.join(self.esp)}, {self.mode.lower()} mode"

    def _traffic(self) -> list[str]:
        words = {
            "none": "in clear now: packets go on in clear until the new SAs carry them, then clear ones are dropped",
            "open": "an unconfirmed transaction",
            "other": "another release: new SAs are made and seen to work before the old ones end",
            "same": "this release, not as it was left: what differs is put right",
        }
        return [f"{_some(nodes)}: {words[state]}" for state, nodes in self.states.items()]

    def _files(self) -> list[str]:
        found = [f"  {said}   ({_some(nodes)})" for said, nodes in self.files.items()]
        more = len(found) - SHOWN_FILES
        rest = [f"  and {more} more: `ipsecplan diff --live BUNDLE`"] if more > 0 else []
        differ = "differs" if len(found) == 1 else "differ"
        head = f"{counted(len(found), 'file')} {differ} from the bundle:"
        return [head, *found[:SHOWN_FILES], *rest] if found else []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def summary(
    nodes: Mapping[str, NodeJson], release: Mapping[str, str], found: Mapping[str, Status], held: int | None
) -> ChangeSummary:
    """Return what applying a bundle changes.

    ``nodes``: id -> node.json without pairs that are left out, ``release``: id -> digest of the node's files,
    ``found``: id -> what the node answered to status, ``held``: the size in bytes that is kept.
    """
    before: dict[int, list[str]] = {}
    states: dict[str, list[str]] = {}
    files: dict[str, list[str]] = {}
    for node_id, node in nodes.items():
        status = found.get(node_id)
        if status is None:
            continue
        sizes = [size for size in (*status["mtu"]["devices"].values(), status["mtu"]["bridge"]) if size]
        if sizes:
            before.setdefault(min(sizes), []).append(node["name"])
        states.setdefault(_state(status, release[node_id]), []).append(node["name"])
        for row in status["drift"]:
            if row["code"] == "IPP680" and row["message"].startswith("/"):
                change = f" ({row['found']} -> {row['planned']})" if row["found"] else ""
                files.setdefault(row["message"] + change, []).append(node["name"])
    esp = dict.fromkeys(name for node in nodes.values() for name in node["esp"]["negotiated"])
    return ChangeSummary(
        before=before,
        planned=min(node["mtu"]["pod"] for node in nodes.values()),
        held=held,
        esp=tuple(esp),
        mode=next(iter(nodes.values()))["esp"]["mode"],
        pairs=len({peer["pair"] for node in nodes.values() for peer in node["peers"]}),
        states=states,
        files=dict(sorted(files.items())),
    )


def _state(status: Status, release: str) -> str:
    word = status["state"]["state"]
    if word == "confirmed":
        return "same" if status["state"]["release"] == release else "other"
    return word
