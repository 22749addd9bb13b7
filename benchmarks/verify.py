"""``verify`` of a full mesh of 1,000 nodes on the control machine: CPU a direction, memory, bytes of the verdict.

The nodes answer at once, as if all were well; what it takes to make their answers up is not counted. Beside it, in the
same run, ``json.loads`` of the same answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.law import Instant, peak_mib
from benchmarks.result import Result
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.verbs.measure import verify
from tests.support import replies

NODES = 1000
MOST_BYTES = 1_000_000  # of the verdict as JSON
MOST_MS = 0.05  # of CPU a direction
MOST_MIB = 200


class Timed(Instant):
    """Nodes that answer at once; ``loads_s``: CPU seconds that nothing but ``json.loads`` of their answers takes."""

    loads_s = 0.0

    def _text(self, request: dict[str, Any]) -> str:
        text = super()._text(request)
        begin = time.process_time()
        json.loads(text)
        self.loads_s += time.process_time() - begin
        return text


def targets(number: int) -> list[Target]:
    """Return a full mesh; nodes share what they know of a peer, so that what is measured is not this."""
    ids = [f"n-{n:012x}" for n in range(number)]
    peers = replies.node_json("", [{"id": i, "pair": f"pair-{i}", "name": i[2:]} for i in ids])["peers"]
    return [
        Target(i, i[2:], f"{n:064x}", replies.node_json(i, []) | {"peers": peers[:n] + peers[n + 1 :]}, (), {}, {})
        for n, i in enumerate(ids)
    ]


def child(number: int) -> dict[str, float]:
    """Verify here; return CPU seconds, those of json.loads alone, bytes of the verdict, directions and MiB."""
    nodes, transport = targets(number), Timed()
    least = peak_mib(reset=True)
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder, ClusterState(Path(folder), "lab") as state:
        outcome = verify(Engine("lab", "d" * 64, nodes, transport, state, silent, Options()))
    if outcome.verdict is None or outcome.problems:
        raise RuntimeError(str(outcome.problems[:3]))
    size = len(json.dumps(outcome.verdict.as_json()))
    return {
        "cpu": time.process_time() - begin - transport.made_s,
        "loads": transport.loads_s,
        "bytes": size,
        "directions": outcome.verdict.directions,
        "rss": peak_mib() - least,
    }


def run(number: int) -> dict[str, float]:
    """Run :func:`child` in a process of its own."""
    code = f"import json; from benchmarks.verify import child; print(json.dumps(child({number})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure() -> list[Result]:
    """Measure one large cluster, and a tenth of it to compare."""
    few, many = run(NODES // 10), run(NODES)
    each, before = (1000 * found["cpu"] / found["directions"] for found in (many, few))
    name = f"verify of {NODES:,} nodes, control machine"
    said = f"{many['cpu']:.1f} s for {many['directions']:,} directions; {before:.3f} ms at {NODES // 10} nodes; "
    return [
        Result(
            name=f"{name}: CPU a direction",
            value=each,
            goal=MOST_MS,
            unit="ms",
            detail=f"{said}json.loads of the answers alone {many['loads']:.1f} s",
        ),
        Result(name=f"{name}: verdict", value=many["bytes"], goal=MOST_BYTES, unit="B", detail="as JSON"),
        Result(name=f"{name}: memory", value=many["rss"], goal=MOST_MIB, unit="MiB", detail="above what it began with"),
    ]
