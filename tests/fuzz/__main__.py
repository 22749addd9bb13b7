"""Fuzz the readers: ``python -m tests.fuzz --minutes 10``; ``--reader NAME`` for some of them.

Prints a table, then every fault with the smallest input that was found for it; the exit code is 1 if there is one. The
same ``--seed`` gives the same inputs. ``--keep FOLDER`` writes these inputs, for the corpus.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.harness import Reader, Tally, bounded_memory, corpus, smaller
from tests.fuzz.mutate import picked
from tests.fuzz.readers import READERS
from tests.properties.plan_strategies import Random

TURN = 200  # inputs of one reader before the next has its turn


def run(readers: Sequence[Reader], seconds: float, seed: int, most: int = 10**12) -> dict[str, Tally]:
    """Give damaged seeds to the readers, in turns, for so many seconds or inputs each; the corpus comes first."""
    tallies = {reader.name: Tally() for reader in readers}
    seeds = {reader.name: [*corpus(reader), *reader.seeds()] for reader in readers}
    with tempfile.TemporaryDirectory() as folder, bounded_memory():
        for reader in readers:
            for data in seeds[reader.name]:
                tallies[reader.name].add(reader, data, Path(folder))
        end, turn = time.monotonic() + seconds, 0
        share = seconds / max(1, len(readers))
        while time.monotonic() < end and any(t.inputs < most for t in tallies.values()):
            for number, reader in enumerate(readers):
                tally = tallies[reader.name]
                draw = Random(hash((seed, number, turn)))
                begun = time.monotonic()
                for _ in range(TURN):
                    if time.monotonic() > min(end, begun + max(1.0, share / 4)) or tally.inputs >= most:
                        break
                    tally.add(reader, picked(draw, seeds[reader.name]), Path(folder))
            turn += 1
        for reader in readers:
            for fault in tallies[reader.name].faults.values():
                fault.data = smaller(reader, fault, Path(folder))
    return tallies


def table(tallies: dict[str, Tally]) -> list[str]:
    """Return the table: a line for each reader."""
    lines = [
        f"{'reader':<16}{'inputs':>10}{'understood':>12}{'refused':>10}{'faults':>8}{'ms each':>9}{'slowest s':>11}"
    ]
    for name, t in tallies.items():
        each = 1000 * t.seconds / max(1, t.inputs)
        counts = f"{t.inputs:>10}{t.understood:>12}{t.refused:>10}{len(t.faults):>8}"
        lines.append(f"{name:<16}{counts}{each:>9.2f}{t.slowest_s:>11.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    total = sum(t.inputs for t in tallies.values())
    return [*lines, f"{total} inputs, {sum(len(t.faults) for t in tallies.values())} faults, peak memory {peak} MB"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, default=10**12, help="most inputs for each reader")
    parser.add_argument("--reader", action="append", choices=sorted(r.name for r in READERS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the inputs that found a fault")
    wanted = parser.parse_args(argv)
    readers = [r for r in READERS if not wanted.reader or r.name in wanted.reader]
    tallies = run(readers, wanted.minutes * 60, wanted.seed, wanted.inputs)
    print("\n".join(table(tallies)))
    for name, tally in tallies.items():
        for fault in tally.faults.values():
            shown = ascii(fault.data[:160]) + (f"... ({len(fault.data)} bytes)" if len(fault.data) > 160 else "")
            print(f"{name}: {fault.count} x {fault.place}\n  {shown}")
            if wanted.keep:
                (wanted.keep / name).mkdir(parents=True, exist_ok=True)
                (wanted.keep / name / hashlib.sha256(fault.data).hexdigest()[:8]).write_bytes(fault.data)
    return 1 if any(t.faults for t in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
