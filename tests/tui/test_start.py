"""The planner as its users start it: the loop that ``App.run`` makes, the command in a terminal, on every Python."""

from __future__ import annotations

import asyncio

import pytest

from tui.command import SCREENS
from tui.screens import kinds
from tui.screens.base import PlannerScreen


def run(app, look) -> int | None:
    """Run an app as the command does, without a terminal; ``look`` is called when everything is drawn."""

    async def pilot(at):
        await at.pause()
        await at.app.workers.wait_for_complete()
        await at.pause()
        await look(at)
        app.exit(0)

    app.run(headless=True, size=(80, 24), auto_pilot=pilot)
    assert app.error is None
    return app.return_code


@pytest.mark.parametrize("plan", ["plan.yaml", None])
@pytest.mark.parametrize("mode", SCREENS)
def test_every_screen_is_the_first_one(mode, plan, make):
    seen = []

    async def look(pilot):
        seen.append((type(pilot.app.screen), pilot.app.screen.as_text()))

    assert run(make(plan, mode=mode), look) == 0
    [(kind, text)] = seen
    assert kind is kinds()[mode]
    assert "$ ipsecplan" in text


def test_screens_are_composed_in_the_same_order_on_every_python(make, monkeypatch):
    """No task runs inside the call that makes it, and a screen that composes is on the app's stack already."""
    compose, seen = PlannerScreen.compose, []

    def composed(screen):
        stacks = screen.app._screen_stacks.values()
        seen.append((asyncio.get_running_loop().get_task_factory(), any(screen in stack for stack in stacks)))
        return compose(screen)

    monkeypatch.setattr(PlannerScreen, "compose", composed)

    async def look(pilot):
        for mode in SCREENS:
            pilot.app.action_go(mode)
            await pilot.pause()

    assert run(make(None, mode="pairs"), look) == 0
    assert seen == [(None, True)] * len(SCREENS)
