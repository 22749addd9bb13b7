"""What an earlier transaction of ours left behind, told apart from what another program has.

Ours is what has a name or number that only we give, and what stands in the memory of a transaction that ran here
(``/var/lib/ipsecplan/tx/TX``: its pairs, its peers, its port):

* in charon: a connection or SA called ``pair-`` and 12 hex digits or ``ipsecplan-...``, whose peer has an identity of
  ours (``n-`` and 12 hex digits; any, with the wildcard) or which a transaction that ran here lists
* in the kernel: block policies by their priority; policies of priority 1 between anybody and this node's overlay port,
  or its address where a transaction that ran here protected hosts; policies and SAs between ends of such a transaction
* the nftables table ``inet ipsecplan``; rollback timers of transactions that are not open
"""

from __future__ import annotations

import contextlib
import glob
import os
import re

from ..system import addresses, core, paths, vici, xfrm
from ..system.core import Stop, finding, read, run
from ..transaction import state
from . import guard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.node_json import NodeJson
    from ..protocol.reply import State
    from ..protocol.request import Request
    from ..protocol.words import Json

HINT = "the node goes on with it by timers and at its next boot; `ipsecplan revert` rolls it back at once"
GONE_S = 10  # for charon to work off what it was told
_NAME = re.compile(r"^(pair-[0-9a-f]{12}|ipsecplan-[a-z]+)$")
_IDENTITY = re.compile(r"^n-[0-9a-f]{12}$")
_TABLE = ("table", "inet", "ipsecplan")


class Memory:
    """What the transactions that ran here say of themselves: names of pairs, ends (own, peer's), overlay ports."""

    def __init__(self) -> None:
        self.pairs: set[str] = set()
        self.ends: set[tuple[str, str]] = set()
        self.ports: set[str] = set()
        for folder in glob.glob(state.ROOT + "/tx/tx-*"):
            self.pairs |= set((read(folder + "/pairs") or "").split())
            self.ports |= set((read(folder + "/port") or "").split())
            for line in (read(folder + "/peers") or "").splitlines():
                words = line.split()
                if len(words) >= 2:
                    self.ends.add((words[0], words[1]))

    def between(self, source: str, destination: str) -> bool:
        """Tell whether two addresses are the ends of a pair, in whichever direction."""
        one, other = source.partition("/")[0], destination.partition("/")[0]
        return (one, other) in self.ends or (other, one) in self.ends


def connections(loaded: Json, keep: set[str], memory: Memory) -> list[str]:
    """Return the names of loaded connections that are ours, without those to ``keep``."""
    return sorted(
        name
        for name, body in loaded.items()
        if name not in keep and _NAME.fullmatch(name) and (name in memory.pairs or _known_peer(name, body))
    )


def _known_peer(name: str, body: Json) -> bool:
    remote = [part.get("id", "") for key, part in body.items() if key.startswith("remote-") and isinstance(part, dict)]
    return not name.startswith("pair-") or any(_IDENTITY.fullmatch(identity) for identity in remote)


def policy(found: Json, node: NodeJson, memory: Memory) -> bool:
    """Tell whether a policy of the kernel is one that an earlier transaction of ours left."""
    if xfrm.is_floor(found):
        return True
    ports = {str(found["sport"]), str(found["dport"])}
    if found["priority"] == 1 and found["src"] in ("0.0.0.0/0", "::/0"):
        port = str(node["overlay"]["port"])
        own = {address + ("/128" if ":" in address else "/32") for address in addresses.addresses(node)}
        if port != "0" and str(found["dport"]) == port and not found["sport"]:
            return found["dir"] == "out" or found["dst"] in own
        ends = {peer for _, peer in memory.ends} if found["dir"] == "out" else {own for own, _ in memory.ends}
        return "any" in memory.ports and ports == {"0"} and found["dst"].partition("/")[0] in ends
    if not memory.between(found["src"], found["dst"]):
        return False
    return bool(ports & memory.ports) or ("any" in memory.ports and ports == {"0"})


def look(node: NodeJson) -> tuple[list[str], list[str]]:
    """Return (names of connections, everything that is left in words), of a node on which nothing is applied.

    Raises Stop when charon is there and does not answer.
    """
    memory = Memory()
    names = connections(_loaded(), set(), memory)
    said = [f"charon has the connection {name}" for name in names]
    said += [f"charon has an SA of {name}" for name in sorted({n for n, _ in _sas() if _NAME.fullmatch(n)})]
    said += [f"the policy src {p['src']} dst {p['dst']} dir {p['dir']}" for p in _policies(node, memory)]
    said += [f"an SA, src {s[0]} dst {s[1]}" for s in xfrm.states() if memory.between(s[0], s[1])]
    if xfrm.guard()["mode"] != "absent":
        said.append("the guard (nft table inet ipsecplan) is loaded")
    said += [f"the timer {name}" for name in state.armed()]
    return names, said


