"""``lint`` of 10,000 hosts, against the C loader of YAML reading the same inventory; a process each."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import yaml

from benchmarks.result import Result, spent

HOSTS = 10_000
RUNS = 3
GOAL = 2.0


def measure() -> list[Result]:
    hosts = {
        f"n{i:05}": {
            "ansible_host": f"10.{i >> 8}.{i & 255}.1",
            "pod_cidr": f"100.{64 + (i >> 10)}.{(i >> 2) & 255}.{(i & 3) * 64}/26",
            "underlay_address": f"10.{i >> 8}.{i & 255}.1",
        }
        for i in range(HOSTS)
    }
    document = {"all": {"children": {"nodes": {"hosts": hosts}}}}
    texts = {".yml": yaml.dump(document, Dumper=yaml.CSafeDumper), ".json": json.dumps(document, indent=1)}
    with tempfile.TemporaryDirectory() as folder:
        return [_one(Path(folder), suffix, text) for suffix, text in texts.items()]


def _one(folder: Path, suffix: str, text: str) -> Result:
    (folder / f"hosts{suffix}").write_text(text, encoding="utf-8")
    (folder / "plan.yaml").write_text(f"name: bench\ninventory: hosts{suffix}\n", encoding="utf-8")
    load = f"import yaml; yaml.load(open('hosts{suffix}'), yaml.CSafeLoader)"
    both = [[sys.executable, "-m", "netplan", "lint"], [sys.executable, "-c", load]]
    taken = [[spent(command, cwd=folder).cpu_s for command in both] for _ in range(RUNS)]
    ours, loader = (min(column) for column in zip(*taken, strict=True))
    return Result(
        name=f"lint of {HOSTS:,} hosts ({suffix[1:]}), against CSafeLoader",
        value=ours / loader,
        goal=GOAL,
        unit="",
        detail=f"{ours:.2f} s against {loader:.2f} s CPU, the best of {RUNS} processes each",
    )
