"""One line of the report."""

from __future__ import annotations

import time
from collections.abc import Callable
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
