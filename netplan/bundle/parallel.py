"""Maps a function over independent items on every processor, in the order of the items.

Used where one processor would be busy for long: the files of a cluster with hundreds of hosts.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Made = TypeVar("Made")

MANY = 150  # items; for fewer, starting processes costs more time than it saves
CHUNK = 4  # items that one process takes at once, at least
CHUNKS = 200  # and how many times it takes some, at most
_begun: list[Any] = []  # in a worker: what to call, and what every call is given


def each(make: Callable[[Shared, Item], Made], shared: Shared, items: Sequence[Item]) -> Iterator[Made]:
    """Generate ``make(shared, item)`` for every item. All of them must be picklable, and ``make`` a module's function.

    An exception of ``make`` ends it. If the caller stops early, items that have not started are skipped.
    """
    processors = len(os.sched_getaffinity(0))
    if len(items) < MANY or processors < 2:
        for item in items:
            yield make(shared, item)
        return
    # A copy of this process has everything at once; but a copy of one with threads, which the planner has, may hold a
    # lock for ever.
    context = get_context("fork" if threading.active_count() == 1 else "spawn")
    pool = ProcessPoolExecutor(processors, context, _begin, (make, shared))
    try:
        yield from pool.map(_make, items, chunksize=max(CHUNK, len(items) // CHUNKS))
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(make: Callable[..., Any], shared: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us, and ends us too
    _begun[:] = [make, shared]


def _make(item: Any) -> Any:
    make, shared = _begun
    return make(shared, item)
