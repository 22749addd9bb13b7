"""One line of the report."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A measured figure beside its goal; ``unit`` is empty for a ratio. Smaller is better."""

    name: str
    value: float
    goal: float
    unit: str
    detail: str

    @property
    def met(self) -> bool:
        return self.value <= self.goal

    def line(self) -> str:
        verdict = "ok  " if self.met else "MISS"
        return (
            f"{verdict} {self.name:<56} {self.value:>8.3f}{self.unit:<2} goal {self.goal:g}{self.unit}  ({self.detail})"
        )


def cpu(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call in this process."""
    start = time.process_time()
    call()
    return time.process_time() - start


@dataclass(frozen=True, slots=True)
class Took:
    """What a process and those that it has waited for took: CPU seconds of all, the peak memory of the process."""

    cpu_s: float
    peak_mib: float


def spent(argv: Sequence[str], codes: Collection[int] = (0,), **options: object) -> Took:
    """Run a command and return what it took. Raises RuntimeError when it ends with another code than ``codes``."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options) as process:  # type: ignore[call-overload]
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in codes:
        raise RuntimeError(f"{argv}: exit {process.returncode}: {said[-500:]!r}")
    return Took(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
