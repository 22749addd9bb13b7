"""``ipsecplan plan``: every number of a plan, with the ledger of the one that limits the cluster."""

from __future__ import annotations

from pathlib import Path

import click

from netplan import pipeline
from netplan.cli.options import JSON, PLAN
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.cli.table import table_lines
from netplan.explain.text import ledger_table
from netplan.inputs.inventory import Inventory
from netplan.plan.classes import PairClass
from netplan.plan.notes import consequences
from netplan.plan.types import Plan
from netplan.problems import counted, printable

MAX_PAIRS_SHOWN = 24
CLASSES = ("class", ">pairs", ">link", ">NAT-T", ">inner", ">outer", "ESP proposals")


@click.command(
    "plan",
    epilog="\b\nExamples:\n  ipsecplan plan plan.yaml\n  ipsecplan plan --json plan.yaml",
)
@PLAN
@JSON
def command(plan: Path, json_: bool) -> None:
    """Compute every number of PLAN (default: plan.yaml) and show why."""
    with as_json(json_):
        made = pipeline.make(plan)
        if json_:
            emit_json(made.plan.as_json(), made.warnings)
            return
        report(made.warnings)
        for line in [*describe(made.plan), *management_addresses(made.inventory)]:
            emit(line)


def management_addresses(inventory: Inventory) -> list[str]:
    """Return what is said where the only address that an inventory has of a host is the one that Ansible uses."""
    names = [host.name for host in inventory.hosts if "underlay_address" not in host.variables]
    if not names:
        return []
    whose = printable(", ".join(names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
    return ["", f"- taken from ansible_host, for lack of underlay_address: the underlay address of {whose}"]


def describe(plan: Plan) -> list[str]:
    """Return the plan as people read it in a terminal."""
    limiting = plan.limiting
    worst = limiting.worst
    overlay = plan.file.overlay
    pairs = sum(c.pairs for c in plan.classes)
    lines = [
        f"cluster {plan.file.name}: {counted(len(plan.nodes), 'node')}, {counted(pairs, 'pair')}, "
        f"{_network(plan)}{overlay.type}{f' port {overlay.udp_port}' if overlay.udp_port else ''} "
        f"over {plan.file.underlay.family}",
        "",
        f"pod MTU {plan.pod_mtu}   set by class {limiting.name}: link {limiting.link_mtu} "
        f"({limiting.limited_by}), {worst.proposal.text}",
        f"packet  {worst.stack.text}",
        "",
        *ledger_table(worst.solution),
        "",
        *table_lines(CLASSES, (_class(plan, c) for c in plan.classes)),
    ]
    for fabric in plan.additional:
        lines += ["", f"network {fabric.name} ({fabric.family}): {counted(len(fabric.nodes), 'node')}"]
        lines += table_lines(
            ("class", ">pairs", ">link", ">NAT-T", ">packet", "ESP proposals"),
            (
                (c.name, c.pairs, c.link_mtu, _nat_t(c), fabric.host_packet_limit(c), _proposals(c))
                for c in fabric.classes
            ),
        )
    lines += ["", *(f"- {sentence}" for sentence in consequences(plan))]
    rows: list[tuple[object, ...]] = []
    for n in plan.nodes[:MAX_PAIRS_SHOWN]:
        rows.append((n.name, n.id, n.address, n.link_mtu, n.pod_cidr))
        rows += [("", at.network, at.address, at.link_mtu, "") for at in n.network_addresses]
    lines += ["", *table_lines(("node", "id", "underlay address", ">link", "pods"), rows)]
    if len(plan.nodes) > MAX_PAIRS_SHOWN:
        lines.append(f"... and {len(plan.nodes) - MAX_PAIRS_SHOWN} more (--json has all)")
    return lines


def _network(plan: Plan) -> str:
    """Return whose overlay it is; nothing for our own."""
    return f"{plan.file.cni.plugin}'s " if plan.file.overlay_facts is not None else ""


def _class(plan: Plan, c: PairClass) -> tuple[object, ...]:
    mark = "  <- sets the pod MTU" if c is plan.limiting and len(plan.classes) > 1 else ""
    return c.name, c.pairs, c.link_mtu, _nat_t(c), c.inner_mtu, plan.outer_packet(c), _proposals(c) + mark


def _nat_t(c: PairClass) -> str:
    return "yes" if c.nat_t else "no"


def _proposals(c: PairClass) -> str:
    return ",".join(s.proposal.text for s in c.sized)
