"""How much a test draws, floods or repeats: in one place, by what is being run.

`make check` and `make test` take a part that finds what a change breaks; `make drills` takes all of it, and so does any
run with IPSECPLAN_DRILLS=1 in its environment.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

DRILLS = bool(os.environ.get("IPSECPLAN_DRILLS"))


def size(part: int, whole: int) -> int:
    """Return ``whole`` in drills, ``part`` elsewhere."""
    return whole if DRILLS else part


def some(rows: Sequence[T], one_in: int, first: int = 0) -> Sequence[T]:
    """Return all rows in drills, elsewhere one in so many from ``first`` on: several callers share them."""
    return rows if DRILLS else rows[first % one_in :: one_in]
