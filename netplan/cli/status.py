"""``ipsecplan status``: show the state of every node, and how it differs from the bundle."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import click

from netplan.agent.protocol.reply import CloseUp, Status
from netplan.bundle import reader
from netplan.cli.options import BUNDLE, FORKS, INVENTORY, JSON, STATE_DIR, Finite
from netplan.cli.outcome import leave
from netplan.cli.output import as_json, emit, emit_json, emit_json_of_many, note, report
from netplan.cli.session import opened
from netplan.cli.watch import watch
from netplan.problems import ExitCode, Problem, counted, errors, printable
from netplan.rollout.nodes import replaced
from netplan.rollout.outcome import Options, Outcome
from netplan.rollout.record.at_work import Holder
from netplan.rollout.verbs import measure
from netplan.verify.drift import problems

# what journalctl puts before a line: date, time, host and unit; the host is known, the unit is always the same
_ORIGIN = re.compile(r"^\d{4}-(\d\d-\d\d)T(\d\d:\d\d:\d\d)\S* \S+ [\w.-]+\[\d+\]: ")
MOST_OF_A_NODE = 50  # differences of one node that are told one by one


@click.command(
    "status",
    epilog="\b\nExamples:\n  ipsecplan status bundle\n  ipsecplan status --json bundle\n"
    "  ipsecplan status --pair n1 n4 bundle\n  ipsecplan status --watch --interval 30 bundle",
)
@BUNDLE
@INVENTORY
@STATE_DIR
@click.option("--pair", nargs=2, metavar="HOST HOST", help="Ask these two alone: SAs, counters, route, charon's words.")
@click.option("--watch", "watching", is_flag=True, help="Repeat, and print what changed; Ctrl-C ends it.")
@click.option(
    "--interval",
    "interval_s",
    type=Finite(1, 86400),
    default=10,
    show_default=True,
    help="Seconds between two queries.",
)
@click.option("--count", type=click.IntRange(1, 1_000_000), help="End --watch after this many queries.")
@FORKS
@JSON
def command(
    bundle: Path,
    inventory: Path | None,
    state_dir: str | None,
    pair: tuple[str, str] | None,
    watching: bool,
    interval_s: float,
    count: int | None,
    forks: int | None,
    json_: bool,
) -> None:
    """Show the state of every node of BUNDLE: live MTUs, SAs, traps, guard, and every difference from the bundle.

    Exit 4 when a node differs from what is confirmed on it. Takes no lock: during an apply it shows who is running it.
    """
    if pair:
        if watching:
            raise click.UsageError("--watch and --pair can't be combined")
        with as_json(json_):
            leave(_near(bundle, inventory, state_dir, forks, pair, json_=json_))
        return
    if watching:
        if json_:
            raise click.UsageError("--watch and --json can't be combined")
        names = [str(node["name"]) for node in reader.read(bundle).nodes.values()]
        leave(
            watch(lambda: _watched(bundle, inventory, state_dir, forks), names, interval_s=interval_s, count=count or 0)
        )
        return
    seen = _Seen(json_)
    with as_json(json_):
        nodes, outcome, other = _look(bundle, inventory, state_dir, forks, seen.node, seen.at_work)
    code = outcome.exit_code or (ExitCode.DIFFERENCE if errors(seen.drift) else ExitCode.OK)
    if json_:
        result = {"to_change": outcome.changes, "nodes": None, "at_work": other.as_json() if other else None}
        emit_json_of_many(result, "nodes", seen.texts(nodes), [*outcome.problems, *seen.drift], ExitCode(code))
        leave(code)
        return
    report([*outcome.problems, *seen.drift])
    if nodes and not outcome.problems:
        emit(f"{outcome.changes} to change")
    leave(code)


class _Seen:
    """What is told of every node the moment it answers: shown at once, or kept as packed JSON until all are there."""

    def __init__(self, json_: bool) -> None:
        self._json = json_
        self._packed: dict[str, bytes] = {}
        self.drift: list[Problem] = []

    def at_work(self, other: Holder | None) -> None:
        """Tell who is at work."""
        if other and not self._json:
            note(f"at work: {other.words()}" + ("; it waits for confirmation" if other.waits else ""))

    def node(self, name: str, node: Status) -> None:
        """Take the state of a node."""
        found = problems(name, node)
        self.drift += found[:MOST_OF_A_NODE]
        if len(found) > MOST_OF_A_NODE:
            said = f"{name}: and {counted(len(found) - MOST_OF_A_NODE, 'more difference')}"
            self.drift.append(
                replace(found[-1], message=said, severity=(errors(found) or found)[0].severity, hint=None)
            )
        if self._json:
            self._packed[name] = zlib.compress(json.dumps(node, indent=2).encode())
        else:
            for line in lines(name, node):
                emit(line)

    def texts(self, names: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield the names of nodes with their state as JSON."""
        return ((name, zlib.decompress(self._packed[name]).decode()) for name in names)


def _look(
    bundle: Path,
    inventory: Path | None,
    state_dir: str | None,
    forks: int | None = None,
    told: Callable[[str, Status], None] | None = None,
    first: Callable[[Holder | None], object] = lambda _: None,
) -> tuple[dict[str, Status], Outcome, Holder | None]:
    """Look at every node once; return name -> state in the bundle's order, how it went, and who is at work.

    ``first`` is called with the last of these before the nodes are asked; ``told``: see netplan.rollout.verbs.measure.
    """
    with opened(bundle, inventory, state_dir, Options(forks=forks), quiet=True, reading=True) as engine:
        names = {target.id: target.name for target in engine.targets.values()}
        other = engine.state.at_work()
        first(other)
        outcome = measure.status(engine, told=told)
        new = replaced.check(engine.targets, outcome.nodes, ())
    if new:
        outcome.problems += new
        outcome.exit_code = outcome.exit_code or ExitCode.DIFFERENCE
    if engine.cancelled.is_set():
        raise KeyboardInterrupt
    return {name: outcome.nodes[i] for i, name in names.items() if i in outcome.nodes}, outcome, other


