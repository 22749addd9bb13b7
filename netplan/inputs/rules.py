"""Rules that need more than one field, or the words of the field: one small function each, all findings at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from netplan.inputs import rules_kernel, rules_network, rules_trap_any
from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.yaml_source import Key
from netplan.model.cni_facts import KERNEL_VXLAN, PORTS
from netplan.model.ids import CLUSTER_NAME
from netplan.model.lifetimes import LEAST_MARGIN_S, duration, longest, margin, seconds, shortest
from netplan.model.proposals import EspProposal, IkeProposal, esp_proposal, ike_proposal
from netplan.model.proposals.keywords import GROUPS, INTEGRITY
from netplan.model.proposals.profiles import PROFILES
from netplan.model.topology import rules
from netplan.problems import Problem, ProblemError, closest, quoted
from netplan.stack import parse
from netplan.stack.transforms import usual_name

_DEVICE = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}\Z")


def validate(loaded: LoadedPlan) -> list[Problem]:
    """Check a plan file by itself; returns errors and warnings."""
    return [problem for rule in RULES for problem in rule(loaded)]


def validate_with(loaded: LoadedPlan, inventory: Inventory) -> list[Problem]:
    """Check a plan file against the hosts of its inventory."""
    return list(_rule_names(loaded, inventory))


def _cluster_name(loaded: LoadedPlan) -> Iterator[Problem]:
    if not re.fullmatch(CLUSTER_NAME, loaded.plan.name):
        yield loaded.source.problem(
            "IPP401",
            f"{quoted(loaded.plan.name)} is not a cluster name",
            ("name",),
            hint="lower-case letters, digits and '-', at most 40, beginning and ending with a letter or digit",
        )


def _inventory_path(loaded: LoadedPlan) -> Iterator[Problem]:
    if not loaded.plan.inventory or "\0" in loaded.plan.inventory:
        yield loaded.source.problem("IPP401", "inventory must name a file or directory", ("inventory",))


def _pattern(loaded: LoadedPlan) -> Iterator[Problem]:
    if not loaded.plan.nodes.strip() or loaded.plan.nodes.startswith(("-", "@")):
        yield loaded.source.problem(
            "IPP401",
            f"{quoted(loaded.plan.nodes)} is not a host pattern",
            ("nodes",),
            hint="a group or host of the inventory, such as k8s_nodes or k8s_nodes:!drained",
        )


def _xfrm_interface(loaded: LoadedPlan) -> Iterator[Problem]:
    """An XFRM interface needs tunnel mode, a port that tells overlay from ESP, and a kernel that asks for a route."""
    plan, at = loaded.plan, ("ipsec", "xfrm_interface")
    if not plan.ipsec.xfrm_interface:
        return
    if plan.ipsec.mode != "tunnel":
        yield loaded.source.problem(
            "IPP402",
            f"ipsec.xfrm_interface does not go with ipsec.mode {plan.ipsec.mode}: a route leads packets into the "
            "interface, and there ESP has to give them the outer addresses of a tunnel",
            at,
            hint="mode: tunnel, or leave ipsec.xfrm_interface out",
        )
    if plan.ipsec.protect == "hosts":
        yield loaded.source.problem(
            "IPP402",
            "ipsec.xfrm_interface can't protect everything between the hosts: ESP has the addresses of what it "
            "carries, so a route to the peer through the interface would lead ESP into itself",
            at,
            hint="protect: overlay, whose packets a rule tells from ESP by their UDP port; or no xfrm_interface",
        )
    if plan.overlay_facts is not None:
        yield loaded.source.problem(
            "IPP402",
            f"ipsec.xfrm_interface is not tried with the overlay that {plan.cni.plugin} makes: a device bound to "
            "a link, Open vSwitch or eBPF may pass beside the route into the interface",
            at,
            hint="mode: tunnel without it has the same packets and MTU",
        )


def _device_names(loaded: LoadedPlan) -> Iterator[Problem]:
    for key in ("device", "bridge"):
        name = getattr(loaded.plan.overlay, key)
        if not _DEVICE.fullmatch(name):
            yield loaded.source.problem(
                "IPP401",
                f"{quoted(name)} is not an interface name",
                ("overlay", key),
                hint="at most 15 letters, digits, '_', '.' and '-'",
            )
    if loaded.plan.overlay.device == loaded.plan.overlay.bridge:
        yield loaded.source.problem("IPP401", "overlay.device and overlay.bridge are the same", ("overlay", "device"))


def _overlay_port(loaded: LoadedPlan) -> Iterator[Problem]:
    overlay, at = loaded.plan.overlay, loaded.source.values
    if overlay.type in ("gre", "ipip"):
        for key in ("port", "vni", "device"):
            if at.get(("overlay", key)) is not None:
                yield loaded.source.problem(
                    "IPP402",
                    f"overlay.{key} has no meaning for {overlay.type}, which is a tunnel for each pair",
                    ("overlay", key),
                    hint=f"leave it out, or take vxlan, which has a {key}",
                )
        if loaded.plan.ipsec.protect != "hosts":
            yield loaded.source.problem(
                "IPP402",
                f"overlay.type {overlay.type} has no port that ESP, the guard and the proof could go by",
                ("overlay", "type"),
                hint="protect: hosts covers it, with SSH left clear; or take vxlan or geneve",
            )
        return
    # a selector or guard rule on these would cut IKE, SSH tunnels or name service, or encrypt IKE in itself
    reserved = {500: "IKE", 4500: "IKE and ESP behind NAT", 53: "DNS", 67: "DHCP", 68: "DHCP", 123: "NTP"}
    port = loaded.plan.overlay.udp_port
    if port in reserved:
        yield loaded.source.problem(
            "IPP404",
            f"overlay.port {port} is the port of {reserved[port]}",
            ("overlay", "port"),
            hint=f"VXLAN uses {PORTS['vxlan']} ({KERNEL_VXLAN} in older Linux set-ups), Geneve {PORTS['geneve']}",
        )


def _hosts(loaded: LoadedPlan) -> Iterator[Problem]:
    """An exception of ``protect: hosts`` must not open what it is there to close."""
    ipsec, at = loaded.plan.ipsec, ("ipsec", "clear")
    if ipsec.protect != "hosts":
        if loaded.source.values.get(at) is not None:
            yield loaded.source.problem(
                "IPP402",
                "ipsec.clear has no meaning with protect: overlay, where only the overlay is protected",
                at,
                hint="protect: hosts, or leave ipsec.clear out",
            )
        return
    forbidden = {
        f"udp/{loaded.plan.overlay.udp_port}": "the overlay",
        "udp/500": "IKE, which is never encrypted in itself",
        "udp/4500": "IKE, which is never encrypted in itself",
    }
    for index, service in enumerate(ipsec.clear):
        if service in forbidden:
            yield loaded.source.problem(
                "IPP404",
                f"{service} can't be in ipsec.clear: it is {forbidden[service]}",
                (*at, index),
                hint="list services of the hosts only, for example tcp/22 (SSH)",
            )
        elif int(service.partition("/")[2]) > 65535:
            yield loaded.source.problem(
                "IPP404",
                f"{service}: port must be 1 to 65535",
                (*at, index),
                hint="write PROTOCOL/PORT, for example tcp/22",
            )
    if "tcp/22" not in ipsec.clear:
        yield loaded.source.problem(
            "IPP405",
            "SSH between hosts is protected too: without an SA one can't log in from the other",
            at,
            hint="clear: [tcp/22] keeps it outside; it is encrypted by itself",
            warning=True,
        )


def _topology(loaded: LoadedPlan) -> Iterator[Problem]:
    topology, at = loaded.plan.ipsec.topology, ("ipsec", "topology")
    given = [key for key in ("hub", "zones", "between") if getattr(topology, key) is not None]
    if len(given) + (topology.shape is not None) != 1:
        yield loaded.source.problem(
            "IPP208",
            f"ipsec.topology has {' and '.join(given) or 'nothing'}; it takes exactly one of hub, zones, between",
            at,
        )


def _profile(loaded: LoadedPlan) -> Iterator[Problem]:
    profile = PROFILES[loaded.plan.ipsec.profile]
    if profile.note:
        yield loaded.source.problem("IPP405", profile.note, ("ipsec", "profile"), warning=True)


def _proposals(loaded: LoadedPlan) -> Iterator[Problem]:
    ipsec = loaded.plan.ipsec
    for index, text in enumerate(ipsec.esp):
        yield from _esp(loaded, text, ("ipsec", "esp", index))
    for index, text in enumerate(ipsec.ike):
        yield from _ike(loaded, text, ("ipsec", "ike", index))


def _esp(loaded: LoadedPlan, text: str, at: Key) -> Iterator[Problem]:
    proposal = esp_proposal(text)
    if proposal is None:
        near = usual_name(text)
        such = "an AEAD such as aes256gcm16-x25519, or cipher-integrity such as aes256-sha256-x25519"
        yield loaded.source.problem(
            "IPP403",
            f"{quoted(text)} is not an ESP proposal",
            at,
            hint=f"did you mean {near}?" if near and esp_proposal(near) else such,
        )
        return
    if proposal.unknown:
        near = closest(proposal.unknown[0], (*GROUPS, *INTEGRITY))
        yield loaded.source.problem(
            "IPP403",
            f"{quoted(text)}: {proposal.unknown[0]} is no word of an ESP proposal",
            at,
            hint=f"did you mean {near}?" if near else "cipher, integrity, key exchange, esn or noesn",
        )
        return
    try:
        parse(f"ip4/esp:{proposal.suite}")
    except ProblemError as error:
        yield loaded.source.problem("IPP403", error.problems[0].message, at, hint=error.problems[0].hint)
        return
    yield from _judged(loaded, proposal, at)
    if not proposal.weakness and not proposal.key_exchange:
        yield loaded.source.problem(
            "IPP405",
            f"{quoted(text)} has no key exchange: rekeying is without perfect forward secrecy",
            at,
            hint=f"{text}-x25519",
            warning=True,
        )


def _ike(loaded: LoadedPlan, text: str, at: Key) -> Iterator[Problem]:
    proposal = ike_proposal(text)
    if isinstance(proposal, str):
        yield loaded.source.problem(
            "IPP403",
            f"{quoted(text)} is not an IKE proposal: {proposal}",
            at,
            hint="such as aes256gcm16-prfsha384-ecp384",
        )
        return
    yield from _judged(loaded, proposal, at)


def _judged(loaded: LoadedPlan, proposal: EspProposal | IkeProposal, at: Key) -> Iterator[Problem]:
    """What the RFCs and the profile say about a proposal."""
    name, kind = loaded.plan.ipsec.profile, at[1]
    profile = PROFILES[name]
    best = (profile.esp if kind == "esp" else profile.ike)[0]
    text = quoted(proposal.text)
    if proposal.weakness:
        yield loaded.source.problem("IPP404", f"{text} is refused: {proposal.weakness}", at, hint=f"use {best}")
        return
    outside = sorted(proposal.words - profile.allowed) if profile.allowed is not None else []
    lacking = bool(profile.required) and not proposal.words & profile.required
    if outside or lacking:
        why = (
            f"has no {'ML-KEM-1024' if name == 'cnsa2' else 'required word'}"
            if not outside
            else f"does not allow {outside[0]}"
        )
        subject = f"the profile {name} {why}" if outside else f"it {why}, which the profile {name} requires"
        yield loaded.source.problem(
            "IPP404", f"{text} is refused: {subject} ({profile.source})", at, hint=f"use {best}"
        )
        return
    given = loaded.source.values.get(at) is not None
    for doubt in proposal.doubts if given else ():
        yield loaded.source.problem("IPP405", f"{text}: {doubt}", at, hint=f"use {best} to avoid this", warning=True)


def _lifetimes(loaded: LoadedPlan) -> Iterator[Problem]:
    profile = PROFILES[loaded.plan.ipsec.profile]
    for key, limit, least in (("ike", profile.ike_life, 600), ("child", profile.child_life, 300)):
        text, at = getattr(loaded.plan.ipsec.lifetimes, key), ("ipsec", "lifetimes", key)
        life = seconds(text)
        if life is None:
            yield loaded.source.problem("IPP409", f"{quoted(text)} is not a time", at, hint="such as 4h, 90m or 3600s")
        elif life < least or margin(life) < LEAST_MARGIN_S:
            least = max(least, 10 * LEAST_MARGIN_S)
            yield loaded.source.problem("IPP409", f"{text} is too short: at least {duration(least)}", at)
        elif longest(life) > limit:
            yield loaded.source.problem(
                "IPP409",
                f"{key} lifetime {text}: the responder's SAs may live {duration(longest(life))}; "
                f"the limit is {duration(limit)} ({profile.source if key == 'child' else 'NIST SP 800-77r1'})",
                at,
                hint=f"use {duration(shortest(limit))} or less",
            )


def _family(loaded: LoadedPlan) -> Iterator[Problem]:
    underlay = loaded.plan.underlay
    sizes: list[tuple[Key, int]] = [(("underlay", "mtu"), underlay.mtu)]
    sizes += [(("underlay", "paths", i, "mtu"), rule.mtu) for i, rule in enumerate(underlay.paths)]
    sizes = sizes if "ipv6" in underlay.families else []
    for n, network in enumerate(underlay.networks):
        if network.family == "ipv6":
            at: Key = ("underlay", "networks", n)
            sizes.append(((*at, "mtu"), network.mtu))
            sizes += [((*at, "paths", i, "mtu"), rule.mtu) for i, rule in enumerate(network.paths)]
    for place, mtu in sizes:
        if mtu < 1280:
            yield loaded.source.problem(
                "IPP406", f"an IPv6 link has at least 1280 bytes, not {mtu} (RFC 8200 section 5)", place
            )


def _rule_names(loaded: LoadedPlan, inventory: Inventory) -> Iterator[Problem]:
    known = sorted({g for host in inventory.hosts for g in host.groups | {host.name}})
    places: list[tuple[Key, str]] = [
        (("underlay", "paths", index, "between", end), name)
        for index, rule in enumerate(loaded.plan.underlay.paths)
        for end, name in enumerate(rule.between)
    ]
    places += [
        (("underlay", "networks", n, "paths", index, "between", end), name)
        for n, network in enumerate(loaded.plan.underlay.networks)
        for index, rule in enumerate(network.paths)
        for end, name in enumerate(rule.between)
    ]
    topology = loaded.plan.ipsec.topology
    if topology.hub is not None:
        places.append((("ipsec", "topology", "hub"), topology.hub))
    places += [(("ipsec", "topology", "zones", i), name) for i, name in enumerate(topology.zones or ())]
    places += [
        (("ipsec", "topology", "between", i, end), name)
        for i, two in enumerate(topology.between or ())
        for end, name in enumerate(two)
    ]
    for at, name in places:
        if name not in known:
            near = closest(name, known)
            yield loaded.source.problem(
                "IPP407",
                f"{quoted(name)} is no group or host of the inventory",
                at,
                hint=f"did you mean {near}?" if near else f"known: {' '.join(known[:12])}",
            )
    for one, other in rules(topology) if topology.zones is not None else ():
        both = [h.name for h in inventory.hosts if one in h.groups | {h.name} and other in h.groups | {h.name}]
        if both:
            yield loaded.source.problem(
                "IPP407",
                f"host {quoted(both[0])} is in both zones {quoted(one)} and {quoted(other)}",
                ("ipsec", "topology", "zones"),
                hint="a host is in one zone at most; `between` takes any pairs of groups",
            )


RULES: tuple[Callable[[LoadedPlan], Iterator[Problem]], ...] = (
    _cluster_name,
    _inventory_path,
    _pattern,
    _hosts,
    _xfrm_interface,
    _topology,
    _device_names,
    _overlay_port,
    _profile,
    _proposals,
    _lifetimes,
    rules_kernel.rule,
    _family,
    rules_trap_any.rule,
    *rules_network.RULES,
)
