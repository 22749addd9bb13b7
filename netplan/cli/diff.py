"""``ipsecplan diff``: what differs between two bundles, and what that does to traffic."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from netplan import bundle as bundles
from netplan.bundle import Bundle
from netplan.cli.lint import JSON
from netplan.cli.output import as_json, emit, emit_json
from netplan.ipsec.impact import Change, Side, changes
from netplan.ipsec.reader import read
from netplan.ipsec.swanctl import meaning
from netplan.problems import ExitCode, printable

CONF = "etc/swanctl/conf.d/ipsecplan.conf"
GUARD = "etc/ipsecplan/guard-drop.nft"
FOLDER = click.Path(path_type=Path)


@click.command(
    "diff",
    epilog="\b\nExamples:\n  ipsecplan diff bundle-of-today bundle\n  ipsecplan diff --json old new",
)
@click.argument("old", type=FOLDER)
@click.argument("new", type=FOLDER)
@JSON
def command(old: Path, new: Path, json_: bool) -> None:
    """Compare the bundles OLD (applied) and NEW: every changed pair with what it does to traffic.

    Two labels each: what a bare `swanctl --load-all` of the new file on that node alone would do, and what
    `ipsecplan apply` does. Exit 0: nothing differs; 4: something does.
    """
    with as_json(json_):
        found = compare(bundles.read(old), bundles.read(new))
    code = ExitCode.DIFFERENCE if found else ExitCode.OK
    if json_:
        emit_json({"changes": [change.as_json() for change in found]}, exit_code=code)
    else:
        for line in lines(found):
            emit(line)
    raise click.exceptions.Exit(int(code))


def compare(old: Bundle, new: Bundle) -> list[Change]:
    """Return every change between two bundles, by node name."""
    names = {**{i: n["name"] for i, n in old.nodes.items()}, **{i: n["name"] for i, n in new.nodes.items()}}
    found: list[Change] = []
    for node in sorted(names, key=lambda i: names[i]):
        found += changes(_side(old, node), _side(new, node))
    return found


def _side(bundle: Bundle, node: str) -> Side | None:
    if node not in bundle.nodes:
        return None
    folder = bundle.directory / "nodes" / node
    # the reader wants the section that the rollout adds; its start_action is the same on both sides
    connections = meaning(read((folder / CONF).read_text() + "\nipsecplan-start {\n}\n"))
    partial = "@protected" in (folder / GUARD).read_text()
    return Side(connections=connections, facts=bundle.node(node), partial=partial)


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