def clean(node: NodeJson) -> list[str]:
    """Take away what look() finds where nothing is applied; where a release is confirmed, connections it has not.

    Returns in words what was there. Raises Stop when some of it stays.
    """
    now = state.load()
    if now["state"] != "none":
        names = connections(_loaded(), kept(now, node), Memory())
        _unload(names)
        return [f"charon has the connection {name}" for name in names]
    _, said = look(node)
    if not said:
        return []
    memory = Memory()
    _unload(connections(_loaded(), set(), memory))
    for name in {n for n, _ in _sas() if _NAME.fullmatch(n)}:
        with vici.Vici() as link:
            link.call("terminate", ike=name, force="yes", timeout=5000)
    run("nft", "delete", *_TABLE)
    if any(xfrm.is_floor(p) for p in xfrm.policies()):
        run("ip", "xfrm", "policy", "deleteall", "dir", "out", "action", "block", "priority", xfrm.FLOOR_PRIORITY)
    for found in _policies(node, memory):
        run("ip", "xfrm", "policy", "delete", "dir", found["dir"], *_selector(found))
    for source, destination, spi in xfrm.states():
        if memory.between(source, destination):
            run("ip", "xfrm", "state", "delete", "src", source, "dst", destination, "proto", "esp", "spi", spi)
    if state.armed():
        state.disarm()
    core.remove(guard.RELAXED)
    core.wait(lambda: not look(node)[1], GONE_S, 1)
    rest = look(node)[1]
    if rest:
        raise Stop(*[finding("IPP686", f"left by an earlier rollback, and it stays: {text}") for text in rest])
    return said


def words(gone: list[str]) -> str:
    """Return in words what was taken away; empty for nothing."""
    return f"taken away what an earlier rollback left: {'; '.join(gone)}" if gone else ""


def kept(now: State, node: NodeJson) -> set[str]:
    """Return the connections that what is confirmed may have, and those of the plan at hand."""
    old = set((read(state.tx_folder(now["tx"]) + "/pairs") or "").split()) if now["tx"] else set()
    return old | {peer["pair"] for peer in node["peers"]} | {"ipsecplan-clear", "ipsecplan-any"}


def after_rollback(request: Request, now: State) -> list[str]:
    """Return in words what a rollback of the request's transaction did not take back."""
    node = request["node"]
    if now["state"] == "open":
        if now["tx"] != request["tx"] and not request.get("any"):
            return []  # another one has begun meanwhile: ours is not here any more
        _, left = state.rolling_back(now["tx"])
        return left or ["the transaction is still open"]
    if now["state"] == "confirmed":
        if request.get("off") or now["tx"] == request["tx"]:
            return ["the release is still confirmed"]
        said = [f"charon has the connection {n}" for n in connections(_loaded(), kept(now, node), Memory())]
        if xfrm.guard()["mode"] != "drop":
            said.append("the guard does not drop")
        return said + [f"the permissive policy of {own}" for own in xfrm.open_to(node)]
    return look(node)[1] + list(_files(str(now["last"].get("tx", ""))))


def _files(tx: str) -> Iterator[str]:
    """Yield what is not as the snapshot of a transaction says; nothing where its snapshot is gone, too."""
    if not os.path.isdir(state.BASE):  # everything of ours was removed
        own = (paths.ETC, paths.START, state.SCRIPT, paths.OVERLAY_UNIT)
        yield from (f"{path} is still there" for path in own if os.path.exists(path))
    with contextlib.suppress(Stop):
        folder = state.tx_folder(tx)
        for path, was in state.listed(folder, "ipsec").items():
            if was == "absent" and os.path.lexists(path):
                yield f"the file {path} is still there"
            elif was == "present" and core.digest(path) != core.digest(folder + "/tree" + path):
                yield f"the file {path} is not as it was"


def _policies(node: NodeJson, memory: Memory) -> list[Json]:
    return [found for found in xfrm.policies() if policy(found, node, memory)]


def _selector(found: Json) -> list[str]:
    """Return the words of a policy's selector; with a port it is one of UDP."""
    ports = [word for side in ("sport", "dport") if found[side] for word in (side, str(found[side]))]
    return ["src", found["src"], "dst", found["dst"], *(["proto", "udp", *ports] if ports else [])]


def _loaded() -> Json:
    return vici.connections() if _there() else {}


def _sas() -> list[tuple[str, Json]]:
    return vici.sas() if _there() else []


def _there() -> bool:
    """Tell whether charon is there; a dead one has nothing loaded, one that does not answer is another matter."""
    try:
        with vici.Vici():
            return True
    except Stop:
        return False


def _unload(names: list[str]) -> None:
    for name in names:
        with vici.Vici() as link:
            link.call("unload-conn", name=name)
