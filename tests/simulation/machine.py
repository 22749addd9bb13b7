"""One node: what its disk, its charon, its kernel and its timers are, and how its commands answer.

IPsec is played as far as a packet's fate depends on it: which release's connections are loaded, with traps or without,
with whom there are SAs, what the guard does, whether clear packets are accepted and whether they are sent.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from netplan.agent.system.core import Stop, finding
from tests.simulation import script
from tests.simulation.disk import Disk

if TYPE_CHECKING:
    from tests.simulation.world import World

ROOT, RUN, ETC = "/var/lib/ipsecplan", "/run/ipsecplan", "/etc/ipsecplan"


class Node:
    """``peers``: id of each peer -> id of the pair. ``loaded``: digest of the release whose connections charon has."""

    def __init__(self, world: World, node_id: str, name: str, address: str, peers: dict[str, str]) -> None:
        self.world, self.id, self.name, self.address, self.peers = world, node_id, name, address, peers
        self.of_pair = {pair: peer for peer, pair in peers.items()}
        self.disk = Disk()
        self.up, self.cut_off, self.charon_hangs = True, False, False
        self.ahead = 0.0  # seconds that its wall clock is ahead
        self.boots, self.life = 0, 0  # how often it booted; and that, or its agent being ended, in one number
        self.timers: dict[str, float] = {}
        self.work = 0.0  # seconds that the request at hand has taken until now
        self.forget()
        self._boot_id()

    def forget(self) -> None:
        """Let what no disk keeps be gone."""
        self.loaded: str | None = None
        self.traps = self.wide = self.clear_out = False
        self.guard = "absent"
        self.sas: dict[str, str] = {}  # pair -> release
        self.addresses: set[str] = set()
        self.route: tuple[str, str] | None = None

    def _boot_id(self) -> None:
        self.disk.put("/proc/sys/kernel/random/boot_id", f"boot-{self.boots}\n".encode())

    @property
    def reachable(self) -> bool:
        """Tell whether packets get to it and back."""
        return self.up and not self.cut_off

    @property
    def state(self) -> dict[str, Any]:
        """What its state file says, with the marker of an open transaction."""
        found = {"state": "none", "tx": "", "release": "", **json.loads(self.disk.read(f"{ROOT}/state.json") or "{}")}
        opened = self.disk.line(f"{ROOT}/open")
        return {**found, "state": "open", "tx": opened} if opened else found

    # --- life

    def power_off(self) -> None:
        """Cut its power."""
        self.up, self.life = False, self.life + 1
        self.timers.clear()
        self.disk.dead = True

    def boot(self) -> None:
        """Start it again: the boot unit first, then charon and guard by what is in force."""
        self.disk.dead, self.disk.cut_in, self.up = False, None, True
        self.boots += 1
        self.forget()
        self.disk.lose("/run")
        self.disk.folders.add("/run")
        self._boot_id()
        for peer, pair in self.peers.items():  # its initial contact ends what peers have with the machine before
            other = self.world.nodes[peer]
            if other.up and not other.charon_hangs:
                other.sas.pop(pair, None)
        script.run(self, "boot")
        if not self.disk.line(f"{ROOT}/open") and self.state["state"] == "confirmed":
            self.loaded, self.traps, self.guard = self.state["release"], True, "drop"

    def end_sas(self, pairs: list[str]) -> None:
        """End the SAs of pairs, here and, where they hear of it, at the peers."""
        for pair in pairs:
            self.sas.pop(pair, None)
            other = self.world.nodes.get(self.of_pair.get(pair, ""))
            if other and other.reachable and self.reachable and not other.charon_hangs:
                other.sas.pop(pair, None)

    # --- commands

    def command(self, words: list[str]) -> tuple[int, str]:
        """Return exit code and output of a command of the agent."""
        name, rest = words[0].rpartition("/")[2], words[1:]
        serve = getattr(self, "_" + name.replace("-", "_"), None)
        return serve(rest) if serve else (0, "")

    def _sh(self, rest: list[str]) -> tuple[int, str]:
        if rest[1:2] == ["self-test"]:
            self.disk.put(rest[2], b"passed\n")
            return 0, ""
        return script.run(self, rest[1]) if rest[0].endswith("/revert.sh") else (0, "")

    def _systemd_run(self, rest: list[str]) -> tuple[int, str]:
        told = dict(word.lstrip("-").split("=", 1) for word in rest if word.startswith("--") and "=" in word)
        self.arm(told["unit"], float(told["on-active"].rstrip("s")))
        return 0, ""

    def arm(self, unit: str, seconds: float) -> None:
        """Start a timer."""
        self.timers[unit] = self.world.clock.now + self.work + seconds
        self.world.at(self.timers[unit], lambda: self.world.fire(self, unit))

    def _systemctl(self, rest: list[str]) -> tuple[int, str]:
        if rest[0] == "list-units":
            return 0, "".join(f"{unit}.timer\n" for unit in self.timers)
        if rest[0] == "stop":
            for unit in rest[1:]:
                self.timers.pop(unit.removesuffix(".timer"), None)
        return 0, "active\n" if rest[0] == "is-active" else ""

    def _ip(self, rest: list[str]) -> tuple[int, str]:
        what, how = rest[:2]
        if what == "addr":
            change = self.addresses.add if how in ("add", "replace") else self.addresses.discard
            change(rest[2].partition("/")[0])
        elif what == "route" and how == "get":
            return 0, f"{rest[2]} dev ov0"
        return 0, ""

    def _ping(self, rest: list[str]) -> tuple[int, str]:
        return (0 if self.world.answers(self, rest[-1]) else 1), ""

    def _nft(self, rest: list[str]) -> tuple[int, str]:
        if "delete" in rest:
            self.guard = "absent"
        if self.guard == "absent":
            return 1, ""
        expr = [{"counter": {"packets": 0}}, *([{"drop": None}] if self.guard == "drop" else [])]
        return 0, json.dumps({"nftables": [{"rule": {"chain": "out", "handle": 1, "expr": expr}}]})

    def _swanctl(self, _: list[str]) -> tuple[int, str]:
        return (124 if self.charon_hangs else 0), ""


class Vici:
    """charon's socket on one node, as the agent opens it."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __enter__(self) -> Vici:
        if self.node.charon_hangs:
            raise Stop(finding("IPP611", "charon does not answer"))
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, command: str, **message: Any) -> dict[str, Any]:
        """Do what a command says; of connections they are the last one's act that counts."""
        if command == "terminate":
            self.node.end_sas([message["ike"]])
        if command == "unload-conn":
            self.node.loaded, self.node.traps = None, False
        return {}
