"""Another machine stands where a node was: same name and address, nothing of ours on it, another key.

Its peers still have SAs with the machine before, which nobody answers any more. They end when the peers stage, before
the new machine has loaded a connection: so nothing of its own can be hit. Traps, guard and block policies stay.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from ..system import vici
from ..system.core import read, write
from . import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import Later, NodeJson, Peer
    from ..protocol.reply import State


def remember(tx: str, peers: Sequence[Peer], later: Sequence[Later]) -> None:
    """Write down with whom this node makes SAs in a transaction; whom it only waits for, if it had some before."""
    folder = state.tx_folder(tx)
    word, old, _ = (read(folder + "/before") or "none - -").split()
    before = _held(old) if word == "confirmed" else set()
    now = {peer["pair"] for peer in peers} | before & {peer["pair"] for peer in later}
    write(folder + "/held", "".join(f"{pair}\n" for pair in sorted(now)))


def held(now: State) -> list[str]:
    """Return the pairs that this node keeps with others in what is confirmed."""
    return sorted(_held(now["tx"])) if now["state"] == "confirmed" else []


def _held(tx: str) -> set[str]:
    return set((read(state.tx_folder(tx) + "/held") or "").split())


def meet(tx: str, node: NodeJson, replaced: Collection[str]) -> None:
    """End what this node has with machines that are gone; remember it when it is itself the new one."""
    if node["id"] in replaced:
        write(state.tx_folder(tx) + "/replaced", "")
    mine = {peer["pair"] for peer in node["peers"] if node["id"] in replaced or peer["id"] in replaced}
    for pair in sorted(mine & {name for name, _ in vici.sas()}) if mine else ():
        with vici.Vici() as link:
            link.call("terminate", ike=pair, force="yes", timeout=5000)


def here(tx: str) -> bool:
    """Tell whether this node is the new machine: its peers' traps ask it for SAs as soon as it can answer."""
    return os.path.exists(state.tx_folder(tx) + "/replaced")
