"""From a plan to the files and steps of its container network: refuse, render, check."""

from __future__ import annotations

from dataclasses import replace

from netplan.cni import ADAPTERS
from netplan.cni.base import Adapter, Artifact, Change, Encap, Network, Step, network_of
from netplan.cni.check import check
from netplan.cni.kubernetes import commands, ordered
from netplan.plan import Plan
from netplan.problems import Problem, ProblemError, closest, errors, quoted

# OVN puts 8 bytes of options into every Geneve header
_OVN = ("kube-ovn", "ovn-kubernetes", "openshift", "ovs")


def adapter(plugin: str) -> Adapter:
    """Return an adapter by its name in the plan file. Raises ProblemError (IPP901) with the names there are."""
    found = ADAPTERS.get(plugin)
    if found is None:
        near = closest(plugin, ADAPTERS)
        hint = f"did you mean {near}?" if near else f"known: {' '.join(ADAPTERS)}"
        raise ProblemError(Problem(code="IPP901", message=f"no container network {quoted(plugin)}", hint=hint))
    return found


def geneve_options(plugin: str) -> int:
    """Return how many bytes of Geneve options a network's packets carry; the plan's packet stack needs it."""
    return 8 if plugin in _OVN else 0


def encapsulation(plugin: str, overlay: str) -> Encap:
    """Return the encapsulation of a plan's overlay as this network makes it."""
    named: dict[str, Encap] = {"vxlan": "vxlan", "geneve": "geneve:8" if geneve_options(plugin) else "geneve"}
    return named.get(overlay, "none")


def wanted(plan: Plan, **options: str) -> Network:
    """Return what a plan asks of its container network."""
    network = network_of(plan)
    encap = encapsulation(plan.file.cni.plugin, plan.file.overlay.type)
    return replace(network, encap=encap, options={**network.options, **options})


def deliver(plugin: str, network: Network) -> list[Artifact]:
    """Return the artefacts of a network, checked. Raises ProblemError with everything that stands against it."""
    chosen = adapter(plugin)
    problems = chosen.supports(network)
    if errors(problems):
        raise ProblemError(problems)
    artifacts = chosen.render(network)
    faults = [problem for artifact in artifacts for problem in check(artifact)]
    if faults:
        raise ProblemError(faults)
    return artifacts


def steps(plugin: str, network: Network, change: Change, kubeconfig: str | None = None) -> list[Step]:
    """Return the steps that make it live, in the order for lowering or raising; kubectl first runs dry."""
    chosen = adapter(plugin)
    found = ordered(chosen.steps(network), change)
    lines = commands(chosen.render(network), kubeconfig)
    if not lines:
        return found
    at = next(i for i, step in enumerate(found) if step.stage == "config")
    made = [Step(stage="config", text="dry run" if "--dry-run" in line else "apply", command=line) for line in lines]
    return [*found[: at + 1], *made, *found[at + 1 :]]
