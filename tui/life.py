"""Start and end of the app, see :mod:`tui.start`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from textual.worker import WorkerFailed

from tui.plan_actions import PlanActions


class Life(PlanActions):
    """Starts widgets in the same order on every Python, and keeps unsaved edits when it ends unexpectedly."""

    loop: asyncio.AbstractEventLoop | None = None  # from on_load on
    error: BaseException | None = None  # what ended the app
    ended_by: int | None = None  # the signal that did
    on_end: Callable[[], None] | None = None  # told of both

    def on_load(self) -> None:
        """Let every Python start widgets in the same order; nothing is composed before this.

        From Python 3.12 on ``App.run`` gives the loop asyncio's eager task factory: a widget's task then runs inside
        the call that makes it. So a screen composes and mounts before its app has it on the stack, and whatever asks
        for the app's screen there ends the app (an Input with a value does) or gets the screen before. Without eager
        tasks they start when the loop comes to them, as on Python 3.11 and in ``App.run_test``.
        """
        self.loop = asyncio.get_running_loop()
        self.loop.set_task_factory(None)
        if self.ended_by is not None:  # a signal that was quicker
            self.exit(return_code=128 + self.ended_by)

    def failed(self, error: BaseException) -> None:
        """Keep the first error, and at once what is unsaved: what comes next may fail as well."""
        if self.error is None:
            self.error = error.error if isinstance(error, WorkerFailed) else error
        self.keep_draft()
        if self.on_end is not None:
            self.on_end()

    def end_by(self, number: int) -> None:
        """Leave because of a signal; called in its handler, between any two instructions of the main thread."""
        self.ended_by = number
        self.keep_draft()
        if self.on_end is not None:
            self.on_end()
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(partial(self.exit, return_code=128 + number))

    def _handle_exception(self, error: Exception) -> None:
        self.failed(error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Close without Textual's page of traceback: it shows local variables, so whatever secret is in them."""
        self._close_messages_no_wait()

    def panic(self, *renderables: Any) -> None:
        """Close; Textual calls this when it can't read the terminal, and for errors that know how to be shown."""
        if self.error is None:
            from tui.crash import as_error

            self.failed(as_error(renderables))
        self._return_code = 1
        self._close_messages_no_wait()
