"""Questions that a rollout asks before it changes nodes and before it keeps a change."""

from __future__ import annotations

import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import click

from netplan.bundle import reader
from netplan.cli.output import note
from netplan.inputs.path_kinds import newer_plan
from netplan.problems import Location, Problem, counted, printable
from netplan.rollout.outcome import Outcome


def asking(yes: bool, question: Callable[[Outcome], str]) -> Callable[[Outcome], bool]:
    """Return the function that asks before the first change; only the word ``yes`` agrees. ``yes``: don't ask."""

    def agree(outcome: Outcome) -> bool:
        if yes:
            if outcome.held:
                note(stays(outcome.held))
            return True
        note(question(outcome))
        try:
            return input("Type 'yes' to go on: ").strip() == "yes"
        except (EOFError, KeyboardInterrupt):
            return False

    return agree


def asking_to_keep(detach: bool, cancelled: threading.Event) -> Callable[[Outcome, int], bool | None]:
    """Return the function that asks whether to keep a try: None at once when detached; no answer and Ctrl-C mean no."""

    def keep(outcome: Outcome, seconds: int) -> bool | None:
        if detach:
            return None
        for line in outcome.verdict.lines() if outcome.verdict else ():
            note(line)
        end = time.monotonic() + seconds - outcome.keep_margin_s
        while not cancelled.is_set():
            left = int(end - time.monotonic())
            if left < 0:
                return False
            click.echo(f"\rType 'yes' to keep it, 'no' to roll back [{left} s] ", err=True, nl=False)
            if select.select([sys.stdin], [], [], 0.5)[0]:
                answer = sys.stdin.readline()
                if answer.strip() in ("yes", "no") or not answer:
                    return answer.strip() == "yes"
        return False

    return keep


def to_change(outcome: Outcome) -> str:
    """Return the question before the first change: what it is, then how many nodes it is about."""
    what = "".join(line + "\n" for line in (outcome.change.lines() if outcome.change else ()))
    size = f"{stays(outcome.held)}; " if outcome.held else ""
    return what + (
        f"{outcome.changes} of {counted(len(outcome.nodes), 'node')} to change; {size}"
        "each rolls back by itself unless this is confirmed."
    )


def stays(held: tuple[int, int, str]) -> str:
    """Return in words at which MTU all nodes stay, and because of which device."""
    return f"all nodes stay at {held[0]} bytes instead of {held[1]}, because of {held[2]}"


def older_than_plan(bundle: Path) -> list[Problem]:
    """Return a warning where the plan beside a bundle was changed after it was rendered."""
    plan = newer_plan(bundle)
    if plan is None:
        return []
    hint = f"`ipsecplan render {plan} --to {bundle}` makes it anew; what is applied is what was rendered"
    said = f"the bundle is older than {plan}, which was changed after it was rendered"
    return [
        Problem("IPP505", printable(said), location=Location(str(bundle)), hint=printable(hint), severity="warning")
    ]


def need_yes(yes: bool, bundle: Path) -> None:
    """Raise UsageError where no terminal can answer the question; problems of the bundle are raised first."""
    if not yes and not sys.stdin.isatty():
        reader.read(bundle)
        raise click.UsageError("this changes nodes: give --yes where there is no terminal to ask on")
