"""The questions that a rollout asks before it changes nodes or keeps a change."""

from __future__ import annotations

import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from netplan.bundle import manifest
from netplan.cli.output import note
from netplan.rollout.outcome import Outcome


def asking(yes: bool, question: Callable[[Outcome], str]) -> Callable[[Outcome], bool]:
    """Return the function that asks: on a terminal the word ``yes`` is wanted; elsewhere --yes was checked before."""

    def agree(outcome: Outcome) -> bool:
        if yes:
            return True
        note(question(outcome))
        try:
            return input("Type 'yes' to go on: ").strip() == "yes"
        except (EOFError, KeyboardInterrupt):
            return False

    return agree


def asking_to_keep(detach: bool, cancelled: threading.Event) -> Callable[[Outcome, int], bool | None]:
    """Return the function that asks for a try's yes: None at once when detached; no, Ctrl-C and silence mean no."""

    def keep(outcome: Outcome, seconds: int) -> bool | None:
        if detach:
            return None
        for pair in outcome.verdict.pairs if outcome.verdict else ():
            note(pair.line())
        end = time.monotonic() + seconds - outcome.keep_margin_s
        while not cancelled.is_set():
            left = int(end - time.monotonic())
            if left < 0:
                return False
            click.echo(f"\rType 'yes' to keep it, 'no' to take it back [{left} s] ", err=True, nl=False)
            if select.select([sys.stdin], [], [], 0.5)[0]:
                answer = sys.stdin.readline()
                if answer.strip() in ("yes", "no") or not answer:
                    return answer.strip() == "yes"
        return False

    return keep


def to_change(outcome: Outcome) -> str:
    """Return the question before the first change."""
    return (
        f"{outcome.changes} of {len(outcome.nodes)} nodes to change; each reverts by itself unless this is confirmed."
    )


def need_yes(yes: bool, bundle: Path) -> None:
    """Refuse to hang where nobody can answer; what is wrong with the bundle is said first."""
    if not yes and not sys.stdin.isatty():
        manifest.read(bundle)
        raise click.UsageError("this changes nodes: give --yes where there is no terminal to ask on")
