"""From a plan to the files and steps of its container network: what is asked of it, problems, files, steps."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from netplan.cni import ADAPTERS
from netplan.cni.adapter import BOTH, Adapter, Artifact, Change, CniRequest, Encap, ManualStep
from netplan.cni.adapters import bridge
from netplan.cni.kubernetes import commands, ordered
from netplan.cni.policies import Baseline, policies
from netplan.cni.schema_check import check
from netplan.model.cni_facts import NETWORKS, overlay_facts
from netplan.plan.types import Plan
from netplan.problems import Problem, ProblemError, closest, errors, fail, quoted
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
    "namespace": (
        "namespace of an attachment, or of a network's objects where none was given",
        r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?",
    ),
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
    "version": ("version of Docker or Cilium", r"\d+(\.\d+)*"),
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


# option -> the networks that it means something to; of the others it is said that it has no effect
_LISTS = ("bridge", "ptp", "macvlan", "ipvlan", "vlan", "host-device")
_MEANT: dict[str, tuple[str, ...]] = {
    "subnet": ("kube-ovn",),
    "network": ("flannel", "canal", "k3s"),
    "links": ("calico", "calico-manifest"),
    "from": ("openshift",),
    "machine": ("openshift",),
    "attach": ("multus",),
    "vlan": ("vlan", "multus"),
    "port": ("ovs",),
    "name": ("podman", "docker-overlay", "multus", *_LISTS),
    "namespace": tuple(n for n, f in NETWORKS.items() if f.kubernetes and n not in (*_LISTS, "k3s", "openshift")),
}


def unused_options(plugin: str, options: Mapping[str, str]) -> list[Problem]:
    """Return a warning for every option that a network ignores."""
    return [
        Problem(code="IPP905", severity="warning", message=f"option {key} has no effect on {plugin}")
        for key in options
        if key in _MEANT and plugin not in _MEANT[key]
    ]


def left_alone(chosen: Adapter, request: CniRequest) -> list[Problem]:
    """Return a warning for a port that the network does not have by itself: a patch changes the MTU alone."""
    made = chosen.facts.overlays.get(request.encap.partition(":")[0])
    if made is None or not request.port or request.port == made.port or chosen.writes_backend:
        return []
    message = f"the patches change the MTU alone: port {request.port} (its own is {made.port}) is for you to set"
    return [Problem(code="IPP905", severity="warning", message=message)]


def adapter(plugin: str) -> Adapter:
    """Return an adapter by its name in the plan file. Raises ProblemError (IPP901) with the names there are."""
    found = ADAPTERS.get(plugin)
    if found is None:
        near = closest(plugin, ADAPTERS)
        hint = f"did you mean {near}?" if near else f"known: {' '.join(ADAPTERS)}"
        fail("IPP901", f"no container network {quoted(plugin)}", hint=hint)
    return found


def geneve_options(plugin: str) -> int:
    """Return how many bytes of Geneve options a network's packets carry; the plan's packet stack needs it."""
    found = overlay_facts(plugin, "geneve")
    return found.options if found else 0


def encapsulation(plugin: str, overlay: str) -> Encap:
    """Return the encapsulation of a plan's overlay as this network makes it."""
    named: dict[str, Encap] = {"vxlan": "vxlan", "geneve": "geneve:8" if geneve_options(plugin) else "geneve"}
    return named.get(overlay, "none")


def request_for(plan: Plan, plugin: str, options: Mapping[str, str], existing: Mapping[str, str]) -> CniRequest:
    """Return what a plan asks of a container network, its own or another one; OVN's Geneve options cost pods 8."""
    overlay, cni = plan.file.overlay, plan.file.cni
    cidrs = tuple(node.pod_cidr for node in plan.nodes if node.pod_cidr)
    encap = encapsulation(plugin, overlay.type)
    mtu, told, known = plan.pod_mtu, {"bridge": overlay.bridge}, dict(existing)
    if plugin == cni.plugin:
        told |= {"version": _plain(cni.version)} if cni.version else {}
        told |= cni.options
        known = {**plan.existing, **existing}
    elif encap == "geneve:8":
        stacks = [(s.stack.text.replace("/geneve/", "/geneve:8/"), c.link_mtu) for c in plan.classes for s in c.sized]
        mtu = min(solve(parse(text), link).inner_mtu for text, link in stacks)
    return CniRequest(
        pod_mtu=mtu,
        link_mtu=plan.limiting.link_mtu,
        encap=encap,
        family=plan.file.underlay.carrier,
        port=overlay.udp_port or None,
        vni=overlay.vni,
        pod_cidrs=cidrs or ("10.42.0.0/16",),
        pod_families=tuple(f for f in BOTH if any((":" in cidr) == (f == "ipv6") for cidr in cidrs)) or ("ipv4",),
        own_ipsec=cni.encryption,
        options={**told, **options},
        existing=known,
    )


def _plain(version: str) -> str:
    """A version without what comes before and after its numbers."""
    return re.sub(r"^v|[^0-9.].*$", "", version)


def request_for_stack(
    stack: Stack, link_mtu: int, options: Mapping[str, str], existing: Mapping[str, str]
) -> CniRequest:
    """Return what a packet stack on a link asks of a container network."""
    names = [token.text.partition(":")[0] for token in stack.tokens]
    encap: Encap = "none"
    for token in stack.tokens:
        found = _ENCAPS.get(token.text) or _ENCAPS.get(token.text.partition(":")[0])
        encap = found or encap
    if encap == "none" and names[-2:] in (["ip4", "ip4"], ["ip6", "ip4"]):
        encap = "ipip"
    return CniRequest(
        pod_mtu=solve(stack, link_mtu).inner_mtu,
        link_mtu=link_mtu,
        encap=encap,
        family="ipv6" if next(n for n in names if n in ("ip4", "ip6")) == "ip6" else "ipv4",
        host_ipsec="esp" in names,
        pod_families=("ipv6",) if stack.family == "ip6" else ("ipv4",),
        options=options,
        existing=existing,
    )


