"""Rendering: CPU of the process and its workers, peak memory, bytes; against raw writing of the same files.

Plans are made in memory, so that reading an inventory is not in the figures. ``FULL=1`` adds 10,000 hosts.
"""

from __future__ import annotations

import json
import math
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import Result
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules_hosts import nodes
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.pipeline import Planned
from netplan.plan.build import make_plan

ZONES, HUBS = 4, 5
SHAPES: dict[str, dict[str, Any]] = {
    "full-mesh": {},
    "hub": {"topology": {"hub": "hubs"}},
    "zones": {"topology": {"zones": [f"zone{n}" for n in range(ZONES)]}},
    "trap-any": {"topology": "trap-any", "nat_traversal": "never"},
}


def planned(shape: str, hosts: int, changed: int | None = None) -> Planned:
    """Return a plan of so many hosts; of the host ``changed`` the pod subnet is another one."""
    file = PlanFile.model_validate({"name": "bench", "inventory": "inventory.yml", "ipsec": SHAPES[shape]})
    found = []
    for n in range(hosts):
        groups = {"all", f"zone{n % ZONES}", *(["hubs"] if n < HUBS else [])}
        pods = f"{11 + (n >> 16)}.{n >> 8 & 255}.{n & 255}.0/24" if n != changed else "100.64.0.0/24"
        variables: dict[str, object] = {"underlay_address": f"10.{n >> 8}.{n & 255}.1", "pod_cidr": pods}
        found.append(Host(f"h{n:05}", variables, frozenset(groups)))
    inventory = Inventory(Path("inventory.yml"), "inventory.yml", "all", tuple(found))
    loaded = LoadedPlan(file, Source("plan.yaml"), Path("plan.yaml"))
    return Planned(loaded, inventory, make_plan(file, nodes(file, inventory)), ())


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds of a process and its children, and the largest of them in MiB."""

    cpu: float
    rss: float


def _cpu() -> float:
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def _spent(call: Callable[[], object]) -> Spent:
    before = _cpu()
    call()
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return Spent(_cpu() - before, most / 1024)


def _raw(source: Path, target: Path) -> Callable[[], object]:
    """Return what writes the files of a bundle once more, each with its own bytes, that are in memory a node a time."""

    def write() -> None:
        for folder, _, names in os.walk(source):
            here = target / os.path.relpath(folder, source)
            here.mkdir()
            for name in names:
                data = held[folder, name]
                with open(here / name, "xb", buffering=0) as out:
                    out.write(data)

    held = {(f, name): (Path(f) / name).read_bytes() for f, _, names in os.walk(source) for name in names}
    return write


def child(word: str, shape: str, hosts: int, folder: str) -> dict[str, float]:
    """Do one thing in this process and say what it cost; the others of a run are in processes of their own."""
    from netplan.bundle.write import write

    at = Path(folder)
    if word == "raw":
        spent = _spent(_raw(at / "bundle", at / "raw"))
        shutil.rmtree(at / "raw")
        return {"cpu": spent.cpu, "rss": spent.rss}
    made = planned(shape, hosts, hosts // 2 if word == "one changed" else None)
    begin = time.monotonic()
    spent = _spent(lambda: write(at / "bundle", made.plan, made.inventory))
    return {"cpu": spent.cpu, "rss": spent.rss, "wall": time.monotonic() - begin}


def run(word: str, shape: str, hosts: int, folder: Path) -> dict[str, float]:
    """Run :func:`child` in a process of its own."""
    call = f"child({word!r}, {shape!r}, {hosts}, {str(folder)!r})"
    code = f"import json; from benchmarks.render import child; print(json.dumps({call}))"
    env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def size(bundle: Path) -> tuple[int, int]:
    """Return the bytes of a bundle's files: as people count them, and with what nodes share counted once."""
    every, once, seen = 0, 0, set()
    for folder, _, names in os.walk(bundle):
        for name in names:
            about = (Path(folder) / name).lstat()
            every += about.st_size
            if about.st_ino not in seen:
                seen.add(about.st_ino)
                once += about.st_size
    return every, once


def measure() -> list[Result]:
    """Measure full meshes against raw writing, the second render, and the growth of every shape."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        found += mesh(Path(folder), 200)[:2]  # the rest is about what a large cluster has
    with tempfile.TemporaryDirectory() as folder:
        found += mesh(Path(folder), 1000)
    for shape in SHAPES:
        found.append(growth(shape))
    if os.environ.get("FULL"):
        with tempfile.TemporaryDirectory() as folder:
            found += large("hub", Path(folder), 10_000)
    return found


def mesh(folder: Path, hosts: int) -> list[Result]:
    """A full mesh: first render, raw writing, second render without a change and with one."""
    first = run("render", "full-mesh", hosts, folder)
    every, once = size(folder / "bundle")
    raw = run("raw", "full-mesh", hosts, folder)
    same = run("render", "full-mesh", hosts, folder)
    one = run("one changed", "full-mesh", hosts, folder)
    pairs = hosts * (hosts - 1)
    name = f"render of {hosts:,} hosts, full-mesh"

    def result(what: str, value: float, goal: float, unit: str, detail: str) -> Result:
        return Result(name=f"{name}: {what}", value=value, goal=goal, unit=unit, detail=detail)

    return [
        result("raw writing", first["cpu"] / raw["cpu"], 3, "x", f"{first['cpu']:.2f} s against {raw['cpu']:.2f} s"),
        result("peak", first["rss"], 100, "MB", f"wall {first['wall']:.1f} s, {every / 1e6:.0f} MB of files"),
        result("bytes a pair", every / pairs, 350, "B", f"{once / pairs:.0f} where nodes share a file on disk"),
        result("again, nothing changed", same["cpu"] / first["cpu"], 0.02, "x", f"{same['cpu']:.3f} s"),
        result("again, one pod subnet", one["cpu"] / first["cpu"], 0.05, "x", f"{one['cpu']:.3f} s"),
    ]


def growth(shape: str) -> Result:
    """The exponent of CPU by pairs, over N, 2N, 4N hosts; what a node costs without any pair is in it."""
    points = []
    for hosts in (100, 200, 400):
        with tempfile.TemporaryDirectory() as folder:
            tunnels = sum(c.pairs for c in planned(shape, hosts).plan.classes if c.protected)
            points.append((tunnels, run("render", shape, hosts, Path(folder))["cpu"]))
    (first, spent), (last, more) = points[0], points[-1]
    detail = ", ".join(f"{tunnels:,} pairs {cpu:.2f} s" for tunnels, cpu in points)
    exponent = math.log(more / spent) / math.log(last / first)
    return Result(name=f"render, {shape}: exponent by pair", value=exponent, goal=1.1, unit="", detail=detail)


def large(shape: str, folder: Path, hosts: int) -> list[Result]:
    """One large cluster."""
    first = run("render", shape, hosts, folder)
    name = f"render of {hosts:,} hosts, {shape}"
    return [
        Result(name=f"{name}: CPU", value=first["cpu"], goal=60, unit="s", detail=f"wall {first['wall']:.1f} s"),
        Result(name=f"{name}: peak", value=first["rss"], goal=200, unit="MB", detail="the largest process"),
    ]
