"""The planner: first frame against an empty app, a key in a plan of 1,000 nodes, a flood of 50,000 events."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.result import Result

FIRST_FRAME = """
import sys, time
begin = time.process_time()
{load}
class Timed({base}):
    def _display(self, screen, renderable):
        super()._display(screen, renderable)
        if renderable is not None and self.is_running and {drawn}:
            sys.stderr.write(str(time.process_time() - begin))
            sys.stderr.flush()
            import os
            os._exit(0)
Timed().run(headless=True, size=(120, 40))
"""
EMPTY = {"load": "from textual.app import App", "base": "App", "drawn": "screen.size.width"}
# the planner's first frame is one that has the answer in it
PLANNER = {
    "load": "from tui.app import Planner",
    "base": "Planner",
    "drawn": "any(w.region.height and w.solution for w in screen.query('ByteRuler'))",
}
NODES, EVENTS = 1000, 50_000


def measure() -> list[Result]:
    """Measure all three."""
    return [*first_frame(), *key_press(), *flood()]


def first_frame(runs: int = 5) -> list[Result]:
    """CPU from the first import to the first frame, both sides in one run, alternating."""
    times: dict[str, list[float]] = {"empty": [], "planner": []}
    for _ in range(runs):
        for name, fill in (("empty", EMPTY), ("planner", PLANNER)):
            done = subprocess.run(
                [sys.executable, "-c", FIRST_FRAME.format(**fill)], capture_output=True, text=True, check=True
            )
            times[name].append(float(done.stderr.split("\n")[-1]))
    ratio = min(times["planner"]) / min(times["empty"])
    detail = f"{min(times['planner']) * 1000:.0f} ms against {min(times['empty']) * 1000:.0f} ms of CPU"
    return [Result(name="planner: first frame, times an empty app", value=ratio, goal=1.5, unit="x", detail=detail)]


def key_press() -> list[Result]:
    """CPU of the recomputation after one key in a plan of 1,000 nodes: median and slowest of what people turn."""
    from netplan.inputs.inventory import Host, Inventory
    from tui.plan.session import Desk

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_text(
            "name: big\ninventory: inv.yml\nunderlay: {mtu: 1500, paths: [{between: [za, zb], mtu: 1400}]}\n"
        )
        hosts = tuple(
            Host(
                f"h{i:04}",
                {"underlay_address": f"10.{i // 250}.{i % 250}.1", "pod_cidr": f"172.{16 + i // 256}.{i % 256}.0/24"},
                frozenset({"all", "za" if i % 2 else "zb"}),
            )
            for i in range(NODES)
        )
        desk = Desk(path)
        assert desk.checker is not None
        desk.checker._inventories["inv.yml", "all"] = Inventory(Path("inv.yml"), "inv.yml", "all", hosts)
        desk.recheck()
        changes = [
            (("underlay", "mtu"), 1400),
            (("underlay", "mtu"), 9000),
            (("ipsec", "esp"), ["aes128-sha256-x25519"]),
            (("ipsec", "nat_traversal"), "always"),
            (("overlay", "type"), "geneve"),
            (("overlay", "vni"), 7),
        ]
        spent = []
        for at, value in changes * 5:
            begin = time.process_time()
            desk.set(at, value)
            spent.append((time.process_time() - begin) * 1000)
            assert desk.checked is not None
            assert desk.checked.plan is not None
        detail = f"slowest {max(spent):.1f} ms of {len(spent)} changes"
        return [
            Result(
                name=f"planner: a key with {NODES} nodes, median CPU",
                value=statistics.median(spent),
                goal=16,
                unit="ms",
                detail=detail,
            )
        ]


def flood() -> list[Result]:
    """The longest turn of the event loop while 50,000 events come in at once, as CPU: how long a key may wait."""
    from tui.app import Planner
    from tui.screens.rollout import RolloutScreen

    names = [f"n{i}" for i in range(100)]
    records = [
        {"event": "RunStarted", "verb": "apply", "transaction": "tx-1", "cluster": "c", "nodes": {n: n for n in names}}
    ]
    records += [
        {"event": "NodeResult", "phase": "arm", "node": names[i % 100], "ok": True, "detail": "x", "seconds": 0.1}
        for i in range(EVENTS)
    ]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "clusters" / "c" / "journal"
        place.mkdir(parents=True)

        async def run() -> tuple[float, float]:
            app = Planner(None, mode="rollout", state_dir=folder, config=Path(folder) / "none")
            async with app.run_test(size=(120, 40)) as pilot:
                await pilot.pause()
                screen = app.screen
                assert isinstance(screen, RolloutScreen)
                screen.cluster = "c"
                text = "".join(json.dumps({"at": "2026-01-01T00:00:00Z", **r}) + "\n" for r in records)
                (place / "tx-1.jsonl").write_text(text)
                gaps: list[float] = []
                watch = asyncio.create_task(_watch(gaps))
                begin = time.process_time()
                while screen.state.taken < len(records):
                    await asyncio.sleep(0.01)  # the screen's own clock takes the events
                total = time.process_time() - begin
                watch.cancel()
                return max(gaps) * 1000, total

        longest, total = asyncio.run(run())
    return [
        Result(
            name=f"planner: longest turn in a flood of {EVENTS} events",
            value=longest,
            goal=200,
            unit="ms",
            detail=f"{total:.1f} s of CPU for all",
        )
    ]


async def _watch(gaps: list[float]) -> None:
    """Note the CPU that each turn of the loop takes, everything in it included."""
    while True:
        begin = time.process_time()
        await asyncio.sleep(0)
        gaps.append(time.process_time() - begin)
