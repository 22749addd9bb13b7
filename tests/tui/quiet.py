"""An event loop that tells when it is idle; Textual's pilot waits by that, and not by processor time.

Textual's pilot takes an app for settled when its process has used less than 1 ms of processor time within 20 ms; it
waits so twice after each key. That costs 40 ms a key where nothing happens; and on a busy machine an app that gets no
processor looks the same as one that has nothing to do. The loop itself knows: it asks its selector to sleep just then.
"""

from __future__ import annotations

import asyncio
import selectors
import time

import textual._wait

SOON_S = 1 / 50  # a timer that is due within this belongs to what goes on: Textual repaints sixty times a second
_by_processor_time = textual._wait.wait_for_idle


class Selector(selectors.DefaultSelector):
    """A selector that wakes who waits for an idle loop."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for files; but where nothing is ready and no timer due soon, tell those who wait for that."""
        if not self.waiting or (timeout is not None and timeout <= SOON_S):
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            for future in self.waiting:
                if not future.done():
                    future.set_result(None)
            self.waiting.clear()
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop that one can wait for until it is idle."""

    def __init__(self) -> None:
        self.selector = Selector()
        super().__init__(self.selector)


async def wait_for_idle(min_sleep: float = SOON_S, max_sleep: float = 1) -> None:
    """Take the place of ``textual._wait.wait_for_idle``, with its arguments: seconds at least and at most."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, Loop):
        await _by_processor_time(min_sleep, max_sleep)
        return
    began = time.monotonic()
    idle = loop.create_future()
    loop.selector.waiting.append(idle)
    await asyncio.wait([idle], timeout=max_sleep)
    left = began + min_sleep - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)
