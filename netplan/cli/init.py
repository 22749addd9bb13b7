"""``ipsecplan init``: an annotated plan file to start from, and an inventory where Kubernetes knows the hosts."""

from __future__ import annotations

import json
from pathlib import Path

import click

from netplan import pipeline
from netplan.cli import complete
from netplan.cli.output import as_json, emit, emit_json, report
from netplan.inputs.inventory import read as read_inventory
from netplan.inputs.kubernetes_hosts import from_dumps, from_kubeconfig
from netplan.inputs.load import load_source
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import parse
from netplan.model.cni_facts import NETWORKS, PORTS
from netplan.problems import (
    ExitCode,
    Location,
    Problem,
    ProblemError,
    closest,
    counted,
    errors,
    fail,
    quoted,
)
from netplan.refusals import refused
from netplan.templates.render import render

OWN = ("vxlan", "geneve")


@click.command(
    "init",
    epilog="\b\nExamples:\n  ipsecplan init --inventory hosts.ini --overlay geneve prod.yaml\n"
    "  ipsecplan init --cni calico --from-kubeconfig ~/.kube/config\n"
    "  ipsecplan init --cni cilium --from-audit dumps/",
)
@click.argument("plan", type=click.Path(path_type=Path), default="plan.yaml")
@click.option("--inventory", default="inventory.yml", show_default=True, help="Any Ansible inventory; it is read.")
@click.option("--nodes", default="all", show_default=True, help="Ansible host pattern.")
@click.option("--name", default="my-cluster", show_default=True, help="Name of the cluster.")
@click.option(
    "--cni", help="Container network that makes the overlay, such as calico.", shell_complete=complete.networks
)
@click.option("--overlay", metavar="vxlan|geneve", help="Overlay (default: vxlan, or the container network's own).")
@click.option("--family", type=click.Choice(["ipv4", "ipv6", "dual"]), default="ipv4", show_default=True)
@click.option("--mtu", type=click.IntRange(576, 65535), default=1500, show_default=True, help="IP MTU of the links.")
@click.option(
    "--from-kubeconfig",
    "kubeconfig",
    type=click.Path(path_type=Path),
    help="Write the inventory from the cluster's list of nodes.",
)
@click.option(
    "--from-audit", "dumps", type=click.Path(path_type=Path), help="Or from `get nodes -o json` in this folder."
)
@click.option("--force", is_flag=True, help="Replace an earlier plan file.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def command(
    plan: Path,
    inventory: str,
    nodes: str,
    name: str,
    cni: str | None,
    overlay: str | None,
    family: str,
    mtu: int,
    kubeconfig: Path | None,
    dumps: Path | None,
    force: bool,
    json_: bool,
) -> None:
    """Write an annotated plan file (default: plan.yaml) that `lint` accepts, for the hosts of the inventory.

    The inventory is read: an unknown pattern or name is refused, and what each host still lacks is listed. An existing
    inventory is never changed; an existing plan only with --force.
    """
    if kubeconfig and dumps:
        raise click.UsageError("--from-kubeconfig and --from-audit exclude each other")
    with as_json(json_):
        made_hosts = from_kubeconfig(kubeconfig) if kubeconfig else from_dumps(dumps) if dumps else {}
        known = {} if made_hosts else _proposed(plan.parent / inventory, nodes)
        text = _plan_text(inventory, nodes, name, cni, overlay, family, mtu, known)
        loaded = load_source(parse(text.encode(), str(plan)), plan)
        if errors(validate(loaded)):
            raise ProblemError([Problem(p.code, p.message, hint=p.hint) for p in errors(validate(loaded))])
        path, shown = pipeline.inventory_place(loaded)
        if not force:  # first of all: whether a plan can be there
            _put(plan, text, force=False)
        try:
            if made_hosts:
                _put(path, _inventory_text(made_hosts), force=False)
            elif not path.exists():
                hint = "name one with --inventory, or have it written by --from-kubeconfig or --from-audit"
                fail("IPP301", "no such inventory", location=Location(shown), hint=hint)
            hosts = read_inventory(path, nodes, shown).hosts
        except ProblemError:
            if not force:
                plan.unlink(missing_ok=True)
            raise
        if force:
            _put(plan, text, force=True)
        lacking = _lacking(plan)
    if json_:
        result = {"plan": str(plan), "inventory": str(path), "hosts": [host.name for host in hosts]}
        emit_json({**result, "lacking": [problem.as_json() for problem in lacking]})
        return
    if made_hosts:
        emit(f"{path}: {counted(len(made_hosts), 'host')} written")
    emit(f"{plan} written for {counted(len(hosts), 'host')} of {inventory}")
    for ours, theirs in known.items():
        emit(f"{ours} of each host is its {theirs} in {inventory} (host_vars in the plan)")
    if lacking:
        report([Problem(p.code, p.message, location=p.location, hint=p.hint, severity="warning") for p in lacking])
        emit(f"complete {inventory}, then: ipsecplan lint {plan}")
    else:
        emit(f"next: ipsecplan plan {plan}")


