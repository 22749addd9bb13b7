"""A request that a node accepts, as small as one can be."""

from __future__ import annotations

from typing import Any

WHOLE: dict[str, Any] = {
    "phases": ["release-lease"],
    "tx": "tx-1",
    "node": {},
    "release": "0" * 64,
    "files": [],
    "timer": 60,
    "rearm": False,
    "time": 1.0,
    "patience": 1.0,
    "soak": 1.0,
    "kind": "apply",
    "lease": {"owner": "0" * 16, "who": "me@here", "epoch": 1, "seconds": 60, "steal": False},
}
