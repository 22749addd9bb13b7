"""A home for the agent: where it remembers, when it runs in the process of a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.agent.transaction import state

TX, OLD = "tx-2", "tx-1"  # transactions of the agent


def remember_in(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the agent, which runs here as on a node, remember in ``folder`` instead of in /var/lib and /run."""
    places = {"STATE": "state.json", "OPEN": "open", "LAST": "last", "BASE": "base", "RUN": "run"}
    patch.setattr(state, "ROOT", str(folder))
    for name, place in places.items():
        patch.setattr(state, name, f"{folder}/{place}")