def _near(
    bundle: Path,
    inventory: Path | None,
    state_dir: str | None,
    forks: int | None,
    pair: tuple[str, str],
    *,
    json_: bool,
) -> ExitCode:
    """Show one pair from near; returns the exit code."""
    with opened(bundle, inventory, state_dir, Options(forks=forks), quiet=True, reading=True) as engine:
        outcome = measure.close_up(engine, *pair)
        names = {target.id: target.name for target in engine.targets.values()}
    found = {names[i]: node.get("close", []) for i, node in outcome.nodes.items() if i in names}
    if json_:
        emit_json({"pair": list(pair), "ends": found}, outcome.problems, outcome.exit_code)
        return outcome.exit_code
    for name, rows in found.items():
        for row in rows:
            for line in close_lines(name, row):
                emit(printable(line))
    report(outcome.problems)
    return outcome.exit_code


def close_lines(name: str, row: CloseUp) -> list[str]:
    """Return one end of a pair as lines for people; ``name`` is the node that says it."""
    network = f" on {row['network']}" if row["network"] else ""
    since = f" for {row['established_s']} s, rekeyed in {row['rekey_s']} s" if row["established_s"] else ""
    out = [f"{name}{network}: IKE_SA {row['ike']}{since}"]
    for child in row["children"]:
        out += [
            f"  {child['name']} {child['state']} {child['transform']} {child['mode']}{' in UDP' * child['encap']}",
            f"    in {counted(child['packets_in'], 'packet')} {child['bytes_in']} bytes, "
            f"out {counted(child['packets_out'], 'packet')} {child['bytes_out']} bytes",
            f"    installed {child['installed_s']} s ago, rekeyed in {child['rekey_s']} s",
        ]
    if not row["children"]:
        out.append("  no CHILD_SA")
    errors = " ".join(f"{key} {count}" for key, count in row["xfrm_errors"].items())
    out += [f"  XFRM errors: {errors or 'none'}", f"  route: {row['route'] or 'none'}"]
    words = [_ORIGIN.sub(r"\1 \2 ", line) for line in row["words"]]
    return [*out, *(f"  charon: {line}" for line in words or ["no word about this pair"])]


def _watched(
    bundle: Path, inventory: Path | None, state_dir: str | None, forks: int | None
) -> tuple[dict[str, Status], list[str], ExitCode]:
    nodes, outcome, _ = _look(bundle, inventory, state_dir, forks)
    drift = [problem for name, node in nodes.items() for problem in problems(name, node)]
    code = outcome.exit_code or (ExitCode.DIFFERENCE if errors(drift) else ExitCode.OK)
    return nodes, [p.message for p in outcome.problems], ExitCode(code)


def lines(name: str, node: Status) -> list[str]:
    """Return the state of one node as lines for people."""
    state, mtu = node["state"], node["mtu"]
    last = state["last"]
    said: str = state["state"]
    if state["state"] == "open":
        progress = node["transaction"]
        word = "verified, " if progress["proven"] else "prepared, " if progress["prepared"] else ""
        left = "" if progress["left_s"] is None else f", rolls back in {max(0, round(progress['left_s']))} s"
        if progress.get("rolling_back"):
            left = f", being rolled back, again in {max(0, round(progress['left_s'] or 0))} s"
        said = f"UNCONFIRMED {state['tx']} ({word}{counted(len(progress['steps']), 'step')} done{left})"
    elif last.get("result") == "reverted":
        said += f" (rolled back by {last.get('by')} at {last.get('at')})"
    elif last.get("by") == "witness":
        said += f" (by its witness at {last.get('at')})"
    devices = ", ".join(f"{device} {size or 'missing'}" for device, size in mtu["devices"].items())
    pods = sorted({pod["mtu"] for pod in mtu["pods"]})
    out = [
        f"{name}: {said}",
        f"  MTU    {devices}, bridge {mtu['bridge'] or 'missing'}, {counted(len(mtu['pods']), 'pod')} "
        f"{' '.join(map(str, pods))}",
        f"  IPsec  {counted(node['ike_sas'], 'IKE_SA')}, {counted(node['states'], 'kernel state')}, "
        f"{counted(node['policies'], 'policy', 'policies')}, "
        f"{counted(node['traps'], 'trap')}, {counted(node['connections'], 'connection')}",
        f"  guard  {node['guard']['mode']}"
        + "".join(f", {counter} {count}" for counter, count in node["guard"]["clear"].items())
        + (
            f", {node['floor']} block policies"
            if node["interfaces"] is None
            else f", {counted(node['interfaces'], 'peer')} behind XFRM interfaces"
        ),
    ]
    if node["lease"]["left_s"]:
        out.append(f"  lease  {node['lease']['who']}, {node['lease']['left_s']} s left")
    if node["certificates"]:
        ages = [
            f"{name} {a['used_percent']}% used, {counted(round(a['days_left']), 'day')} left"
            for name, a in node["certificates"].items()
        ]
        out.append(f"  certs  {', '.join(ages)}")
    if node["timers"]:
        out.append(f"  timer  {', '.join(node['timers'])}")
    if state["state"] == "none" and node["differs"]:
        out.append(f"  differs: {node['differs'][0]}")
    return out
