"""What an apply sends to the nodes, beside the bundle; and what it takes beside ``ansible -m ping`` of the same nodes.

For the bytes the engine is the real one, and the messages are those of the action plugin: only nobody sends them. For
the processor time all is real up to the process on the node: Ansible with ``connection=local``, the loader, each module
of the agent that a phase needs. The agent's answer is then that all is well.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.law import Instant, targets
from benchmarks.render import planned
from benchmarks.result import Result, spent
from netplan.bundle import reader
from netplan.bundle.write import write
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport import parts
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.verbs.apply import apply
from tests.support import replies
from tests.unit.test_agent_bootstrap import loaded

MANY = 200  # nodes whose bytes are counted; FULL=1: 1,000
FEW = 6  # nodes that Ansible talks to
BYTES_GOAL, PINGS_GOAL = 1.5, 2.0
# in the place of the agent's main.py, which is served.py here: a module of each phase is imported, and none is run
PLAYED = """
import json, sys, time
from . import replies, served
SENTINEL = served.SENTINEL
def main(header, stream):
    about = served._about(header, stream)
    if about is None:
        print("\\n" + SENTINEL + served.LACKS)
        return
    request = served.read_request(served.zlib.decompress(stream.read(header["request"])), about)
    for name in request["phases"]:
        served.function_of(served.PHASES[name])
    served._unpacked(stream, header["archive"])
    said = {"results": replies.well(request), "clock": time.monotonic(), "wall": time.time()}
    print("\\n" + SENTINEL + json.dumps(said))
"""


class Counted(Instant):
    """Nodes that answer at once. ``sent``: bytes that would have gone to them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.sent, self._plugin = folder, 0, loaded()
        (folder / "in").mkdir()
        self._parts = parts.Parts(folder)

    def step(self, requests: Mapping[str, Any], targets: Any, *, payload: bool, **more: Any) -> Any:
        """Answer every request, and count what it has."""
        for node_id, request in requests.items():
            rest, about = self._parts.split(node_id, request)
            (self.folder / "in" / f"{node_id}.parts").write_text(json.dumps(about))
            archive = targets[node_id].archive() if payload else b""
            message = self._plugin.message(self.folder, node_id, json.dumps(rest).encode(), archive)
            self.sent += len(message) + len(self._plugin.loader())
            self._parts.answered(node_id, about, again=False)
        return super().step(requests, targets, **more)


def sent(hosts: int) -> Result:
    """Return the bytes of an apply to so many nodes as a multiple of the bundle's, each name of a file counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        made = planned("full-mesh", hosts)
        write(folder / "bundle", made.plan, made.inventory)
        bundle = reader.read(folder / "bundle")
        own = sum(f.stat().st_size for f in (folder / "bundle" / "nodes").rglob("*") if f.is_file())
        with ClusterState(folder / "state", "lab") as state:
            transport = Counted(folder)
            engine = Engine("lab", bundle.digest, targets(bundle), transport, state, silent, Options(soak_s=0))
            outcome = apply(engine, lambda _: True)
    if outcome.outcome != "confirmed":
        raise RuntimeError(str(outcome.problems[:3]))
    each = transport.sent / hosts
    number, files = transport.requests / hosts, own / hosts / 1000
    detail = f"{each / 1000:.0f} kB a node in {number:.0f} requests, {files:.0f} kB of files"
    name = f"apply to {hosts} nodes: bytes sent, against the bundle's files of nodes"
    return Result(name=name, value=transport.sent / own, goal=BYTES_GOAL, unit="x", detail=detail)


def child(hosts: int, folder: str) -> None:
    """Apply to nodes of this machine, by Ansible; each is played behind the loader."""
    at, files = Path(folder), parts.agent_files()
    files |= {"served.py": files["main.py"], "main.py": PLAYED, "replies.py": Path(replies.__file__).read_text()}
    code = parts.packed(files)
    parts.agent_code = lambda: code  # type: ignore[assignment]
    made = planned("full-mesh", hosts)
    write(at / "bundle", made.plan, made.inventory)
    bundle = reader.read(at / "bundle")
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    nodes = [replace(target, connection=local) for target in targets(bundle)]
    with ClusterState(at / "state", "lab") as state, AnsibleTransport() as transport:
        engine = Engine("lab", bundle.digest, nodes, transport, state, silent, Options(soak_s=0, forks=hosts))
        outcome = apply(engine, lambda _: True)
    if outcome.outcome != "confirmed":
        raise RuntimeError(str(outcome.problems[:3]))


def pings(hosts: int) -> Result:
    """Return the processor time of an apply as a multiple of that of ``ansible -m ping``, all processes counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [f"n{n} ansible_connection=local ansible_python_interpreter={sys.executable}" for n in range(hosts)]
        (folder / "hosts").write_text("[all]\n" + "\n".join(lines) + "\n")
        tool = Path(sys.executable).with_name("ansible")
        ping = [str(tool), "-i", str(folder / "hosts"), "all", "-m", "ping", "-f", str(hosts)]
        code = f"from benchmarks.apply import child; child({hosts}, {name!r})"
        # the loader unpacks into /run: into one of its own
        run = f"mount -t tmpfs run /run && exec {sys.executable} -c {json.dumps(code)}"
        env = {**os.environ, "XDG_CACHE_HOME": f"{name}/cache", "ANSIBLE_LOCAL_TEMP": str(folder / "local")}
        once = min(spent(ping, env=env).cpu_s for _ in range(2))
        whole = spent(["unshare", "-m", "sh", "-c", run], env=env).cpu_s
    return Result(
        name=f"apply to {hosts} nodes by Ansible, against ansible -m ping of them",
        value=whole / once,
        goal=PINGS_GOAL,
        unit="x",
        detail=f"{whole:.1f} against {once:.1f} CPU-s",
    )


def measure() -> list[Result]:
    """Measure both; the processor time only as root, who may have a /run of its own."""
    found = [sent(1000 if os.environ.get("FULL") else MANY)]
    if os.geteuid() == 0 and shutil.which("unshare"):
        found.append(pings(FEW))
    return found
