"""``python -m tests.tui.planted PLACE ui ...``: the command line with a fault planted in the planner, or with none.

The inventory isn't read, so that no case waits for Ansible.
"""

from __future__ import annotations

import fcntl
import os
import sys
import termios
import time
from typing import TYPE_CHECKING

from netplan.cli.main import main

if TYPE_CHECKING:
    from tui.app import Planner


class PlantedError(Exception):
    """The fault."""


def fault(*_: object, **__: object) -> None:
    """Raise it, from a frame with a secret in a local variable."""
    secret = "0sV2hhdCBhIHNlY3JldA=="
    del secret
    password = "hunter2"
    raise PlantedError(f"planted, with {len(password)} letters")


def hang(planner: Planner) -> None:
    """Begin work that never ends, then fail."""
    planner.run_worker(lambda: time.sleep(600), thread=True)
    planner.set_timer(0.2, fault)


def plant(place: str) -> None:
    """Put the fault in its place."""
    if place == "import":
        sys.modules["tui.app"] = None  # type: ignore[assignment]
        return
    from textual.drivers.linux_driver import LinuxDriver

    from tui import start
    from tui.app import Planner
    from tui.plan.session import Desk
    from tui.screens.calculator import CalculatorScreen
    from tui.screens.overview import OverviewScreen

    if place == "worker":
        Desk.read_inventory = fault  # type: ignore[assignment, method-assign]
    else:
        Planner.look = lambda _: None  # type: ignore[method-assign]
    if place == "init":
        Desk.recheck = fault  # type: ignore[assignment, method-assign]
    elif place == "css":
        Planner.CSS = "nonsense {"
    elif place == "compose":
        CalculatorScreen.body = fault  # type: ignore[assignment, method-assign]
    elif place == "mount":
        CalculatorScreen._complete = fault  # type: ignore[assignment, method-assign]
    elif place == "key":
        Planner.action_jump = fault  # type: ignore[method-assign, assignment]
    elif place == "later":
        Planner.action_jump = lambda self: self.call_later(fault)  # type: ignore[method-assign]
    elif place == "timer":
        Planner.action_jump = lambda self: self.set_timer(0.05, fault)  # type: ignore[method-assign, assignment, return-value]
    elif place == "input":
        LinuxDriver.process_message = fault  # type: ignore[assignment, method-assign]
    elif place == "unmount":
        OverviewScreen.on_unmount = fault  # type: ignore[attr-defined]
    elif place == "stuck":
        Planner.action_jump = lambda _: time.sleep(600)  # type: ignore[method-assign]
    elif place == "hang":
        start.GRACE_S = 1
        Planner.action_jump = hang  # type: ignore[method-assign, assignment]
    elif place not in ("nothing", "worker"):
        raise ValueError(place)


if __name__ == "__main__":
    if os.getsid(0) == os.getpid():
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # the terminal of its session, so that closing it hangs up
    plant(sys.argv[1])
    code = main(sys.argv[2:])
    sys.exit(code)
