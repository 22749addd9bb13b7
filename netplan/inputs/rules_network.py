"""Rules over networks: the container network (``cni``, ``overlay``, ``namespaces``) and ``underlay.networks``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.inputs.load import LoadedPlan
from netplan.inputs.yaml_source import Key
from netplan.model.cni_facts import NAMESPACE, NETWORKS, SYSTEM_NAMESPACES, CniFacts
from netplan.model.planfile import SECOND
from netplan.problems import Problem, closest, quoted

_VERSION = re.compile(r"^v?(\d{1,4})\.(\d{1,4})(\.\d{1,6})?([.+-][A-Za-z0-9.+-]{1,40})?\Z", re.ASCII)


def _network(loaded: LoadedPlan) -> CniFacts | None:
    return NETWORKS.get(loaded.plan.cni.plugin)


def plugin(loaded: LoadedPlan) -> Iterator[Problem]:
    """Refuse a network that is not known, or that a plan can't protect."""
    name, known, at = loaded.plan.cni.plugin, _network(loaded), ("cni", "plugin")
    if known is None:
        near = closest(name, NETWORKS)
        usable = " ".join(n for n, network in NETWORKS.items() if not network.refused)
        hint = f"did you mean {near}?" if near else f"known: {usable}"
        yield loaded.source.problem("IPP402", f"cni.plugin {quoted(name)} is no network that we know", at, hint=hint)
    elif known.refused:
        hint = "`ipsecplan network` writes its files; the plan is for the network that carries the pods"
        yield loaded.source.problem("IPP402", f"cni.plugin {name} can't be protected: {known.refused}", at, hint=hint)


def version(loaded: LoadedPlan) -> Iterator[Problem]:
    """A version that is none, or newer than what was checked."""
    text, known, at = loaded.plan.cni.version, _network(loaded), ("cni", "version")
    if text is None or known is None:
        return
    match = _VERSION.match(text)
    if not match:
        hint = "such as 3.31 or 1.20.0, in quotes: 1.20 without them is the number 1.2"
        yield loaded.source.problem("IPP401", f"cni.version {quoted(text)} is no version", at, hint=hint)
    elif known.newest and (int(match[1]), int(match[2])) > tuple(map(int, known.newest.split("."))):
        message = f"{loaded.plan.cni.plugin} {text} is newer than {known.newest}, which its fields were checked against"
        hint = "read its release notes for MTU; `ipsecplan network --list --json` says what was checked"
        yield loaded.source.problem("IPP405", message, at, hint=hint, warning=True)


def overlay(loaded: LoadedPlan) -> Iterator[Problem]:
    """A network that makes its own overlay decides over it; what the plan says beside has to agree."""
    plan, known = loaded.plan, _network(loaded)
    if known is None or not known.overlays:
        return
    name, kinds = plan.cni.plugin, known.overlays
    made = kinds.get(plan.overlay.type)
    if made is None:
        message = f"{name} makes no {plan.overlay.type} overlay"
        hint = f"overlay.type: {next(iter(kinds))}; without the key overlay, the network's own defaults hold"
        yield loaded.source.problem("IPP901", message, ("overlay", "type"), hint=hint)
        return
    given = _given(loaded)
    for key, own in (("port", made.port), ("vni", made.vni)):
        value = getattr(plan.overlay, key)
        if key in given and key not in made.plan_may_set and value != own:
            what = f"{name} uses {own}" if own is not None else f"{name} numbers its networks by itself"
            hint = f"overlay.{key}: {own}, or leave it out" if own is not None else f"leave overlay.{key} out"
            message = f"overlay.{key} {value}, but {what}, which its configuration does not let a plan change"
            yield loaded.source.problem("IPP905", message, ("overlay", key), hint=hint)
    for key in ("device", "bridge"):
        if key in given:
            message = f"overlay.{key} is for an overlay of our own; {name} makes and names its devices by itself"
            yield loaded.source.problem("IPP905", message, ("overlay", key), hint=f"leave overlay.{key} out")


def _given(loaded: LoadedPlan) -> set[str]:
    data = loaded.source.data
    section = data.get("overlay") if isinstance(data, dict) else None
    return {str(key) for key in section} if isinstance(section, dict) else set()


