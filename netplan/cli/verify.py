"""``ipsecplan verify``: measure what the plan promises between every two nodes."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from netplan.cli.options import BUNDLE, EXCLUDE, FORKS, HTML, INVENTORY, JSON, STATE_DIR
from netplan.cli.outcome import leave
from netplan.cli.output import as_json, emit, emit_json, note, report
from netplan.cli.session import opened
from netplan.cli.steps import write_page
from netplan.problems import ExitCode, counted
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.verbs.measure import measure
from netplan.verify.junit import junit
from netplan.verify.page import page


@click.command(
    "verify",
    epilog="\b\nExamples:\n  ipsecplan verify bundle\n  ipsecplan verify --junit verify.xml bundle\n"
    "  ipsecplan verify --from-our-side bundle",
)
@BUNDLE
@INVENTORY
@STATE_DIR
@EXCLUDE
@click.option(
    "--from-our-side",
    is_flag=True,
    help="Only pairs with unmanaged peers, which can't be asked: what our nodes send them, and the answers to it.",
)
@click.option("--junit", "report_file", type=click.Path(path_type=Path), help="Write the verdict as JUnit XML.")
@HTML
@FORKS
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    state_dir: str | None,
    exclude: str,
    from_our_side: bool,
    report_file: Path | None,
    page_file: Path | None,
    forks: int | None,
    json_: bool,
) -> None:
    """Measure every pair of BUNDLE's nodes in both directions; exit 5 when something is not as planned.

    From a pod made by the real CNI plugins: a DF packet of the planned size arrives, one byte more is refused; a
    capture on the underlay NIC sees ESP of the planned size and no plaintext, and does see one planted on purpose;
    meanwhile a flow goes on and no XFRM error counter rises.

    A node that the last apply left out is not measured: exit 5, unless --exclude names it. Waits for a running apply or
    verify, with a message. Changes nothing.
    """
    begin, at = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with (
        as_json(json_),
        opened(
            bundle,
            inventory,
            state_dir,
            Options(exclude=exclude, from_our_side=from_our_side, forks=forks),
            quiet=True,
            reading=True,
        ) as engine,
    ):
        outcome = measure(engine, "verify", note)
    seconds = time.monotonic() - begin
    if page_file:
        with as_json(json_):
            text = page(
                outcome.verdict,
                cluster=engine.cluster,
                digest=engine.digest,
                at=at,
                seconds=seconds,
                problems=outcome.problems,
                left_out=outcome.left_out,
            )
            write_page(page_file, text)
    if report_file:
        text = junit(
            outcome.verdict,
            cluster=engine.cluster,
            at=at,
            seconds=seconds,
            problems=outcome.problems,
            left_out=outcome.left_out,
        )
        with as_json(json_):
            write_page(report_file, text)
    if json_:
        verdict = outcome.verdict.as_json() if outcome.verdict else None
        document = {**verdict, "ok": outcome.exit_code == 0, "left_out": outcome.left_out} if verdict else None
        emit_json(document, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    for line in measured(outcome):
        emit(line)
    report(outcome.problems)
    for line in words(outcome, from_our_side=from_our_side):
        emit(line)
    leave(outcome.exit_code)


def measured(outcome: Outcome) -> list[str]:
    """Return what was measured as lines: the proof, and what is not in it."""
    return [
        *(outcome.verdict.lines() if outcome.verdict else ()),
        *(f"{name} left out: {' '.join(left) or 'no pair'} not measured" for name, left in outcome.left_out.items()),
    ]


def words(outcome: Outcome, *, from_our_side: bool = False) -> list[str]:
    """Return what a verification that passed comes to, as lines."""
    if outcome.verdict is None or outcome.exit_code != ExitCode.OK:
        return []
    pings, nodes = outcome.verdict.tally.pings, len(outcome.verdict.nodes)
    out = [
        f"flows: {counted(pings, 'ping')}, none interrupted; XFRM error counters flat on {counted(nodes, 'node')}",
        f"verified: {counted(outcome.verdict.directions, 'direction')} measured",
    ]
    if from_our_side:
        far = sorted({pair.destination for pair in outcome.verdict.pairs})
        out.append(f"from our side alone: what {', '.join(far)} would begin by itself was not measured")
    return out
