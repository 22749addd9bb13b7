"""``ipsecplan exporter``: what the nodes of one or several clusters have, for Prometheus to scrape."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import click

from netplan.agent.protocol.reply import Status
from netplan.bundle import reader
from netplan.cli import complete
from netplan.cli.options import INVENTORY, STATE_DIR, Finite
from netplan.cli.output import emit, note
from netplan.cli.session import opened
from netplan.monitoring import exporter as exporting
from netplan.monitoring import logs
from netplan.monitoring.exporter import Cluster, States
from netplan.problems import ExitCode, Problem, ProblemError
from netplan.refusals import refusals
from netplan.rollout.outcome import Options
from netplan.rollout.record import seen
from netplan.rollout.record.history import transactions
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.verbs import measure

PORT = 9771


@click.command(
    "exporter",
    epilog="\b\nExamples:\n  ipsecplan exporter bundle\n"
    "  ipsecplan exporter --interval 600 --log /var/log/ipsecplan/ecs.json east/bundle west/bundle\n"
    "  ipsecplan exporter --once bundle",
)
@click.argument(
    "bundles",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=complete.bundles,
    metavar="BUNDLE...",
)
@INVENTORY
@STATE_DIR
@click.option("--address", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="Port to listen on.")
@click.option(
    "--interval",
    "interval_s",
    type=Finite(10, 86400),
    default=300,
    show_default=True,
    help="Seconds between two looks at the nodes; a scrape asks no node.",
)
@click.option(
    "--log", type=click.Path(path_type=Path), help="Append transactions and proofs to this file, as ECS documents."
)
@click.option("--once", is_flag=True, help="Look once, print the metrics, and end.")
def command(
    bundles: tuple[Path, ...],
    inventory: Path | None,
    state_dir: str | None,
    address: str,
    port: int,
    interval_s: float,
    log: Path | None,
    once: bool,
) -> None:
    """Look at the nodes of each BUNDLE again and again, and serve what they have to Prometheus.

    Takes no lock and changes nothing. A node that doesn't answer is a metric, not an end.
    """
    names = [reader.read(bundle).cluster for bundle in bundles]
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        hint = "one bundle for each cluster"
        raise ProblemError(Problem(code="IPP211", message=f"two bundles are of the cluster {double}", hint=hint))
    states = States()
    if not once:
        _serve(states, address, port)
    try:
        while True:
            began = time.monotonic()
            for bundle in bundles:
                look(states, bundle, inventory, state_dir, log)
            if once:
                _print(states)
                return
            time.sleep(max(1.0, interval_s - (time.monotonic() - began)))
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.OK) from None


def look(states: States, bundle: Path, inventory: Path | None, state_dir: str | None, log: Path | None) -> None:
    """Ask the nodes of one bundle once. What a node said before stays only where it answers again."""
    began, at = time.monotonic(), time.time()
    read = reader.read(bundle)
    every = [str(node["name"]) for node in read.nodes.values()]
    planned = 0
    came: dict[str, exporting.Samples] = {}
    ends: dict[frozenset[str], list[bool]] = {}

    def told(name: str, status: Status) -> None:
        came[name] = exporting.of_node(read.cluster, name, planned, status)
        for pair in status["pairs"]:
            first = next(iter(pair["children"].values()), [])
            ends.setdefault(frozenset((name, pair["name"])), []).append(bool(first))

    trouble: Sequence[Problem] = ()
    try:
        with opened(bundle, inventory, state_dir, Options(), quiet=True, reading=True) as engine:
            planned = max(target.node["mtu"]["pod"] for target in engine.targets.values())
            trouble = measure.status(engine, told=told).problems
            if engine.cancelled.is_set():
                raise KeyboardInterrupt
    except ProblemError as error:
        trouble = error.problems
    for problem in trouble:
        note(f"{read.cluster}: {problem.message}")
    root = state_root(state_dir)
    folder = ClusterState(root, read.cluster, reading=True).folder
    proof, past = seen.last_proof(folder), transactions(root, read.cluster)
    good = sum(all(said) for said in ends.values())
    ok = len(came) == len(every)
    took = time.monotonic() - began
    whole = exporting.of_look(read.cluster, planned, ok=ok, at=at, seconds=took, pairs=len(ends), encrypted=good)
    whole |= exporting.of_journals(read.cluster, past)
    if proof is not None:
        whole |= exporting.of_proof(read.cluster, proof)
    nodes = {name: came.get(name) or exporting.silent(read.cluster, name) for name in every}
    states.put(Cluster(read.cluster, nodes, whole))
    if log is not None:
        with refusals(log, "written"):
            logs.append(log, logs.documents(root, read.cluster, proof))


def _serve(states: States, address: str, port: int) -> None:
    from prometheus_client import (
        GC_COLLECTOR,
        PLATFORM_COLLECTOR,
        PROCESS_COLLECTOR,
        CollectorRegistry,
        start_http_server,
    )

    registry = CollectorRegistry(auto_describe=False)
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR, states):
        registry.register(collector)
    try:
        start_http_server(port, addr=address, registry=registry)
    except OSError as error:
        said = f"{address} port {port} can't be listened on: {error.strerror}"
        raise ProblemError(Problem(code="IPP212", message=said, hint="another --port or --address")) from None
    note(f"metrics at http://{'[' + address + ']' if ':' in address else address}:{port}/metrics; Ctrl-C ends it")


def _print(states: States) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(states)
    emit(generate_latest(registry).decode(), end="")
