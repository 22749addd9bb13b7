"""From a plan to the files and steps of its container network: refuse, render, check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from netplan.cni import ADAPTERS
from netplan.cni.adapter import Adapter, Artifact, Change, Encap, Network, Step, network_of
from netplan.cni.kubernetes import commands, ordered
from netplan.cni.policies import baselines
from netplan.cni.schema_check import check
from netplan.model.cni_facts import made
from netplan.plan.types import Plan
from netplan.problems import Problem, ProblemError, closest, errors, quoted
from netplan.stack import Stack, parse, solve

_ENCAPS: dict[str, Encap] = {
    "vxlan": "vxlan",
    "geneve:8": "geneve:8",
    "geneve:ovn": "geneve:8",
    "geneve": "geneve",
    "gre": "gre",
    "stt": "stt",
}


# option -> what it is, and what its value looks like
OPTIONS: dict[str, tuple[str, str]] = {
    "name": ("name of a network, attachment or container network", r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"),
    "namespace": ("namespace of an attachment", r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"),
    "subnet": ("kube-ovn Subnet", r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?"),
    "network": ("flannel's whole pod network", r"[0-9a-fA-F.:]+/\d{1,3}"),
    "bridge": ("bridge of the CNI plugin or of Podman", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"),
    "master": ("link under macvlan, ipvlan, vlan or host-device", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"),
    "master_mtu": ("its MTU, where it is not the hosts' link", r"\d{2,5}"),
    "port": ("internal port of Open vSwitch", r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"),
    "vlan": ("VLAN id", r"\d{1,4}"),
    "attach": ("plugin inside a Multus attachment", r"bridge|ptp|macvlan|ipvlan|vlan"),
    "links": ("Calico's mtuIfacePattern", r"[A-Za-z0-9_.^$()|*?+\[\]-]{1,200}"),
    "from": ("the pod MTU that OpenShift has now", r"\d{2,5}"),
    "machine": ("the machine MTU that OpenShift gets", r"\d{2,5}"),
    "version": ("Docker's version", r"\d+(\.\d+)*"),
    "cniVersion": ("version of the CNI list", r"\d\.\d\.\d"),
}


def options_problems(options: Mapping[str, str]) -> list[Problem]:
    """Return what stands against options: they become names, paths and numbers in files."""
    found: list[Problem] = []
    for key, value in options.items():
        if key not in OPTIONS:
            near = closest(key, OPTIONS)
            hint = f"did you mean {near}?" if near else f"known: {' '.join(OPTIONS)}"
            found.append(Problem(code="IPP905", message=f"no option {quoted(key)}", hint=hint))
        elif not re.fullmatch(OPTIONS[key][1], value, re.ASCII):  # \d is more than 0 to 9 otherwise
            message = f"{quoted(value)} can't be the option {key}: {OPTIONS[key][0]}"
            found.append(Problem(code="IPP905", message=message))
    return found


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
    found = made(plugin, "geneve")
    return found.options if found else 0


def encapsulation(plugin: str, overlay: str) -> Encap:
    """Return the encapsulation of a plan's overlay as this network makes it."""
    named: dict[str, Encap] = {"vxlan": "vxlan", "geneve": "geneve:8" if geneve_options(plugin) else "geneve"}
    return named.get(overlay, "none")


def wanted(plan: Plan, plugin: str, options: Mapping[str, str], existing: Mapping[str, str]) -> Network:
    """Return what a plan asks of a container network, its own or another one; OVN's Geneve options cost pods 8."""
    network, cni = network_of(plan), plan.file.cni
    encap = encapsulation(plugin, plan.file.overlay.type)
    mtu, told, known = plan.pod_mtu, dict(network.options), dict(existing)
    if plugin == cni.plugin:
        told |= {"version": _plain(cni.version)} if cni.version else {}
        told |= cni.options
        known = {**plan.existing, **existing}
    elif encap == "geneve:8":
        stacks = [(s.stack.text.replace("/geneve/", "/geneve:8/"), c.link_mtu) for c in plan.classes for s in c.sized]
        mtu = min(solve(parse(text), link).inner_mtu for text, link in stacks)
    return replace(network, encap=encap, pod_mtu=mtu, options={**told, **options}, existing=known)


def _plain(version: str) -> str:
    """A version without what comes before and after its numbers."""
    return re.sub(r"^v|[^0-9.].*$", "", version)


def of_stack(stack: Stack, link_mtu: int, options: Mapping[str, str], existing: Mapping[str, str]) -> Network:
    """Return what a packet stack on a link asks of a container network."""
    names = [token.text.partition(":")[0] for token in stack.tokens]
    encap: Encap = "none"
    for token in stack.tokens:
        found = _ENCAPS.get(token.text) or _ENCAPS.get(token.text.partition(":")[0])
        encap = found or encap
    return Network(
        pod_mtu=solve(stack, link_mtu).inner_mtu,
        link_mtu=link_mtu,
        encap=encap,
        family="ipv6" if next(n for n in names if n in ("ip4", "ip6")) == "ip6" else "ipv4",
        host_ipsec="esp" in names,
        pod_families=("ipv6",) if stack.family == "ip6" else ("ipv4",),
        options=options,
        existing=existing,
    )


