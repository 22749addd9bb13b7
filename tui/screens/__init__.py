"""Screens, one a file; what they share is in :mod:`tui.screens.base`. Each is imported when it is first shown."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from textual.binding import Binding

if TYPE_CHECKING:
    from textual.app import App

    from tui.screens.base import PlannerScreen

# mode -> (module, class)
_PLACES: dict[str, tuple[str, str]] = {
    "overview": ("tui.screens.overview", "OverviewScreen"),
    "calc": ("tui.screens.calculator", "CalculatorScreen"),
    "plan": ("tui.screens.plan", "PlanScreen"),
    "pairs": ("tui.screens.pairs", "PairsScreen"),
    "files": ("tui.screens.files", "FilesScreen"),
    "rollout": ("tui.screens.rollout", "RolloutScreen"),
    "verify": ("tui.screens.verify", "VerifyScreen"),
    "history": ("tui.screens.history", "HistoryScreen"),
    "audit": ("tui.screens.audit", "AuditScreen"),
    "trace": ("tui.screens.trace", "TraceScreen"),
}


def kind(mode: str) -> type[PlannerScreen]:
    """Return the class of a screen."""
    module, name = _PLACES[mode]
    found: type[PlannerScreen] = getattr(importlib.import_module(module), name)
    return found


def open(mode: str) -> PlannerScreen:  # noqa: A001
    """Make a screen."""
    return kind(mode)()


def kinds() -> dict[str, type[PlannerScreen]]:
    """Return all screens by mode."""
    return {mode: kind(mode) for mode in _PLACES}


def binding_ids(app: type[App[Any]]) -> set[str]:
    """Return the names of all keys, as a key map may use them."""
    owners: list[Any] = [app, *kinds().values()]
    return {b.id for owner in owners for b in Binding.make_bindings(owner.BINDINGS) if b.id}
