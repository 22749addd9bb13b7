"""What the rollout verbs share: options, opening a bundle with its nodes, progress per node, the question."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from netplan import bundle as bundle_module
from netplan.cli.output import emit, emit_json, note, report
from netplan.problems import ExitCode, printable
from netplan.rollout.engine import Engine, Options, Outcome
from netplan.rollout.events import (
    AwaitingConfirm,
    Event,
    NodeResult,
    Paced,
    PhaseFinished,
    PhaseStarted,
    Reverting,
    RunStarted,
    silent,
)
from netplan.rollout.journal import ClusterState, state_root
from netplan.rollout.pace import LEAST_TIMER_S, LONGEST_TIMER_S, USUAL_TIMER_S
from netplan.rollout.phases import TITLES
from netplan.rollout.runner import AnsibleTransport
from netplan.rollout.targets import read_inventory, targets

BUNDLE = click.argument("bundle", type=click.Path(path_type=Path), default="bundle")
INVENTORY = click.option(
    "--inventory", type=click.Path(path_type=Path), help="Inventory to use instead of the recorded one."
)
STATE_DIR = click.option(
    "--state-dir", envvar="IPSECPLAN_STATE", help="State directory (journal, CA). [env: IPSECPLAN_STATE]"
)
YES = click.option("--yes", is_flag=True, help="Do not ask.")


def _seconds(context: click.Context, option: click.Parameter, value: str) -> int | None:
    """Return the seconds of a dead-man timer, None for ``auto``."""
    del context, option
    if value == "auto":
        return None
    if value.isascii() and value.isdigit() and LEAST_TIMER_S <= int(value) <= LONGEST_TIMER_S:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither auto nor {LEAST_TIMER_S} to {LONGEST_TIMER_S} (seconds)")


TIMER = click.option(
    "--timer", callback=_seconds, default="auto", show_default=True, metavar="auto|SECONDS",
    help=f"Seconds ({LEAST_TIMER_S} to {LONGEST_TIMER_S}) a node waits for each step before it takes everything back "
    f"by itself. auto: {USUAL_TIMER_S}, or more where round trips are slow. Too few for what is measured is refused.",
)  # fmt: skip
SOAK = click.option(
    "--soak", type=click.FloatRange(0, 86400), default=5, show_default=True,
    help="Seconds without a clear packet before clear packets are dropped.",
)  # fmt: skip
KEEP_FOR = click.option(
    "--keep-for", type=click.IntRange(30, 86400), default=600, show_default=True,
    help="Seconds after the proof in which a yes must come; then every node takes it back by itself.",
)  # fmt: skip
STEAL = click.option(
    "--steal", is_flag=True, help="Take over nodes that a control process on another machine still holds."
)
DETACH = click.option(
    "--detach", is_flag=True, help="Ask nobody: end after the proof, and leave the yes to `ipsecplan confirm`."
)
BATCH = click.option(
    "--batch", type=click.IntRange(1), help="Most nodes whose pairs switch in one wave (default: 2, 4, 8, ...)."
)
LIMIT = click.option("--limit", metavar="PATTERN", help="Only these nodes: names or groups, *, commas.")
EXCLUDE = click.option(
    "--exclude", metavar="PATTERN", default="", help="Not these nodes; their pairs stay as they are."
)
DEFER_AWAY = click.option(
    "--defer-away", is_flag=True, help="Do without nodes that can't be reached; their pairs stay as they are."
)


class Lines:
    """Progress as plain lines on stderr: one a node and phase."""

    def __init__(self) -> None:
        self._width = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._width = max(len(name) for name in event.nodes.values())
            if event.verb in ("apply", "try", "confirm", "resume", "revert"):
                note(f"{event.verb} {event.transaction}: cluster {event.cluster}, {len(event.nodes)} nodes")
        elif isinstance(event, Paced):
            note(
                f"a round trip takes up to {event.trip_s:g} s, a look at a node {event.work_s:g} s more: nodes revert "
                f"by themselves {event.timer_s} s after the last step was sent"
            )
        elif isinstance(event, NodeResult):
            self.result(event)
        elif isinstance(event, AwaitingConfirm):
            note(f"proven. Kept until {event.until[11:19]} UTC; then every node takes it back by itself")
        elif isinstance(event, Reverting):
            note(f"taking it back on every node: {event.reason}")

    def result(self, event: NodeResult) -> None:
        """Print one result."""
        if event.phase == "status":
            return
        word = "ok" if event.ok else "FAILED"
        note(f"  {event.phase:<11} {event.node:<{self._width}}  {word:<6} {event.seconds:5.1f} s  {event.detail}")
        for problem in event.problems:
            if problem.severity == "warning":
                note(f"    warning {problem.code}: {problem.message}")


class Live(Lines):
    """The same lines, with the phase at work and the nodes still out at the bottom of the terminal."""

    def __init__(self) -> None:
        super().__init__()
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("")
        self._out: dict[str, set[str]] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, PhaseStarted):
            self._out[event.phase] = set(event.nodes)
            self._status.start()
        elif isinstance(event, NodeResult):
            self._out.get(event.phase, set()).discard(event.node)
        elif isinstance(event, PhaseFinished):
            self._out.pop(event.phase, None)
            if not self._out:
                self._status.stop()
        super().__call__(event)
        waiting = next(((phase, nodes) for phase, nodes in self._out.items() if nodes), None)
        if waiting:
            phase, nodes = waiting
            shown = " ".join(sorted(nodes)[:8]) + (f" and {len(nodes) - 8} more" if len(nodes) > 8 else "")
            self._status.update(f"{phase}: {TITLES.get(phase, '')}  [waiting for {shown}]".replace("[", "\\["))


@contextlib.contextmanager
def opened(
    bundle: Path, inventory: Path | None, state_dir: str | None, options: Options, *, quiet: bool, reading: bool = False
) -> Iterator[Engine]:
    """Verify the bundle, join it with its nodes, take the cluster's lock and yield the engine.

    Who is only ``reading`` takes no lock, waits for nobody and needs no state directory.
    """
    read = bundle_module.read(bundle)
    chosen = targets(read, read_inventory(read, inventory))
    observer: Any = silent if quiet else (Live() if sys.stderr.isatty() else Lines())
    cancelled = threading.Event()
    context = click.get_current_context(silent=True)
    verb = str(context.info_name) if context else ""
    with (
        ClusterState(state_root(state_dir), read.cluster, verb, reading=reading) as state,
        AnsibleTransport() as transport,
        _interrupts(cancelled, quiet=quiet),
    ):

        def told(event: Event) -> None:
            state.note(event)
            observer(event)

        yield Engine(
            read.cluster, read.digest, chosen, transport, state, observer if reading else told, options, cancelled
        )


@contextlib.contextmanager
def _interrupts(cancelled: threading.Event, *, quiet: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop at the next phase boundary, where everything is taken back in order."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        if not cancelled.is_set() and not quiet:
            # past Python's buffer, which may be in the middle of a line of its own and takes no second writer
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), b"stopping after this phase, then taking it back\n")
        cancelled.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def ended(outcome: Outcome, *, json_: bool) -> None:
    """Print how a run ended that applied or confirmed something, and leave with its exit code."""
    verdict = outcome.verdict
    if json_:
        document = {
            "outcome": outcome.outcome, "transaction": outcome.transaction, "to_change": outcome.changes,
            "awaiting_until": outcome.until or None, "verdict": verdict.as_json() if verdict else None,
            "left_out": outcome.left_out, "timer_s": outcome.timer_s,
            "to_raise": outcome.to_raise, "raised": outcome.raised,
        }  # fmt: skip
        emit_json(document, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    for pair in verdict.pairs if verdict else ():
        emit(pair.line())
    report(outcome.problems)
    nodes = len(outcome.nodes)
    if outcome.outcome == "reverted" and verdict and not verdict.ok:
        emit("verify failed, so it was taken back")
    before = f"{outcome.until[11:19]} UTC"
    emit(
        {
            "unchanged": f"0 to change: all {nodes} nodes have this release, confirmed and live",
            "declined": "nothing was changed",
            "confirmed": f"confirmed on {nodes} nodes: encrypted, measured, timers disarmed",
            "awaiting": f"proven on {nodes} nodes; confirm with `ipsecplan confirm` before {before}, "
            "else every node takes it back",
            "reverted": "every node is back in its old state (MTUs stay low; `ipsecplan revert` raises them)",
            "incomplete": "NOT every node was taken back",
            "failed": "nothing was changed",
        }[outcome.outcome]
    )
    if outcome.outcome in ("unchanged", "confirmed", "awaiting"):
        _left(outcome)
    if outcome.exit_code == ExitCode.REVERT_INCOMPLETE:
        emit("see `ipsecplan status`; a node that is cut off reverts by its own timer")
    leave(outcome.exit_code)


def _left(outcome: Outcome) -> None:
    """Print what this bundle has still to do."""
    for name, pairs in outcome.left_out.items():
        emit(
            printable(
                f"{name} deferred: {' '.join(pairs) or 'no pair'} as before; `ipsecplan apply` again completes it"
            )
        )
    if outcome.raised:
        emit(f"raised: {outcome.raised[0]} -> {outcome.raised[1]}, receivers first, measured")
    if outcome.to_raise:
        size, planned = outcome.to_raise
        emit(f"to raise: {size} -> {planned}, when you want it: `ipsecplan apply --raise`; a raise is never automatic")


def need_yes(yes: bool, bundle: Path) -> None:
    """Refuse to hang where nobody can answer; what is wrong with the bundle is said first."""
    if not yes and not sys.stdin.isatty():
        bundle_module.read(bundle)
        raise click.UsageError("this changes nodes: give --yes where there is no terminal to ask on")


def leave(code: ExitCode) -> None:
    """End the verb with an exit code."""
    if code != ExitCode.OK:
        raise click.exceptions.Exit(int(code))