def clamp_to_limit(chosen: Adapter, request: CniRequest) -> tuple[CniRequest, list[Problem]]:
    """Make the pod MTU smaller where the program insists on more room than the packet needs, and say so."""
    headroom = chosen.facts.headroom
    limit = request.link_mtu - headroom
    if not headroom or request.pod_mtu <= limit:
        return request, []
    message = f"{chosen.title} insists on {headroom} bytes below the link: pods get {limit}, not {request.pod_mtu}"
    return replace(request, pod_mtu=limit), [Problem("IPP905", message, severity="warning")]


@dataclass(frozen=True)
class NetworkPlan:
    """A request to a container network and what comes of it, each computed once."""

    adapter: Adapter
    request: CniRequest
    change: Change = "lower"
    kubeconfig: str | None = None  # named in the kubectl commands
    baselines: Sequence[Baseline] = ()  # of namespaces, applied last
    # node -> its pod subnet, where every node has files of its own because the network makes no overlay
    pod_cidrs: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def problems(self) -> list[Problem]:
        """What stands against the request, warnings too."""
        said = options_problems(self.request.options)
        if said:
            return said
        found = [*self.adapter.supports(self.request), *unused_options(self.adapter.name, self.request.options)]
        return [*found, *left_alone(self.adapter, self.request)]

    @functools.cached_property
    def own(self) -> list[Artifact]:
        """The network's own artefacts, checked. Raises ProblemError with everything that stands against them."""
        return self._rendered(self.request)

    @functools.cached_property
    def policies(self) -> list[Artifact]:
        """The policies of the namespaces."""
        return [artifact for baseline in self.baselines for artifact in policies(baseline)]

    @functools.cached_property
    def artifacts(self) -> list[Artifact]:
        """Everything that is applied, in its order. Raises ProblemError with everything that stands against it."""
        return [*self.own, *self.policies]

    @functools.cached_property
    def steps(self) -> list[ManualStep]:
        """The steps that make it live, in the order for lowering or raising; kubectl first runs dry."""
        applied = self._applied(self.own)
        found = ordered(self.adapter.steps(self.request), self.change)
        if applied:
            at = next(i for i, step in enumerate(found) if step.stage == "config")
            found[at + 1 : at + 1] = applied
        return [*found, *self._applied(self.policies)]

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """What a bundle holds of it under ``cluster/``: path -> text, with STEPS.md where there are steps."""
        if self.pod_cidrs:
            each = {node: replace(self.request, pod_cidrs=(cidr,)) for node, cidr in self.pod_cidrs.items()}
            own = {f"{node}/{a.path}": a.text for node, request in each.items() for a in self._rendered(request)}
        else:
            own = {a.path: a.text for a in self.own}
        found = {**own, **{a.path: a.text for a in self.policies}}
        if not self.steps:
            return found
        lines = [*self.steps_page(), *(f"Mind: {problem.message}." for problem in self.problems)]
        return {**found, "STEPS.md": "\n".join(lines) + "\n"}

    def steps_page(self) -> list[str]:
        """Return STEPS.md as lines."""
        chosen, request = self.adapter, self.request
        if not self.own:
            return [f"# Namespaces: {', '.join(b.namespace for b in self.baselines)}", "", *_numbered(self.steps)]
        value, ends = chosen.numbers(request)
        return [
            f"# {chosen.title}: pod MTU {ends}",
            "",
            f"{chosen.field}: {value}, the {chosen.semantics}'s number; pods end with {ends}.",
            f"Running pods {'keep what they have' if chosen.pods_keep else 'follow'}. "
            f"Order: {'lowering, senders first' if self.change == 'lower' else 'raising, receivers first'}.",
            "",
            *_numbered(self.steps),
        ]

    def _rendered(self, request: CniRequest) -> list[Artifact]:
        if errors(self.problems):
            raise ProblemError(self.problems)
        artifacts = self.adapter.render(request)
        faults = [problem for artifact in artifacts for problem in check(artifact)]
        if faults:
            raise ProblemError(faults)
        return artifacts

    def _applied(self, artifacts: Sequence[Artifact]) -> list[ManualStep]:
        return [
            ManualStep(stage="config", text="dry run" if "--dry-run" in line else "apply", command=line)
            for line in commands(artifacts, self.kubeconfig)
        ]


def network_plan(plan: Plan, change: Change = "lower") -> NetworkPlan:
    """Return the request of a plan to its container network, with the baselines of its namespaces."""
    plugin = plan.file.cni.plugin
    return NetworkPlan(
        # the CNI bridge of our own overlay is installed and set by the rollout: nothing for anyone else to apply
        adapter=bridge.PLANNED if plugin == bridge.PLANNED.name else adapter(plugin),
        request=request_for(plan, plugin, {}, {}),
        change=change,
        baselines=[
            Baseline(
                namespace=entry.name,
                ingress_controller=entry.ingress_controller,
                from_namespaces=tuple(entry.allow_from),
                to_namespaces=tuple(entry.allow_to),
                within=entry.allow_within,
            )
            for entry in plan.file.namespaces
        ],
        pod_cidrs={} if plan.file.overlay_facts else {n.id: n.pod_cidr for n in plan.nodes if n.managed},
    )


def _numbered(todo: Sequence[ManualStep]) -> list[str]:
    lines: list[str] = []
    for number, step in enumerate(todo, 1):
        lines.append(f"{number}. [{step.where}] {step.text}")
        if step.command:
            lines += ["", f"       {step.command}", ""]
    return lines
