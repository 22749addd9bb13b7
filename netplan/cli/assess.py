"""``ipsecplan assess``: one report for auditors, against a named policy."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from netplan import pipeline
from netplan.assess.evidence import Evidence, gather
from netplan.assess.exports import junit, sarif
from netplan.assess.judge import PROOF_DAYS, assess
from netplan.assess.namespaces import read_objects
from netplan.assess.page import page
from netplan.assess.policies import POLICIES
from netplan.assess.rows import WORDS, Report, Row
from netplan.assess.since import Change, changes, check_same, newest, read_report
from netplan.assess.units import units
from netplan.bundle import reader, write
from netplan.cli.options import HTML, INVENTORY, JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json, note, report
from netplan.cli.session import opened
from netplan.cli.steps import write_page
from netplan.inputs.path_kinds import kind
from netplan.problems import ExitCode, Problem, counted, printable
from netplan.refusals import refusals
from netplan.rollout.outcome import Options
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.verbs import measure

FILE = click.Path(path_type=Path)


@click.command(
    "assess",
    epilog="\b\nExamples:\n  ipsecplan assess bundle --policy bsi\n"
    "  ipsecplan assess bundle --live --measure --html report.html\n"
    "  ipsecplan assess bundle --live --against last.json --json\n"
    "  ipsecplan assess bundle --live --keep reports --units units",
)
@click.argument("target", metavar="PLAN|BUNDLE", type=FILE, default="bundle")
@click.option("--policy", type=click.Choice(list(POLICIES)), default="plan", show_default=True, help="What is asked.")
@click.option("--live", is_flag=True, help="Ask the nodes, too: their SAs, guard, drift, charon. Changes nothing.")
@click.option("--measure", "measuring", is_flag=True, help="With --live: measure on the wire first, as `verify` does.")
@click.option("--objects", "dump", type=FILE, help="`kubectl get namespaces,networkpolicies -A -o json`, as a file.")
@click.option("--against", type=FILE, help="An earlier report (--json) to compare with.")
@click.option(
    "--proof-days",
    type=click.IntRange(1, 3660),
    default=PROOF_DAYS,
    show_default=True,
    help="From which age on a measurement proves nothing.",
)
@click.option("--keep", type=FILE, help="Keep each report in this directory, and compare with the newest one there.")
@click.option("--units", "units_to", type=FILE, help="Write a systemd timer that does all this weekly, and end.")
@click.option("--junit", "report_file", type=FILE, help="Write the report as JUnit XML.")
@click.option("--sarif", "sarif_file", type=FILE, help="Write the report as SARIF 2.1.0.")
@HTML
@INVENTORY
@STATE_DIR
@JSON
def command(
    target: Path,
    policy: str,
    live: bool,
    measuring: bool,
    dump: Path | None,
    against: Path | None,
    proof_days: int,
    keep: Path | None,
    units_to: Path | None,
    report_file: Path | None,
    sarif_file: Path | None,
    page_file: Path | None,
    inventory: Path | None,
    state_dir: str | None,
    json_: bool,
) -> int:
    """Assess a cluster: what is encrypted between whom with what, key ages, the proof on the wire, exposure, drift,
    advisories, namespaces without a policy. From the bundle and this machine's state directory, with --live also from
    the nodes.

    What could not be judged is named, and is never good. Exit 5: something is bad; 9: nothing is bad, but something
    could not be judged; 0: all was judged, and at most a doubt is left.
    """
    if measuring and not live:
        raise click.UsageError("--measure needs --live")
    if against and keep:
        raise click.UsageError("--keep compares with its newest report; give it or --against")
    if units_to and not (keep and live):
        raise click.UsageError("--units needs --live and --keep: a report that nobody keeps helps nobody")
    with as_json(json_):
        if units_to and keep:
            given = {"--policy": policy, "--measure": measuring, "--objects": dump, "--proof-days": proof_days}
            _offer(units_to, target, {**given, "--keep": keep, "--inventory": inventory}, state_dir)
            return int(ExitCode.OK)
        earlier = _earlier(against or (newest(keep) if keep else None))
        objects = read_objects(dump) if dump else None
        evidence, problems = _evidence(target, live, measuring, inventory, state_dir, objects)
        found = assess(evidence, POLICIES[policy], proof_days=proof_days)
        differ = None
        if earlier:
            check_same(earlier[1], found, earlier[0])
            differ = changes(earlier[1], found)
        text = page(found, differ, earlier[1].at if earlier else "")
        code = ExitCode.VERIFY_FAILED if found.count("bad") else ExitCode.OK
        code = code or (ExitCode.UNJUDGED if found.verdict == "unjudged" or found.count("unjudged") else ExitCode.OK)
        document = _document(found, differ)
        for path, content in (
            (page_file, text),
            (report_file, junit(found) if report_file else ""),
            (sarif_file, json.dumps(sarif(found, str(target)), indent=2) + "\n" if sarif_file else ""),
            *_kept(keep, found, document, text),
        ):
            if path:
                write_page(path, content)
        if json_:
            emit_json(document, problems, code)
        else:
            report(problems)
            _show(found, differ, earlier[1].at if earlier else "")
    return int(code)


def _evidence(
    target: Path,
    live: bool,
    measuring: bool,
    inventory: Path | None,
    state_dir: str | None,
    objects: tuple[Mapping[str, Any], ...] | None,
) -> tuple[Evidence, list[Problem]]:
    """Return everything that is judged, and what went wrong while the nodes were asked."""
    root, now = state_root(state_dir), time.time()
    if kind(target) == "plan":
        if live:
            raise click.UsageError("--live needs a bundle: nodes have what was applied, not a plan")
        with tempfile.TemporaryDirectory(prefix="ipsecplan-assess-") as folder:
            made = pipeline.make(target)
            to = Path(folder) / "bundle"
            write.write(to, made.plan, made.inventory)
            state = ClusterState(root, made.plan.file.name, reading=True).folder
            found = gather(reader.read(to), root, now, rendered=True, objects=objects, folder=state)
        return found, list(made.warnings)
    if not live:
        bundle = reader.read(target)
        state = ClusterState(root, bundle.cluster, reading=True).folder
        return gather(bundle, root, now, objects=objects, folder=state), []
    problems: list[Problem] = []
    with opened(target, inventory, state_dir, Options(), quiet=True, reading=True) as engine:
        if measuring:
            problems += measure.measure(engine, "assess", note).problems
    with opened(target, inventory, state_dir, Options(), quiet=True, reading=True) as engine:
        problems += measure.look(engine)
        status, facts = dict(engine.run.results.status), dict(engine.run.results.facts)
        silent = tuple(t.name for i, t in engine.targets.items() if i not in status)
        state = engine.state.folder
    bundle = reader.read(target)
    found = gather(bundle, root, time.time(), status=status, facts=facts, silent=silent, objects=objects, folder=state)
    # what a node lacks is in the report; here it is no error of this verb
    return found, [Problem(p.code, p.message, hint=p.hint, severity="warning") for p in problems]


def _earlier(path: Path | None) -> tuple[Path, Report] | None:
    return (path, read_report(path)) if path else None


def _document(found: Report, differ: Sequence[Change] | None) -> dict[str, object]:
    return {
        **found.model_dump(),
        "verdict": found.verdict,
        "counts": {word: found.count(word) for word in WORDS},
        "verdicts": {topic.name: topic.verdict for topic in found.topics},
        "changes": None if differ is None else [change.as_json() for change in differ],
    }


def _kept(keep: Path | None, found: Report, document: dict[str, object], text: str) -> list[tuple[Path | None, str]]:
    if keep is None:
        return []
    _make(keep)
    stem = f"assess-{found.at.replace(':', '').replace('-', '')}"
    return [(keep / f"{stem}.html", text), (keep / f"{stem}.json", json.dumps(document, indent=1) + "\n")]


def _offer(to: Path, target: Path, given: dict[str, object], state_dir: str | None) -> None:
    """Write the units of the timer. ``given``: option -> its value; None and False are left out, True has no value."""
    bundle = reader.read(target, files=False)
    own = shutil.which("ipsecplan")
    argv = [own] if own else [sys.executable, "-P", "-m", "netplan"]
    argv += ["assess", str(target.absolute()), "--live", "--state-dir", str(state_root(state_dir).absolute())]
    for option, value in given.items():
        if value is not None and value is not False:
            said = [] if value is True else [str(value.absolute() if isinstance(value, Path) else value)]
            argv += [option, *said]
    made = units(argv, cluster=bundle.cluster)
    _make(to)
    for name, text in made.items():
        write_page(to / name, text)
    timer = next(name for name in made if name.endswith(".timer"))
    emit(f"{', '.join(str(to / name) for name in made)}: written")
    emit(f"copy them to /etc/systemd/system, then: systemctl daemon-reload; systemctl enable --now {timer}")


def _make(folder: Path) -> None:
    with refusals(folder, "written"):
        folder.mkdir(parents=True, exist_ok=True)


def _show(found: Report, differ: Sequence[Change] | None, against: str) -> None:
    emit(f"{found.cluster} against {found.policy.title} ({printable(found.policy.source)}), {found.at}")
    for topic in found.topics:
        emit(f"\n{topic.title}: {WORDS[topic.verdict]}")
        for row in topic.rows:
            for line in _lines(row):
                emit(printable(line))
    if differ is not None:
        emit(f"\nSince {against}: {'nothing is other than it was' if not differ else counted(len(differ), 'change')}")
        for change in differ:
            emit(printable(f"  {change.word}: {change.check}, {change.subject or 'the cluster'}: {change.said}"))
    emit("\n" + ", ".join(f"{found.count(word)} {said}" for word, said in WORDS.items()))


def _lines(row: Row) -> list[str]:
    head = f"  {WORDS[row.verdict]}{f' {row.code}' if row.code else ''}  "
    about = f"{row.about}: " if row.about else ""
    asked = "; ".join(part for part in (row.rule, row.seen) if part)
    lines = [f"{head}{about}{row.said}" + (f"  [{asked}]" if asked else "")]
    return [*lines, *([f"    change: {row.change}"] if row.change else [])]