def fitted(plugin: str, network: Network) -> tuple[Network, list[Problem]]:
    """Make the pod MTU smaller where the program insists on more room than the packet needs, and say so."""
    chosen = adapter(plugin)
    most = network.link_mtu - chosen.headroom
    if not chosen.headroom or network.pod_mtu <= most:
        return network, []
    message = (
        f"{chosen.title} insists on {chosen.headroom} bytes below the link: pods get {most}, not {network.pod_mtu}"
    )
    return replace(network, pod_mtu=most), [Problem(code="IPP905", severity="warning", message=message)]


def deliver(plugin: str, network: Network) -> list[Artifact]:
    """Return the artefacts of a network, checked. Raises ProblemError with everything that stands against it."""
    chosen = adapter(plugin)
    problems = options_problems(network.options) or chosen.supports(network)
    if errors(problems):
        raise ProblemError(problems)
    artifacts = chosen.render(network)
    faults = [problem for artifact in artifacts for problem in check(artifact)]
    if faults:
        raise ProblemError(faults)
    return artifacts


def steps(
    plugin: str,
    network: Network,
    change: Change,
    kubeconfig: str | None = None,
    artifacts: Sequence[Artifact] | None = None,
) -> list[Step]:
    """Return the steps that make it live, in the order for lowering or raising; kubectl first runs dry."""
    chosen = adapter(plugin)
    found = ordered(chosen.steps(network), change)
    lines = commands(chosen.render(network) if artifacts is None else artifacts, kubeconfig)
    if not lines:
        return found
    at = next(i for i, step in enumerate(found) if step.stage == "config")
    made = [Step(stage="config", text="dry run" if "--dry-run" in line else "apply", command=line) for line in lines]
    return [*found[: at + 1], *made, *found[at + 1 :]]


def page(chosen: Adapter, network: Network, todo: Sequence[Step], change: Change) -> list[str]:
    """Return STEPS.md as lines."""
    value = chosen.field_value(network)
    lines = [
        f"# {chosen.title}: pod MTU {network.pod_mtu}",
        "",
        f"{chosen.field}: {value}, the {chosen.semantics}'s number; pods end with {network.pod_mtu}.",
        f"Running pods {'keep what they have' if chosen.pods_keep else 'follow'}. "
        f"Order: {'lowering, senders first' if change == 'lower' else 'raising, receivers first'}.",
        "",
    ]
    return [*lines, *_numbered(todo)]


def _numbered(todo: Sequence[Step]) -> list[str]:
    lines: list[str] = []
    for number, step in enumerate(todo, 1):
        lines.append(f"{number}. [{step.where}] {step.text}")
        if step.command:
            lines += ["", f"       {step.command}", ""]
    return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a bundle holds for the container network under ``cluster/``: path -> text, and the steps in their order."""

    files: Mapping[str, str]
    steps: Sequence[Step] = ()


def problems(plan: Plan) -> list[Problem]:
    """Return what the plan's container network has against it, warnings too."""
    network = wanted(plan, plan.file.cni.plugin, {}, {})
    return options_problems(network.options) or adapter(plan.file.cni.plugin).supports(network)


def delivery(plan: Plan, change: Change = "lower") -> Delivery:
    """Return the files and steps of the plan's container network and namespaces, checked; nothing for what is ours.

    A network that makes no overlay gets a file for each node, under the node's id. Raises ProblemError with everything
    that stands against it.
    """
    plugin, policy = plan.file.cni.plugin, baselines(plan)
    if plugin == "bridge":
        todo = _applied(policy)
        made_files = {a.path: a.text for a in policy}
        return Delivery(files={**made_files, **_steps_page(plan, todo)} if policy else {}, steps=todo)
    network = wanted(plan, plugin, {}, {})
    artifacts = deliver(plugin, network)
    todo = [*steps(plugin, network, change, None, artifacts), *_applied(policy)]
    files = {a.path: a.text for a in (*artifacts, *policy)}
    if plan.file.made is None:
        each = [(n.id, deliver(plugin, replace(network, pod_cidrs=(n.pod_cidr,)))) for n in plan.nodes if n.managed]
        files = {f"{node}/{a.path}": a.text for node, own in each for a in own}
    lines = page(adapter(plugin), network, todo, change)
    lines += [f"Mind: {problem.message}." for problem in adapter(plugin).supports(network)]
    return Delivery(files={**files, "STEPS.md": "\n".join(lines) + "\n"}, steps=todo)


def _applied(policy: Sequence[Artifact]) -> list[Step]:
    return [
        Step(stage="config", text="dry run" if "--dry-run" in line else "apply", command=line)
        for line in commands(policy, None)
    ]


def _steps_page(plan: Plan, todo: Sequence[Step]) -> dict[str, str]:
    lines = [f"# Namespaces: {', '.join(n.name for n in plan.file.namespaces)}", ""]
    return {"STEPS.md": "\n".join([*lines, *_numbered(todo)]) + "\n"}
