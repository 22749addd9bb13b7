"""``ipsecplan network``: write the files and steps that give one container network the planned MTU."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import click

from netplan import pipeline
from netplan.cli import complete
from netplan.cli.output import as_json, emit, emit_json, note, report
from netplan.cli.steps import write_steps
from netplan.cni import ADAPTERS
from netplan.cni.adapter import CniRequest
from netplan.cni.existing_config import texts
from netplan.cni.policies import Baseline
from netplan.cni.render import NetworkPlan, adapter, clamp_to_limit, request_for, request_for_stack
from netplan.problems import ProblemError, counted, errors
from netplan.stack import parse as parse_stack
from netplan.stack import parse_size

_OPTION = re.compile(r"^(?P<key>[A-Za-z][A-Za-z_]*)=(?P<value>[^\s\x00-\x1f]{0,200})\Z")


@click.command(
    "network",
    epilog="\b\nExamples:\n"
    "  ipsecplan network --list\n"
    "  ipsecplan network calico --plan plan.yaml --to review/\n"
    "  ipsecplan network flannel --stack ip4/esp:aes256gcm16/udp/vxlan/eth/ip4 --mtu 1500 --existing cm.yaml\n"
    "  ipsecplan network cilium --plan plan.yaml --namespace shop --from monitoring",
)
@click.argument("plugin", required=False, shell_complete=complete.networks)
@click.option("--list", "list_", is_flag=True, help="List the networks and what their number means.")
@click.option("--plan", type=click.Path(path_type=Path), help="Take the pod MTU from this plan.")
@click.option("--stack", help="Or from this packet stack, with --mtu.")
@click.option("--mtu", help="IP MTU of the hosts' links.")
@click.option("--existing", type=click.Path(path_type=Path), multiple=True, help="A dump or file to be patched.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A setting of this network only.")
@click.option("--raise-mtu", "raising", is_flag=True, help="Order the steps for a larger MTU (default: a smaller one).")
@click.option("--kubeconfig", help="Kubeconfig to name in the kubectl commands.")
@click.option("--namespace", "namespaces", multiple=True, help="Add baseline policies for this namespace.")
@click.option("--from", "peers", multiple=True, help="A namespace that may connect to those namespaces.")
@click.option("--to", "to", type=click.Path(path_type=Path), help="Write the files into this new directory.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def command(
    plugin: str | None,
    list_: bool,
    plan: Path | None,
    stack: str | None,
    mtu: str | None,
    existing: tuple[Path, ...],
    options: tuple[str, ...],
    raising: bool,
    kubeconfig: str | None,
    namespaces: tuple[str, ...],
    peers: tuple[str, ...],
    to: Path | None,
    json_: bool,
) -> None:
    """Write the patches that give PLUGIN the planned pod MTU, and the steps that make them live, in order."""
    with as_json(json_):
        if list_ or plugin is None:
            _list(json_)
            return
        chosen = adapter(plugin)
        request = _request(plugin, plan, stack, mtu, _options(options), texts(existing))
        request, warnings = clamp_to_limit(chosen, request)
        baselines = _baselines(namespaces, peers)
        network = NetworkPlan(chosen, request, "raise" if raising else "lower", kubeconfig, baselines)
        artifacts = network.artifacts  # or everything that stands against them
        warnings += network.problems
        if to is not None:
            write_steps(to, {a.path: a.text for a in artifacts}, network.steps_page())
        if json_:
            emit_json(_result(network), warnings)
            return
        report(warnings)
        if to is not None:
            note(f"{to}: {counted(len(artifacts), 'file')} and STEPS.md; pod MTU {request.pod_mtu}")
            return
        for artifact in artifacts:
            emit(f"# {artifact.path}  ({artifact.patch}{' ' + artifact.target if artifact.target else ''})")
            emit(artifact.text.rstrip("\n"))
        for line in network.steps_page():
            emit(f"# {line.removeprefix('# ')}".rstrip())


def _list(json_: bool) -> None:
    if json_:
        rows = [
            {
                "plugin": n,
                "title": a.title,
                "semantics": a.semantics,
                "field": a.field,
                "checked": a.facts.checked_against,
            }
            for n, a in ADAPTERS.items()
        ]
        emit_json(rows)
        return
    emit(f"{'plugin':<16} {'its number':<10} field")
    for name, each in ADAPTERS.items():
        emit(f"{name:<16} {each.semantics:<10} {each.field}")


def _request(
    plugin: str,
    plan: Path | None,
    stack: str | None,
    mtu: str | None,
    options: Mapping[str, str],
    existing: Mapping[str, str],
) -> CniRequest:
    if (plan is None) == (stack is None):
        raise click.UsageError("give --plan, or --stack with --mtu")
    if plan is not None:
        made = pipeline.make(plan)
        report(made.warnings)
        return request_for(made.plan, plugin, options, existing)
    if mtu is None or stack is None:
        raise click.UsageError("--stack needs --mtu")
    return request_for_stack(parse_stack(stack), parse_size(mtu, "link MTU"), options, existing)


def _options(words: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        match = _OPTION.match(word)
        if not match:
            raise click.UsageError(f"--option {word!r} is not KEY=VALUE")
        found[match["key"]] = match["value"]
    return found


def _baselines(namespaces: tuple[str, ...], peers: tuple[str, ...]) -> list[Baseline]:
    made = [Baseline(namespace=namespace, from_namespaces=peers) for namespace in namespaces]
    for baseline in made:
        if errors(baseline.problems()):
            raise ProblemError(baseline.problems())
    return made


def _result(network: NetworkPlan) -> dict[str, object]:
    chosen = network.adapter
    return {
        "plugin": chosen.name,
        "pod_mtu": chosen.numbers(network.request)[1],
        "field": chosen.field,
        "semantics": chosen.semantics,
        "value": chosen.numbers(network.request)[0],
        "files": [{"path": a.path, "patch": a.patch, "target": a.target, "text": a.text} for a in network.artifacts],
        "steps": [{"stage": s.stage, "where": s.where, "text": s.text, "command": s.command} for s in network.steps],
    }
