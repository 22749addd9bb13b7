"""The agent's memory, which holds the keys that a request may have."""

from __future__ import annotations

import contextlib
import resource

PR_SET_DUMPABLE = 4  # prctl(2)


def hide() -> None:
    """Let no core of this process be written, not even to a handler: RLIMIT_CORE does not stop those (core(5)).

    Where it can't be done, nothing happens: a Python without ctypes is no reason to stop.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
