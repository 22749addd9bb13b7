"""Three nodes in folders: the real agent and the real revert.sh, under a clock, timers and a network that are played.

What a phase does to IPsec is left out, but for the guard; what remembers, arms, decides and rolls back is all real.
"""

from __future__ import annotations

import io
import json
import subprocess
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from netplan.agent import main
from netplan.agent.phases import confirm, guard, leftovers
from netplan.agent.system import xfrm
from netplan.agent.system.core import Done
from netplan.agent.transaction import beacon, disk_reserve, lease, release, state
from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport.reply import Answer, parse
from tests.support import replies
from tests.support.agent_home import remember_in
from tests.support.revert_script import moved

REAL = ("arm", "await-confirm", "prepare", "confirm", "accept-both", "send-clear", "roll-back", "read-back")
GUARD = "table inet ipsecplan {\n udp dport 4789 rt ipsec missing counter drop\n}"
# Each command sees $NODE, its node's folder. An answer to a ping needs an address there and drop mode on both ends.
COMMANDS = {
    "ip": """case "$1 $2" in
"addr add" | "addr replace") echo "${3%/*}" >>$NODE/addresses ;;
"addr del" | "addr delete") [ -f $NODE/addresses ] && sed -i "/^${3%/*}$/d" $NODE/addresses ;;
"route replace") echo "$3 $5" >$NODE/route ;;
"route delete") rm -f $NODE/route ;;
"route get") echo "$3 dev ov0" ;;
esac
exit 0""",
    "ping": """for address; do :; done
[ -f $NODE/cut ] && exit 1
via=$address
[ -f $NODE/route ] && read -r of hop <$NODE/route && [ "$of" = "$address" ] && via=$hop
there=$NODE/../by-address/$via
[ -f $NODE/guard ] && [ -f $there/guard ] || exit 1
[ "$via" = "$address" ] || grep -qx "$address" $there/addresses 2>/dev/null""",
    "nft": """case "$1" in
list) cat $NODE/guard 2>/dev/null ;;
delete) rm -f $NODE/guard ;;
-f) rm -f $NODE/guard ;;
esac""",
    "systemctl": """case $1 in
list-units) ls $NODE/timers ;;
is-active) exit 3 ;;
*) shift; cd $NODE/timers && rm -f $@ ;;
esac""",
    "systemd-run": "exit 1",
    "swanctl": "exit 0",
}


