"""Screens, one a file; what they share is in :mod:`tui.screens.base`."""

from __future__ import annotations

from tui.screens.base import PlannerScreen
from tui.screens.calculator import CalculatorScreen
from tui.screens.files import FilesScreen
from tui.screens.pairs import PairsScreen
from tui.screens.plan import PlanScreen
from tui.screens.rollout import RolloutScreen
from tui.screens.verify import VerifyScreen

_ALL: tuple[type[PlannerScreen], ...] = (
    CalculatorScreen,
    PlanScreen,
    PairsScreen,
    FilesScreen,
    RolloutScreen,
    VerifyScreen,
)
MODES: dict[str, type[PlannerScreen]] = {screen.MODE: screen for screen in _ALL}
