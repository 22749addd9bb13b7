"""Open a bundle with its nodes and its state directory; handle interrupts while it is open."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from netplan.bundle import reader
from netplan.cli import defect, passwords
from netplan.cli.habits import HABITS
from netplan.cli.output import note, report
from netplan.cli.progress import Lines, Live
from netplan.cli.workers import workers
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.host_keys import unchecked
from netplan.rollout.nodes.login_passwords import login_passwords
from netplan.rollout.nodes.targets import read_inventory, targets
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import (
    Event,
    WorkerLost,
    silent,
)
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.workers import WorkersTransport


@contextlib.contextmanager
def opened(
    bundle: Path, inventory: Path | None, state_dir: str | None, options: Options, *, quiet: bool, reading: bool = False
) -> Iterator[Engine]:
    """Check the bundle, join it with its nodes, lock the cluster's state directory and yield the engine.

    With ``reading`` no lock is taken and no state directory is needed. Raises ProblemError.
    """
    read = reader.read(bundle)
    given = passwords.given()
    hosts = read_inventory(read, inventory, given.vault)
    chosen = targets(read, hosts)
    report(unchecked(chosen, hosts))
    logins = login_passwords(chosen, hosts, given)
    names = workers()
    options = replace(options, workers=len(names))
    observer: Any = silent if quiet or HABITS.quiet else (Live() if sys.stderr.isatty() else Lines())
    cancelled = threading.Event()
    context = click.get_current_context(silent=True)
    verb = str(context.info_name) if context else ""
    with (
        ClusterState(state_root(state_dir), read.cluster, verb, reading=reading) as state,
        carrier(names, logins) as transport,
        _interrupts(cancelled, quiet=quiet),
    ):

        def told(event: Event) -> None:
            state.note(event)
            observer(event)

        engine = Engine(
            read.cluster, read.digest, chosen, transport, state, observer if reading else told, options, cancelled
        )

        def lost(event: Event) -> None:
            engine.told(event)
            if observer is silent and isinstance(event, WorkerLost):
                note(event.words())

        transport.told = lost
        try:
            yield engine
        except BaseException:
            engine.abandon()
            raise
        unheard = engine.recorder.unheard
        if unheard is not None and not isinstance(unheard, OSError):
            engine.run.defects.append(unheard)
        for error in engine.run.defects:
            note(f"please send the report {defect.report(error, sys.argv[1:]) or '(none could be written)'}")


def carrier(names: Sequence[str], logins: Mapping[str, bytes]) -> AnsibleTransport | WorkersTransport:
    """Return what carries requests to nodes: this machine, or the workers of these names."""
    return WorkersTransport(names, logins) if names else AnsibleTransport(logins)


@contextlib.contextmanager
def _interrupts(cancelled: threading.Event, *, quiet: bool) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop at the next phase boundary, where everything is rolled back in order."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        if not cancelled.is_set() and not quiet:
            # past Python's buffer, which may be in the middle of a line of its own and takes no second writer
            with contextlib.suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), b"stopping after this phase, then rolling back\n")
        cancelled.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