class Nodes:
    """The transport of an engine, and the world behind it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, edges: Mapping[str, list[str]]) -> None:
        self.patch, self.folder, self.now = monkeypatch, folder, 1000.0
        self.stale = False  # whether what is confirmed is not what the bundle says
        self.trips: dict[str, tuple[float, float]] = {}  # seconds on the way to a node and back
        self.lively = False  # whether timers fire while requests are under way, and not only in `wait`
        self.under_way: list[tuple[str, dict[str, Any], bytes]] = []  # requests that have not arrived yet
        self.targets = [self._target(node_id, peers, number) for number, (node_id, peers) in enumerate(edges.items())]
        for target in self.targets:
            self._make(target)
        monkeypatch.setattr(release, "tools", lambda *_: None)
        monkeypatch.setattr(guard, "running", lambda: True)
        monkeypatch.setattr(disk_reserve, "ETC", str(folder / "etc"))
        for module in (state, lease):
            monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(main.os, "setsid", lambda: None)
        monkeypatch.setattr(main.os, "umask", lambda _: 0)
        real = main.function_of
        monkeypatch.setattr(main, "function_of", lambda p: real(p) if p.name in REAL else self._stub(p.name))

    def _target(self, node_id: str, peers: list[str], number: int) -> Target:
        addresses = {name: f"10.244.{n}.0" for n, name in enumerate(sorted({node_id, *peers, "n-a", "n-b", "n-c"}))}
        node = replies.node_json(
            node_id,
            [
                {
                    "id": peer,
                    "pair": "pair-" + min(node_id, peer)[2] + max(node_id, peer)[2],
                    "name": peer[2:],
                    "overlay_address": addresses[peer],
                }
                for peer in peers
            ],
            name=node_id[2:],
            underlay={"address": f"192.0.2.{number + 1}", "mtu": 1500},
        )
        node["overlay"] |= {"address": addresses[node_id], "devices": [{"name": "ov0", "mtu": 1416}]}
        return Target(node_id, node_id[2:], "f" * 64, node, (), {}, {})

    def _make(self, target: Target) -> None:
        home = self.home(target.id)
        for made in ("bin", "run", "timers"):
            (home / made).mkdir(parents=True)
        for name, text in COMMANDS.items():
            (home / "bin" / name).write_text(f"#!/bin/sh\nNODE={home}\n{text}\n")
            (home / "bin" / name).chmod(0o755)
        (home / "revert.sh").write_text(moved(home, quick=True))
        (home / "revert.sh").chmod(0o755)
        by = self.folder / "by-address"
        by.mkdir(exist_ok=True)
        (by / target.node["overlay"]["address"]).symlink_to(home)

    def home(self, node_id: str) -> Path:
        return self.folder / node_id

    def _stub(self, phase: str) -> Callable[..., dict[str, Any]]:
        def work(request: dict[str, Any], _: bytes | None = None) -> dict[str, Any]:
            home = self.home(request["node"]["id"])
            answer: dict[str, Any] = {"changed": True, "detail": "", **replies.added(phase, request["node"])}
            if phase == "status":
                now = state.load()
                same = now["state"] == "confirmed" and not self.stale
                answer |= {
                    "state": now,
                    "transaction": state.progress(now),
                    "lease": lease.load(),
                    "differs": [] if same else ["x"],
                }
            if phase == "enforce":
                (home / "guard").write_text(GUARD + "\n")
            return answer

        return work

    def _enter(self, node_id: str) -> None:
        """Let the agent's modules be this node's."""
        home = self.home(node_id)
        remember_in(self.patch, home / "lib")
        self.patch.setattr(state, "RUN", f"{home}/run")
        self.patch.setattr(state, "SCRIPT", f"{home}/revert.sh")
        self.patch.setattr(state, "enable", lambda *_: None)

        def run(*words: object, **_: Any) -> Any:
            name, *rest = map(str, words)
            done = subprocess.run([home / "bin" / name, *rest], capture_output=True, text=True)
            return Done(done.returncode, done.stdout, done.stderr)

        def must(*words: object, **_: Any) -> None:
            assert words[0] == "systemd-run", words
            told = dict(str(word).lstrip("-").split("=", 1) for word in words if "=" in str(word))
            deadline = self.now + float(told["on-active"].rstrip("s"))
            (home / "timers" / (told["unit"] + ".timer")).write_text(f"{deadline}")

        for module in (state, beacon, confirm, leftovers, xfrm):
            self.patch.setattr(module, "run", run)
        loaded = home / "guard"
        self.patch.setattr(xfrm, "guard", lambda: {"mode": "drop" if loaded.exists() else "absent", "clear": {}})
        self.patch.setattr(leftovers, "_there", lambda: False)
        self.patch.setattr(state, "must", must)

    def serve(self, node_id: str, request: dict[str, Any], archive: bytes) -> Answer:
        """Let the agent answer one request, a second later unless ``trips`` says otherwise."""
        there, back = self.trips.get(node_id, (1.0, 0.0))
        self._pass(there)
        self._enter(node_id)
        out, packed = io.StringIO(), zlib.compress(archive) if archive else b""
        data = json.dumps(request).encode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", out)
            main.main({"request": len(data), "archive": len(packed)}, io.BytesIO(data + packed))
        said = out.getvalue().partition(main.SENTINEL)[2]
        self._pass(back)
        return parse(self.spoil(node_id, request, said), request)  # type: ignore[arg-type]

    def spoil(self, node_id: str, request: dict[str, Any], said: str) -> str:
        """Return what arrives of a reply's text: all of it."""
        del node_id, request
        return said

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        del targets, fresh
        answers: dict[str, Answer] = {}
        self.under_way = [(i, request, b"x" if payload else b"") for i, request in requests.items()]
        while self.under_way:
            node_id, request, archive = self.under_way.pop(0)
            answers[node_id] = self.serve(node_id, request, archive)
            arrived(node_id, answers[node_id])
        return answers

    def deliver(self) -> None:
        """Let what was under way when the controller died arrive."""
        while self.under_way:
            self.serve(*self.under_way.pop(0))

    def wait(self) -> list[str]:
        """Let the time pass until no timer is left; return whose fired, in order."""
        fired = []
        while left := self._timers():
            fired.append(self._fire(*min(left)))
        return fired

    def _pass(self, seconds: float) -> None:
        """Let time pass, and fire what is due in it."""
        end = self.now + seconds
        while self.lively and (left := [timer for timer in self._timers() if timer[0] <= end]):
            self._fire(*min(left))
        self.now = end

    def _timers(self) -> list[tuple[float, Path]]:
        return [
            (float(t.read_text()), t) for target in self.targets for t in (self.home(target.id) / "timers").iterdir()
        ]

    def _fire(self, deadline: float, timer: Path) -> str:
        self.now = max(self.now, deadline)
        timer.unlink()
        home, unit = timer.parent.parent, timer.name.removesuffix(".timer")
        tx = unit.removeprefix("ipsecplan-revert-").rpartition("-")[0]
        subprocess.run([home / "revert.sh", "timer", tx, unit], check=True, capture_output=True, timeout=60)
        return home.name

    def boot(self, node_id: str) -> None:
        """Cut a node's power and start it again: timers and addresses are gone, the boot unit runs."""
        home = self.home(node_id)
        for timer in (home / "timers").iterdir():
            timer.unlink()
        (home / "addresses").unlink(missing_ok=True)
        subprocess.run([home / "revert.sh", "boot"], check=True, capture_output=True, timeout=60)

    def words(self) -> dict[str, str]:
        """Return what each node is: old, new, or something that must not be."""
        found = {}
        for target in self.targets:
            home = self.home(target.id)
            state = {"state": "none"}
            if (home / "lib" / "state.json").exists():
                state = json.loads((home / "lib" / "state.json").read_text())
            word = "open" if (home / "lib" / "open").exists() else state["state"]
            guard = (home / "guard").exists()
            found[target.id] = {("none", False): "old", ("confirmed", True): "new"}.get(
                (word, guard), f"{word} {guard}"
            )
        return found
