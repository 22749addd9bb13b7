"""``ipsecplan top``: pairs by what they send each other, from counters that exist."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from netplan.agent.protocol.reply import Counters
from netplan.cli.options import BUNDLE, INVENTORY, JSON, STATE_DIR, Finite
from netplan.cli.output import as_json, emit, emit_json, note, report
from netplan.cli.session import opened
from netplan.cli.table import table_lines
from netplan.problems import ExitCode, Problem, ProblemError, counted, printable
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Options
from netplan.rollout.verbs import measure
from netplan.verify.traffic import ORDERS, Flow, NodeTraffic, Traffic, traffic

PAIRS = ("FROM", "TO", ">BIT/S", ">PACKETS/S", ">LOST", ">BYTES", ">PACKETS", "SAS", "SUITE", ">PATH MTU")
NODES = ("NODE", ">XFRM ERRORS", ">DROPS", ">FRAGMENTS", ">REASSEMBLED", ">TOO LARGE", ">CLEAR", "ROSE")
ROWS = 40  # flows that are shown without --rows
UNITS = ("", "k", "M", "G", "T")


@click.command(
    "top",
    epilog="\b\nExamples:\n  ipsecplan top bundle\n  ipsecplan top bundle --interval 30 --order lost\n"
    "  ipsecplan top bundle --once --json",
)
@BUNDLE
@INVENTORY
@STATE_DIR
@click.option(
    "--interval",
    "interval_s",
    type=Finite(1, 86400),
    default=5,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option("--once", is_flag=True, help="Two looks, one table, and end.")
@click.option("--count", type=click.IntRange(1, 1_000_000), help="End after this many tables.")
@click.option(
    "--order",
    type=click.Choice(list(ORDERS)),
    default="rate",
    show_default=True,
    help="What the first row has most of.",
)
@click.option("--rows", type=click.IntRange(1, 100_000), default=ROWS, show_default=True, help="Most pairs to show.")
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    state_dir: str | None,
    interval_s: float,
    once: bool,
    count: int | None,
    order: str,
    rows: int,
    json_: bool,
) -> None:
    """Show what the nodes of BUNDLE send each other through IPsec: throughput and packets of each direction, and of
    each node what was dropped, fragmented or too large. Ctrl-C ends it.

    From counters of the SAs, the devices and the kernel; no packet is captured, and nothing is changed. Bytes are inner
    bytes, from 0 at each rekey. LOST: at least so many packets since then never arrived. The kernel's counters of drops
    and fragments are of a node, not of a pair. With --json: one object a line for each table.
    """
    tables, code = 1 if once else count or 0, ExitCode.OK
    with (
        as_json(json_),
        contextlib.suppress(KeyboardInterrupt),
        opened(bundle, inventory, state_dir, Options(), quiet=True, reading=True) as engine,
    ):
        for done, (seen, problems) in enumerate(_tables(engine, interval_s, order, json_=json_), 1):
            code = ExitCode.UNREACHABLE if seen.silent else ExitCode.OK
            _show(seen, problems, rows=rows, json_=json_, single=tables == 1)
            if done == tables:
                break
    if code:
        raise click.exceptions.Exit(int(code))


def _tables(engine: Engine, interval_s: float, order: str, *, json_: bool) -> Iterator[tuple[Traffic, list[Problem]]]:
    """Generate what went on between every two looks, and what went wrong at the later one, until somebody stops it.

    Raises ProblemError where no node answers at first, and KeyboardInterrupt when it is stopped.
    """
    nodes = {i: target.node for i, target in engine.targets.items()}
    before: dict[str, Counters] | None = None
    while True:
        begun = time.monotonic()
        problems = measure.count(engine)
        if engine.cancelled.is_set():
            raise KeyboardInterrupt
        found = dict(engine.run.results.counters)
        if before is not None:
            yield traffic(nodes, before, found, order=order), problems
        elif not found:
            raise ProblemError(problems, ExitCode.UNREACHABLE)
        elif not json_:
            note(f"first look at {len(found)} of {counted(len(nodes), 'node')}; the next in {interval_s:g} s")
        before = found
        if engine.cancelled.wait(max(0.0, interval_s - (time.monotonic() - begun))):
            raise KeyboardInterrupt


def _show(seen: Traffic, problems: list[Problem], *, rows: int, json_: bool, single: bool) -> None:
    if json_:
        document = as_data(seen)
        if single:
            emit_json(document, problems, ExitCode.UNREACHABLE if seen.silent else ExitCode.OK)
        else:
            emit(json.dumps(document))
        return
    if sys.stdout.isatty() and not single:
        emit("\x1b[H\x1b[2J", end="")
    for line in lines(seen, rows):
        emit(line)
    report(problems)


def as_data(seen: Traffic) -> dict[str, Any]:
    """Return one table as data."""
    return {
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "pairs": [flow.as_json() for flow in seen.flows],
        "nodes": [node.as_json() for node in seen.nodes],
        "silent": list(seen.silent),
    }


def lines(seen: Traffic, rows: int = ROWS) -> Iterator[str]:
    """Generate one table: the pairs, then the nodes, then who did not answer."""
    yield from table_lines(PAIRS, map(cells, seen.flows[:rows]))
    if len(seen.flows) > rows:
        yield f"... {len(seen.flows) - rows} more (--rows)"
    yield ""
    yield from table_lines(NODES, map(node_cells, seen.nodes))
    yield from (printable(f"{name}: no answer") for name in seen.silent)


def cells(flow: Flow) -> tuple[str, ...]:
    """Return a flow as the cells of its row."""
    return (
        flow.source,
        flow.destination + (f" ({flow.network})" if flow.network else ""),
        "-" if flow.bytes_s is None else short(flow.bytes_s * 8),
        "-" if flow.packets_s is None else short(flow.packets_s),
        "-" if flow.lost is None else str(flow.lost),
        str(flow.bytes),
        str(flow.packets),
        f"{flow.installed}/{flow.wanted}",
        ", ".join(flow.suites) or "none",
        "-" if flow.path_mtu is None else str(flow.path_mtu),
    )


def node_cells(node: NodeTraffic) -> tuple[str, ...]:
    """Return a node as the cells of its row."""
    rose = ", ".join(f"{key} +{number}" for key, number in node.rose.items())
    counts = (node.xfrm_errors, node.drops, node.fragments, node.reassembled, node.refused, node.clear)
    return (node.name, *map(str, counts), rose or "-")


def short(number: float) -> str:
    """Return a number with at most four digits and a decimal prefix: 1234567 is 1.23M."""
    at = 0
    while abs(number) >= 999.5 and at < len(UNITS) - 1:
        number, at = number / 1000, at + 1
    return f"{number:.3g}{UNITS[at]}"
