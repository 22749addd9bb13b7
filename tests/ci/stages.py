"""The stages of `make test`, one after the other, each against its share of the time that a change may wait for.

``python -m tests.ci.stages --began SECONDS`` runs ``make STAGE`` for each stage but the set-up, which is what happened
since ``began`` (seconds since 1970). The first stage that fails ends the run; the table of what was done comes at the
end either way. A stage above its share is a warning, not a failure: the shares are those of a quiet machine with two
processors on which roots and images are cached, and a busy one takes longer.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SETUP = "setup"
# seconds; the order is that of the run. Whoever makes a stage longer takes it from another.
SHARES = {
    SETUP: 60,
    "check": 160,
    "pythons": 150,
    "slow": 220,
    "kernel": 130,
    "lab": 780,
}
LIMIT = 25 * 60  # seconds for all of them


@dataclass(frozen=True, slots=True)
class Took:
    """One stage: seconds on the clock, seconds of processor time of what it started, and whether it passed."""

    name: str
    seconds: float
    processor: float
    ok: bool = True


def minutes(seconds: float) -> str:
    """Return seconds as minutes and seconds: 75 is "1:15"."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02}"


def table(done: Sequence[Took]) -> list[str]:
    """Return the lines of the table: each stage that ran, and their sum."""
    lines = [f"{'stage':<9}{'time':>8}{'share':>8}{'processors':>12}"]
    for took in done:
        end = "" if took.ok else "  FAILED"
        share = minutes(SHARES[took.name])
        lines.append(f"{took.name:<9}{minutes(took.seconds):>8}{share:>8}{minutes(took.processor):>12}{end}")
    seconds, processor = sum(t.seconds for t in done), sum(t.processor for t in done)
    missing = [name for name in SHARES if name not in {took.name for took in done}]
    end = f"  not run: {', '.join(missing)}" if missing else ""
    return [*lines, f"{'all':<9}{minutes(seconds):>8}{minutes(LIMIT):>8}{minutes(processor):>12}{end}"]


def warnings(done: Sequence[Took], load: float, processors: int) -> list[str]:
    """Return a line for each stage above its share, with what speaks for a busy machine instead of a slow change."""
    over = [took for took in done if took.seconds > SHARES[took.name]]
    lines = [
        f"warning: {took.name} took {minutes(took.seconds)}, its share is {minutes(SHARES[took.name])}" for took in over
    ]
    if sum(took.seconds for took in done) > LIMIT:
        lines.append(f"warning: all of it took more than {minutes(LIMIT)}")
    if lines and load > processors * 1.5:
        lines.append(f"(the load is {load:.1f} on {processors} processors: something else may be running here)")
    return lines


def run(stages: Sequence[str], start: Callable[[str], int], done: list[Took]) -> bool:
    """Run the stages with ``start``, which returns an exit code; stop at the first that fails and return False."""
    for name in stages:
        print(f"\n== {name} (share {minutes(SHARES[name])})", flush=True)
        began, used, ok = time.monotonic(), _processor(), False
        try:
            ok = start(name) == 0
        finally:  # Ctrl-C too
            done.append(Took(name, time.monotonic() - began, _processor() - used, ok))
        if not ok:
            return False
    return True


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _make(name: str) -> int:
    return subprocess.run(["make", "--no-print-directory", name], check=False, cwd=ROOT).returncode


def main(argv: Sequence[str] | None = None, start: Callable[[str], int] = _make) -> int:
    """Run `make test` behind its set-up; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.ci.stages")
    parser.add_argument("--began", type=float, default=time.time(), help="when the set-up began, seconds since 1970")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help="some of the stages only")
    wanted = parser.parse_args(argv)
    unknown = sorted(set(wanted.stages) - (SHARES.keys() - {SETUP}))
    if unknown:
        parser.error(f"no stage {', '.join(unknown)}; there are {', '.join(name for name in SHARES if name != SETUP)}")
    done = [Took(SETUP, max(time.time() - wanted.began, 0.0), 0.0)]
    try:
        ok = run(wanted.stages or [name for name in SHARES if name != SETUP], start, done)
    except KeyboardInterrupt:
        ok = False
    print("", *table(done), *warnings(done, os.getloadavg()[1], os.cpu_count() or 1), sep="\n", flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
