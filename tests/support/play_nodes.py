"""``python -m tests.support.play_nodes``: what the collection starts (netplan.play), with nodes that say yes instead of
Ansible's round trips; with words, the command line. What nodes are is a file: one confirms what the other began."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from netplan.cli import session
from netplan.cli.main import main as command_line
from netplan.play import keeper, runs
from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport.reply import Answer
from tests.support.fake_nodes import FakeNodes, closed, failure

NODES = "IPSECPLAN_TEST_NODES"  # the file; beside it SPOIL and KILL, where a test wants that
SPOIL = "spoil"  # "PHASE NAME": that node fails there
KILL = "kill"  # "PHASE [SIGNAL]": the play gets that signal (KILL) when that one has been done
ROLLS_BACK = "roll-back"


class KeptNodes(FakeNodes):
    """Nodes that remember what was done, in a file; used as a transport."""

    def __init__(self, path: Path) -> None:
        super().__init__(self._spoil)
        self.path, self.names = path, dict[str, str]()
        self.watch = 0
        self.kept: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.exists() else {}

    def _spoil(self, phase: str, node_id: str) -> dict[str, Any] | None:
        spoil = self.path.with_name(SPOIL)
        if spoil.exists() and spoil.read_text().split() == [phase, self.names.get(node_id)]:
            return failure()
        return None

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        self.names |= {node_id: target.name for node_id, target in targets.items()}
        done = super().step(requests, targets, payload=payload, fresh=fresh, arrived=arrived)
        self.path.write_text(json.dumps(self.kept))
        kill = self.path.with_name(KILL)
        phase, number = (*kill.read_text().split(), "9")[:2] if kill.exists() else ("", "")
        if phase in {one for sent, _ in self.calls[-1:] for one in sent}:
            kill.unlink()
            os.kill(self.watch, int(number))
            time.sleep(60 if number == "9" else 8)  # the keeper sees it and ends, or hears of it
        return done

    def _answer(self, node_id: str, request: dict[str, Any]) -> Answer:
        now = self.kept.setdefault(node_id, {"nodes": closed("none", ""), "release": ""})
        whole = request.get("node", {}).get("mtu", {}).get("pod", 1416)
        differs = now["nodes"][0]["state"] != "confirmed" or now["release"] != request.get("release")
        self.differs = ["nothing is applied"] if differs else []
        self.nodes[node_id] = (dict(now["nodes"][0]), dict(now["nodes"][1]))
        answer = super()._answer(node_id, request)
        for result in answer.results:
            found: Any = result
            phase = found["phase"]
            if phase == "status":
                devices = {d["name"]: d["mtu"] for d in request["node"]["overlay"]["devices"]}
                found["mtu"] = {"devices": devices, "bridge": whole, "pods": [], "unknown_ports": []}
            if phase == "probe":
                of = {peer["id"]: peer for peer in request["node"]["peers"]}
                for row in found.get("rows", ()):
                    peer = of[row["peer"]]
                    row |= {"outer": peer["outer_packet"], "outer_planned": peer["outer_packet"]}
                    row |= {"n": peer["inner_mtu"], "algorithms": list(peer["negotiated"])}
                    row["modes"] = [request["node"]["esp"]["mode"]]
                found["changed"] = False
            if phase in ("preflight", "facts", "reachability", "status", "prepare", "soak"):
                found["changed"] = False
            if found["ok"]:
                self._remember(now, phase, request)
        return answer

    @staticmethod
    def _remember(now: dict[str, Any], phase: str, request: dict[str, Any]) -> None:
        state, progress = now["nodes"]
        if phase == "arm":
            state |= {"state": "open", "tx": request["tx"], "last": {}}
            progress |= {"kind": request["kind"], "release": request["release"], "steps": [], "proven": False}
        if "step" in request and state["state"] == "open" and request["step"] not in progress["steps"]:
            progress["steps"] = [*progress["steps"], request["step"]]
        if phase == "probe" and state["state"] == "open":
            progress["proven"] = True
        if phase == "confirm":
            state |= {"state": "confirmed", "release": request["release"]}
            now["release"] = request["release"]
        if phase == ROLLS_BACK:
            gone = closed("none", "reverted")
            gone[0]["last"]["tx"] = request["tx"]
            now |= {"nodes": [gone[0], gone[1]], "release": ""}


@contextlib.contextmanager
def kept(path: Path, watch: Callable[[], int]) -> Iterator[KeptNodes]:
    nodes = KeptNodes(path)
    nodes.watch = watch()
    yield nodes


def main() -> None:
    """Serve a play as netplan.play does, but for its nodes."""
    path, watched = Path(os.environ[NODES]), [0]
    if len(sys.argv) > 1:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(session, "AnsibleTransport", lambda _: kept(path, os.getpid))
            sys.exit(command_line(sys.argv[1:]))
    parse = keeper.parse

    def parsed(text: str) -> Any:
        wanted = parse(text)
        watched[0] = wanted.watch
        return wanted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeper, "parse", parsed)
        patch.setattr(runs, "AnsibleTransport", lambda: kept(path, lambda: watched[0]))
        keeper.main()


if __name__ == "__main__":
    main()