def _plan_text(
    inventory: str,
    nodes: str,
    name: str,
    cni: str | None,
    overlay: str | None,
    family: str,
    mtu: int,
    named: dict[str, str],
) -> str:
    """Return the plan; raises ProblemError for a network or overlay that is none. ``named``: our variable -> theirs."""
    theirs = None
    if overlay in NETWORKS:
        fail("IPP901", f"{quoted(overlay)} is a container network, not an overlay", hint=f"--cni {overlay}")
    if cni is not None:
        if cni not in NETWORKS:
            near = closest(cni, NETWORKS)
            hint = f"did you mean {near}?" if near else f"known: {' '.join(NETWORKS)}"
            fail("IPP901", f"no container network {quoted(cni)}", hint=hint)
        facts = NETWORKS[cni]
        if facts.refused:
            fail("IPP901", f"{cni} can't be protected: {facts.refused}")
        theirs = next(iter(facts.overlays), None)
        known = tuple(facts.overlays) or OWN
    else:
        known = OWN
    if overlay is not None and overlay not in known:
        near = closest(overlay, known)
        fail(
            "IPP901", f"no overlay {quoted(overlay)} here", hint=f"did you mean {near}?" if near else " or ".join(known)
        )
    chosen = overlay or theirs or OWN[0]
    return render(
        "plan.yaml.j2",
        {"y": _text},
        name=name,
        inventory=inventory,
        nodes=nodes,
        theirs=named,
        overlay=chosen,
        port=PORTS[chosen],
        family=family,
        mtu=mtu,
        plugin=cni or "bridge",
        own=theirs is None,
    )


def _lacking(plan: Path) -> list[Problem]:
    """Return what `lint` has against the new plan; it is about hosts."""
    try:
        pipeline.make(plan)
    except ProblemError as error:
        return errors(error.problems)
    return []


def _inventory_text(hosts: dict[str, dict[str, str]]) -> str:
    lines = ["all:", "  hosts:"]
    for name, variables in hosts.items():
        lines.append(f"    {json.dumps(name)}:")
        lines += [f"      {key}: {json.dumps(value)}" for key, value in variables.items()]
        if not variables:
            lines[-1] += " {}"
    return "\n".join(lines) + "\n"


def _put(path: Path, text: str, *, force: bool) -> None:
    """Write a new file; with ``force`` an existing plain file is replaced. Raises ProblemError (IPP210)."""
    try:
        if force and path.is_file() and not path.is_symlink():
            path.unlink()
        with open(path, "x", encoding="utf-8") as out:
            out.write(text)
    except FileExistsError:
        hint = "name another one, or --force"
        raise ProblemError(
            Problem("IPP210", "the file exists already", location=Location(str(path)), hint=hint)
        ) from None
    except OSError as error:
        raise ProblemError(refused(error, path, "written", "IPP210"), ExitCode.INVALID) from None


def _proposed(inventory: Path, nodes: str) -> dict[str, str]:
    """Return our variable -> theirs where an inventory is there already and calls them by names that are known.

    One that can't be read is nothing to stop at: `lint` says what is wrong with it. No program is run.
    """
    from netplan.inputs import their_variables
    from netplan.inputs.inventory import read

    if not inventory.exists():
        return {}
    try:
        found = read(inventory, nodes, programs=False)
    except ProblemError:
        return {}
    return their_variables.proposed(host.variables for host in found.hosts)


def _text(value: str) -> str:
    """A YAML scalar that is always text: JSON strings are YAML."""
    plain = value.replace("_", "").replace("-", "").replace(".", "").replace("/", "")
    return value if plain.isalnum() and not plain.isdigit() and value[0].isalpha() else json.dumps(value)
