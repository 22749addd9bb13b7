"""``ipsecplan diff``: differences between two bundles, and their effect on traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import click

from netplan.agent.protocol.reply import Status
from netplan.bundle import reader
from netplan.bundle.compare import FileChange, file_changes, file_lines
from netplan.bundle.connections import conf_of
from netplan.bundle.connections import connections as connections_in
from netplan.bundle.diff_page import diff_page
from netplan.bundle.reader import Bundle
from netplan.cli.options import HTML, INVENTORY, JSON, STATE_DIR
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.session import opened
from netplan.cli.steps import write_page
from netplan.inputs.path_kinds import kind
from netplan.ipsec.impact import Change, Side, changes
from netplan.problems import ExitCode, Location, Problem, ProblemError, counted, errors, fail, printable, quoted
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.measure import status
from netplan.verify.drift import live_side, problems

GUARD = "etc/ipsecplan/guard-drop.nft"
FOLDER = click.Path(path_type=Path)


@click.command(
    "diff",
    epilog="\b\nExamples:\n  ipsecplan diff bundle-of-today bundle\n  ipsecplan diff --json old new\n"
    "  ipsecplan diff --live bundle",
)
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER, required=False)
@click.option("--live", is_flag=True, help="Compare what the nodes have now with the only BUNDLE given.")
@HTML
@INVENTORY
@STATE_DIR
@JSON
def command(
    old: Path,
    new: Path | None,
    live: bool,
    page_file: Path | None,
    inventory: Path | None,
    state_dir: str | None,
    json_: bool,
) -> None:
    """Compare the bundles OLD (applied) and NEW: every changed pair with what it does to traffic, then every file.

    Two labels each: what a bare `swanctl --load-all` of the new file on that node alone would do, and what
    `ipsecplan apply` does. With --live, OLD is what the nodes have now, and the only bundle is NEW; then every other
    difference from it follows too. Exit 0: no file and nothing else differs; 4: something does.
    """
    if live == (new is not None):
        none = "" if kind(old) == "bundle" else f"; {quoted(old)} is none"
        raise click.UsageError(f"give two bundles, or one with --live{none}")
    if live and page_file:
        raise click.UsageError("--html compares two bundles")
    drift: list[Problem] = []
    files: list[FileChange] = []
    names: dict[str, str] = {}
    with as_json(json_):
        if new is not None:
            before, after = reader.read(old), reader.read(new)  # checked: a file that was edited is no "no difference"
            found, files = compare(before, after), list(file_changes(before.entries, after.entries))
            names = names_of(before, after)
            if page_file:
                write_page(page_file, diff_page(before, after, files, names, lines(found)))
        else:
            found, drift = against_nodes(old, inventory, state_dir)
    code = ExitCode.DIFFERENCE if found or files or errors(drift) else ExitCode.OK
    if json_:
        document = {"changes": [change.as_json() for change in found], "files": [file.as_json() for file in files]}
        emit_json(document, drift, exit_code=code)
    else:
        for line in lines(found):
            emit(line)
        if files:
            emit(f"\n{counted(len(files), 'file')} {'differs' if len(files) == 1 else 'differ'}:")
        for line in file_lines(files, names):
            emit(printable(line))
        report(drift)
    raise click.exceptions.Exit(int(code))


def against_nodes(bundle: Path, inventory: Path | None, state_dir: str | None) -> tuple[list[Change], list[Problem]]:
    """Return what applying ``bundle`` would change for traffic, and every difference of the nodes from it."""
    read_bundle = reader.read(bundle)
    with opened(bundle, inventory, state_dir, Options(), quiet=True, reading=True) as engine:
        outcome = status(engine, texts=True)
    if outcome.problems:
        raise ProblemError(outcome.problems, outcome.exit_code)
    return with_nodes(read_bundle, outcome.nodes)


def with_nodes(read_bundle: Bundle, nodes: Mapping[str, Status]) -> tuple[list[Change], list[Problem]]:
    """Return the same for nodes (id -> state with its texts) that were asked already."""
    found: list[Change] = []
    drift: list[Problem] = []
    for node_id, about in sorted(read_bundle.nodes.items(), key=lambda item: item[1]["name"]):
        state = nodes[node_id]
        drift += problems(about["name"], state)
        try:
            before = live_side(state, read_bundle.node(node_id))
            if before is not None and not all(one["children"] for one in before.connections.values()):
                raise ValueError("a connection without children")
        except (ProblemError, ValueError, RecursionError):
            text = f"{printable(about['name'])}: its swanctl.conf can't be read; apply replaces it"
            drift.append(Problem(code="IPP680", message=text))
            continue
        found += changes(before, _side(read_bundle, node_id))
    return found, drift


def compare(old: Bundle, new: Bundle) -> list[Change]:
    """Return every change between two bundles, by node name; nodes of one digest have the same files, unread."""
    names = names_of(old, new)
    found: list[Change] = []
    for node in sorted(names, key=lambda i: names[i]):
        digests = [bundle.nodes[node]["digest"] if node in bundle.nodes else None for bundle in (old, new)]
        if digests[0] == digests[1]:
            continue
        for bundle in (old, new):
            if node in bundle.nodes:
                bundle.check_node(node)
        found += changes(_side(old, node), _side(new, node))
    return found


def names_of(*bundles: Bundle) -> dict[str, str]:
    """Return node id -> name; of the last bundle that has the node."""
    return {node: about["name"] for bundle in bundles for node, about in bundle.nodes.items()}


def _side(bundle: Bundle, node: str) -> Side | None:
    if node not in bundle.nodes:
        return None
    facts = bundle.node(node)
    connections = connections_in(bundle, node)  # without start_action, which is the same on both sides
    pairs = {peer["pair"] for peer in facts["peers"]}
    if not pairs >= connections.keys() or not all(connection["children"] for connection in connections.values()):
        said = "its connections are not those of node.json"
        fail("IPP502", said, location=Location(str(bundle.directory / conf_of(bundle, node))))
    partial = b"@protected" in bundle.content(f"nodes/{node}/{GUARD}")
    return Side(connections=connections, facts=facts, partial=partial)


def lines(found: list[Change]) -> list[str]:
    """Return the changes as people read them; the same change of many peers is one line."""
    if not found:
        return ["no difference that concerns IPsec or the MTU"]
    groups: dict[tuple[str, ...], list[Change]] = {}
    for change in found:
        key = (change.what, change.before, change.after, change.reload.value, change.apply.value)
        groups.setdefault(key, []).append(change)
    out = []
    for (what, before, after, reload, apply), members in groups.items():
        pairs = [f"{printable(c.node)}{' -> ' + printable(c.peer) if c.peer else ''}" for c in members]
        shown = ", ".join(pairs[:6]) + (f" and {len(pairs) - 6} more" if len(pairs) > 6 else "")
        out += [
            f"{what}: {before} -> {after}   ({shown})",
            f"  bare reload: {reload}: {members[0].reload_why}",
            f"  apply:       {apply}: {members[0].apply_why}",
        ]
    worst = Counter(change.apply.value for change in found)
    return [*out, "", "by apply: " + ", ".join(f"{number} x {label}" for label, number in worst.most_common())]
