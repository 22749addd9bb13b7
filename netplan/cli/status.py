"""``ipsecplan status``: what every node has, and how that differs from the bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netplan.cli.lint import JSON
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.progress import BUNDLE, INVENTORY, STATE_DIR, leave, opened
from netplan.problems import printable
from netplan.rollout.engine import Options

SHOWN = 6


@click.command("status", epilog="\b\nExamples:\n  ipsecplan status bundle\n  ipsecplan status --json bundle")
@BUNDLE
@INVENTORY
@STATE_DIR
@JSON
def command(bundle: Path, inventory: Path | None, state_dir: str | None, json_: bool) -> None:
    """Show the state of every node of BUNDLE: live MTUs, SAs, traps, guard, and every difference from the bundle."""
    with as_json(json_), opened(bundle, inventory, state_dir, Options(), quiet=True) as engine:
        names = {target.id: target.name for target in engine.targets.values()}
        order = list(names)
        outcome = engine.status()
    nodes = {names[i]: outcome.nodes[i] for i in order if i in outcome.nodes}
    if json_:
        emit_json({"to_change": outcome.changes, "nodes": nodes}, outcome.problems, outcome.exit_code)
        leave(outcome.exit_code)
        return
    for name, node in nodes.items():
        for line in lines(name, node):
            emit(printable(line))
    report(outcome.problems)
    if nodes and not outcome.problems:
        emit(f"{outcome.changes} to change")
    leave(outcome.exit_code)


def lines(name: str, node: dict[str, Any]) -> list[str]:
    """Return the state of one node as lines for people."""
    state, mtu = node["state"], node["mtu"]
    last = state.get("last", {})
    said = str(state["state"])
    if state["state"] == "open":
        progress = node["transaction"]
        word = "proven, " if progress["proven"] else "prepared, " if progress["prepared"] else ""
        left = "" if progress["left_s"] is None else f", takes it back in {max(0, round(progress['left_s']))} s"
        said = f"UNCONFIRMED {state['tx']} ({word}{len(progress['steps'])} steps done{left})"
    elif last.get("result") == "reverted":
        said += f" (reverted by {last['by']} at {last['at']})"
    elif last.get("by") == "witness":
        said += f" (by its witness at {last['at']})"
    devices = ", ".join(f"{device} {size or 'missing'}" for device, size in mtu["devices"].items())
    pods = sorted({pod["mtu"] for pod in mtu["pods"]})
    out = [
        f"{name}: {said}",
        f"  MTU    {devices}, bridge {mtu['bridge'] or 'missing'}, {len(mtu['pods'])} pods {' '.join(map(str, pods))}",
        f"  IPsec  {node['ike_sas']} IKE_SAs, {node['states']} kernel states, {node['policies']} policies, "
        f"{node['traps']} traps, {node['connections']} connections",
        f"  guard  {node['guard']['mode']}"
        + "".join(f", {counter} {count}" for counter, count in node["guard"]["clear"].items()),
    ]
    if node["lease"]["left_s"]:
        out.append(f"  lease  {node['lease']['who']}, {node['lease']['left_s']} s yet")
    if node["timers"]:
        out.append(f"  timer  {', '.join(node['timers'])}")
    differs = node["differs"][:1] if state["state"] == "none" else node["differs"]
    out += [f"  differs: {text}" for text in differs[:SHOWN]]
    if len(differs) > SHOWN:
        out.append(f"  differs: {len(differs) - SHOWN} more")
    return out
