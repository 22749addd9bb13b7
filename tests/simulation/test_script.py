"""revert.sh and its stand-in of the simulation leave the same memory behind, from every state and with every word."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.machine import Node as Played
from tests.simulation.script import run
from tests.simulation.world import World
from tests.support.revert_script import TX, Node

OLD_TX, OLD = "tx-20250102030405-abcd", "e" * 64
WORDS = [
    ("timer", TX, "u"),
    ("timer", OLD_TX, "u"),
    *((word,) for word in ("boot", "operator", "relax", "plain", "off")),
]
CONFIRMED = {"schema": 1, "state": "confirmed", "tx": TX, "release": OLD, "at": "x", "last": {}}


def _begun(node: Node) -> None:
    (node.root.parent / "run" / "reverting").write_text(TX + "\n")


def _over(node: Node) -> None:
    node.put(folder=node.tx, before=f"confirmed {OLD_TX} {OLD}")
    (node.root / "tx" / OLD_TX).mkdir()
    node.put(**{"state.json": json.dumps({**CONFIRMED, "tx": OLD_TX})})


def _closed(node: Node) -> None:
    (node.root / "open").unlink()


def _kept(node: Node) -> None:
    _closed(node)
    node.put(**{"state.json": json.dumps(CONFIRMED)})


def _silent(node: Node) -> None:
    node.prepare()
    node.play("ping", code=1)


def _replaced(node: Node) -> None:
    (node.root.parent / "run" / "timer").write_text("another\n")


STATES: dict[str, Any] = {
    "open": lambda _: None,
    "over a release": _over,
    "prepared, it answers": lambda node: node.prepare(),
    "prepared, it is silent": _silent,
    "prepared, it decides": lambda node: node.prepare(witness=False),
    "prepared, a rollback has begun": lambda node: (node.prepare(), _begun(node)),
    "no whole snapshot": lambda node: (node.tx / "before").unlink(),
    "nothing open": _closed,
    "confirmed": _kept,
    "armed anew": _replaced,
}


class Alone(World):
    """A witness that answers as the shell's ping does."""

    says = True

    def answers(self, *_: Any) -> bool:
        return self.says


def memory(files: dict[str, str]) -> dict[str, str]:
    """Return what matters of a node's memory, without the time of day."""
    kept = {
        path: text for path, text in files.items() if re.search(r"lib/(state.json|open|last)$|run/reverting$", path)
    }
    return {
        path: json.dumps(json.loads(re.sub(r"20\d\d-\S+Z", "AT", text)), sort_keys=True) if "json" in path else text
        for path, text in kept.items()
    }


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        if path.is_file() and path.parts[len(folder.parts)] in ("lib", "run"):
            found[str(path.relative_to(folder))] = path.read_text()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS, ids=" ".join)
@pytest.mark.parametrize("state", STATES)
def test_script_and_stand_in_leave_the_same_memory(tmp_path: Path, state: str, words: tuple[str, ...]) -> None:
    shell = Node(tmp_path)
    STATES[state](shell)
    world = Alone(1)
    world.says = state != "prepared, it is silent"
    played = Played(world, "n-a", "a", "192.0.2.1", {})
    played.guard = "drop"
    for path, text in _files(tmp_path).items():
        played.disk.put(
            "/var/" + path.replace("lib/", "lib/ipsecplan/", 1)
            if path.startswith("lib/")
            else "/run/ipsecplan/" + path.removeprefix("run/"),
            text.encode(),
        )
    for folder in (tmp_path / "lib" / "tx").iterdir():
        played.disk.make_folders(f"/var/lib/ipsecplan/tx/{folder.name}")
    done = subprocess.run(["/bin/sh", str(shell.script), *words], capture_output=True, text=True, timeout=60)
    code, _ = run(played, *words)
    ours = {
        path.replace("/var/lib/ipsecplan/", "lib/").replace("/run/ipsecplan/", "run/"): data.decode()
        for path, data in played.disk.copy().items()
    }
    assert (code, memory(ours)) == (done.returncode, memory(_files(tmp_path)))