def options(loaded: LoadedPlan) -> Iterator[Problem]:
    """Options without which the network's files would be wrong."""
    known, cni = _network(loaded), loaded.plan.cni
    for name in known.needs if known else ():
        if name not in cni.options and not cni.existing:
            message = f"{cni.plugin} needs cni.options.{name}: its whole pod network, of which nodes get their subnets"
            hint = "such as options: {network: 10.244.0.0/16}; or existing: [FILE], a dump of what the cluster has now"
            yield loaded.source.problem("IPP905", message, ("cni", "options"), hint=hint)


def namespaces(loaded: LoadedPlan) -> Iterator[Problem]:
    """Names that are none, that stand twice, or that must not be closed."""
    plan, known = loaded.plan, _network(loaded)
    if plan.namespaces and known is not None and not known.kubernetes:
        yield loaded.source.problem("IPP901", f"{plan.cni.plugin} has no namespaces", ("namespaces",), on="key")
    elif plan.namespaces and known is not None and not known.policies:
        message = f"{plan.cni.plugin} enforces no NetworkPolicy: these do nothing without a policy engine beside it"
        yield loaded.source.problem("IPP405", message, ("namespaces",), on="key", warning=True)
    seen: set[str] = set()
    for index, entry in enumerate(plan.namespaces):
        at: Key = ("namespaces", index)
        named = [((*at, "name"), entry.name)]
        if entry.ingress_controller is not None:
            named.append(((*at, "ingress_controller"), entry.ingress_controller))
        for key in ("allow_from", "allow_to"):
            named += [((*at, key, i), text) for i, text in enumerate(getattr(entry, key))]
        for place, text in named:
            if not NAMESPACE.match(text):
                hint = "lower-case letters, digits and '-', at most 63 (RFC 1123)"
                yield loaded.source.problem("IPP401", f"{quoted(text)} is not a namespace", place, hint=hint)
        if entry.name in SYSTEM_NAMESPACES:
            message = f"default deny in {entry.name} cuts the cluster off from itself"
            hint = "name the namespaces of workloads only"
            yield loaded.source.problem("IPP404", message, (*at, "name"), hint=hint)
        if entry.ingress_controller is not None and entry.name == entry.ingress_controller:
            message = f"{entry.name} is the ingress controller itself: clients from outside could not reach it any more"
            yield loaded.source.problem("IPP404", message, (*at, "name"))
        if entry.name in seen:
            message = f"namespace {quoted(entry.name)} is listed twice"
            yield loaded.source.problem("IPP203", message, (*at, "name"))
        seen.add(entry.name)
    yield from _unknown_controller(loaded)


def _unknown_controller(loaded: LoadedPlan) -> Iterator[Problem]:
    """One entry with another ingress controller than all the rest is more often a slip than a choice."""
    used = [entry.ingress_controller for entry in loaded.plan.namespaces if entry.ingress_controller]
    for index, entry in enumerate(loaded.plan.namespaces):
        name = entry.ingress_controller
        others = {other for other in used if other != name}
        if name and used.count(name) == 1 and len(others) == 1 and len(used) > 2:
            near = closest(name, others)
            if near:
                at = ("namespaces", index, "ingress_controller")
                message = f"ingress controller {quoted(name)} is named once, {near} everywhere else"
                hint = f"did you mean {near}?"
                yield loaded.source.problem("IPP405", message, at, hint=hint, warning=True)


def additional_networks(loaded: LoadedPlan) -> Iterator[Problem]:
    """Refuse additional networks that nothing protects, and names that can't be told apart."""
    plan, at = loaded.plan, ("underlay", "networks")
    if plan.underlay.networks and plan.ipsec.protect != "hosts":
        yield loaded.source.problem(
            "IPP402",
            "underlay.networks has no meaning with protect: overlay: the overlay runs over one network, and "
            "nothing else is protected",
            at,
            hint="protect: hosts, or leave underlay.networks out",
        )
        return
    names: set[str] = set()
    for index, network in enumerate(plan.underlay.networks):
        place: Key = (*at, index, "name")
        if network.name == SECOND:
            yield loaded.source.problem(
                "IPP401", f"{quoted(SECOND)} is the network that underlay.family dual makes", place, hint="another name"
            )
        elif network.name in names:
            yield loaded.source.problem("IPP401", f"two networks are called {quoted(network.name)}", place)
        elif plan.ipsec.auth == "raw-keys":
            yield loaded.source.problem(
                "IPP402",
                f"the network {network.name} can't have auth: raw-keys: an additional network needs a further identity "
                "of each host, and charon knows a raw public key by one",
                place,
                hint="auth: certificates or psk",
            )
        names.add(network.name)


RULES = (additional_networks, plugin, version, overlay, options, namespaces)
