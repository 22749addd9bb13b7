"""From evidence to verdicts: what fits under this IPsec on these hosts, and how far each number is from it.

Every number gets one verdict: it is judged, judged on an assumption that is printed, or not judged, with what to give.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from netplan.audit import faults, given_stack, stacked, wording
from netplan.audit.model import Configured, Device, Esp, Evidence, Finding, Verdict
from netplan.audit.other_systems import submariner_devices
from netplan.audit.reach import TOLERANCE, Reach
from netplan.audit.strongswan import own_of
from netplan.audit.variants import MASQUERADED, Variant, base_of, general_family, overlays, variants
from netplan.audit.world import World, build
from netplan.audit.xfrm import DOCKER_MARK
from netplan.cni.adapter import BuiltinIpsec, Clue, Family, Setting
from netplan.cni.adapters.conflist import PAST_THE_HOST
from netplan.cni.adapters.docker import OWN_ESP
from netplan.model.cni_facts import PORTS
from netplan.path.kinds import BY_PACKET, MESH
from netplan.path.model import Hop, Host, NotKnown, Sender
from netplan.path.walk import DEFAULT_LINK, OVER_IPV4, best
from netplan.stack.headers import MIN_MTU

_BARE = ("ip4", "ip6")
_NO_TUNNEL = "no overlay, tunnel or IPsec is among the inputs: packets are taken to leave as they are"
_NOT_COVERED = "the IPsec that was read is for other packets: these are taken to leave as they are"
_ROUTES_IN_PODS = (
    "Cilium leaves the link's MTU on the pods' devices and sets the size on the route inside each pod; "
    "give `ip -j route` of a pod"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the caller says: the MTU between the hosts, or a whole stack, which then decides over what was read."""

    link_mtu: int | None = None
    stack: str | None = None
    said: str = ""


@dataclass(slots=True)
class _Case:
    evidence: Evidence
    given: Given
    world: World
    reach: Reach
    overlays: list[Variant]
    family: Family  # of the hosts' network where a number does not say
    clues: dict[str, list[Clue]]
    configured: frozenset[int]
    live_esps: list[BuiltinIpsec]
    keeps_link: bool  # the network sets its size on routes inside the pods
    faults: list[Finding] = field(default_factory=list)


def verdicts(evidence: Evidence, given: Given) -> tuple[list[Verdict], list[Finding], World]:
    """Return a verdict for every number, and the findings, the worst first; the order of the inputs does not matter."""
    submariner_devices(evidence)
    _in_order(evidence)
    world = build(evidence)
    evidence.settings.sort(key=_place)
    clues: dict[str, list[Clue]] = {}
    for clue in evidence.clues:
        clues.setdefault(clue.system, []).append(clue)
    live = [own_of(p) for h in world.hosts.values() for p in h.protections if p.live]
    live += [own_of(p) for p in world.everywhere.protections if p.live]
    known = overlays(evidence)
    case = _Case(
        evidence,
        given,
        world,
        Reach(world, given.link_mtu),
        known,
        general_family(known, world),
        clues,
        _configured(evidence),
        list(dict.fromkeys(live)),
        any(s.system in ("cilium", "rke2-cilium") for s in evidence.settings),
        list(evidence.faults),
    )
    out: list[Verdict] = []
    found: list[Finding] = []
    for setting in _without_moot(evidence.settings):
        verdict = _setting(setting, case)
        out.append(verdict)
        found += [] if verdict.finding is None else [verdict.finding]
        found += _beside(setting, verdict, case)
    found += [*case.faults, *faults.of(evidence, world), *stacked.findings(evidence, world.hosts.values())]
    order = {"error": 0, "warning": 1, "note": 2}
    return out, sorted(faults.collapsed(found, world), key=lambda f: (order[f.severity], _where(f))), world


Located = Setting | Clue | Finding | Device | Configured | Esp


def _in_order(evidence: Evidence) -> None:
    members: list[Any]
    for members in (evidence.settings, evidence.clues, evidence.links, evidence.configured, evidence.faults):
        members.sort(key=_place)
    evidence.esps.sort(key=_place)


def _place(each: Located) -> tuple[str, int, int, str, str]:
    at = each.location
    return at.path or "", at.line or 0, at.column or 0, getattr(each, "field", ""), getattr(each, "name", "")


def _where(finding: Finding) -> tuple[str, int, int, str]:
    at = finding.location
    return at.path or "", at.line or 0, at.column or 0, finding.message


def _configured(evidence: Evidence) -> frozenset[int]:
    """The pod MTUs that configurations say."""
    return frozenset(
        s.value
        for s in evidence.settings
        if not s.running and s.semantics == "pod" and s.value and s.measure == "mtu" and s.system not in MASQUERADED
    )


def _without_moot(settings: list[Setting]) -> Iterator[Setting]:
    """Leave out what a backend would choose where the pod MTU is forced beside it."""
    forced = {s.system for s in settings if s.semantics == "pod" and s.value and not s.running}
    for setting in settings:
        if not (setting.semantics == "underlay" and setting.value is None and setting.system in forced):
            yield setting


def _setting(setting: Setting, case: _Case) -> Verdict:
    if setting.unjudged:
        return wording.unjudged(setting, setting.unjudged)
    if setting.other_end is not None:
        return wording.two_ends(setting, setting.other_end)
    own_host = case.world.of(setting.location.path)
    device = own_host is not None and setting.device in own_host.interfaces
    if device and setting.semantics == "device":
        kinds = [Variant(setting.encap, setting.family or "ipv4")]
    else:
        clues = case.clues.get(setting.system, [])
        kinds = variants(setting, clues, case.overlays, case.family)
    hosts = [own_host] if own_host is not None and (own_host.name or setting.running or setting.device) else []
    hosts = hosts or list(case.world.hosts.values()) or [case.world.everywhere]
    found: list[Verdict] = []
    for variant in kinds:
        for host in hosts:
            found.append(_compare(setting, variant, host, case))
    # one number serves every pool and host: it is too large when it is for one, wasteful only when it is for all
    errors = [v for v in found if v.finding is not None and v.finding.severity == "error"]
    if errors:
        return max(errors, key=lambda v: (v.finding.too_large or 0) if v.finding else 0)
    unjudged = [v for v in found if v.status == "unjudged"]
    if unjudged:
        return unjudged[0]
    fitting = [v for v in found if v.finding is None]
    assumed = [v for v in fitting if v.status == "assumed"]
    if fitting:
        return (assumed or fitting)[0]
    return min(found, key=lambda v: v.exact or 0)


def _beside(setting: Setting, verdict: Verdict, case: _Case) -> Iterator[Finding]:
    yield from faults.ignored(setting)
    if setting.six and verdict.ends is not None:
        yield from faults.below_ipv6(setting, verdict.ends)
    if verdict.finding is None or verdict.finding.severity != "error":
        yield from faults.stale(setting, case.configured)


def _compare(setting: Setting, variant: Variant, host: Host, case: _Case) -> Verdict:
    try:
        hops = _hops(setting, variant, host, case)
    except NotKnown as reason:
        return wording.unjudged(setting, str(reason), host)
    hop = best(hops)
    link = _link_seen(host, case)
    ends = setting.resulting_mtu(link, variant.encap, variant.family)
    if ends is None:
        return wording.unjudged(
            setting, f"what {setting.system} chooses by itself for {variant.encap} over {variant.family} is not known"
        )
    exact = hop.inner if setting.measure == "mtu" else hop.solution.mss4 - (hop.solution.inner_mtu - hop.inner)
    over = ends - exact
    assumed = tuple(dict.fromkeys(a for h in hops for a in h.assumed))
    if setting.assumes and case.given.link_mtu is None:
        assumed = (*assumed, setting.assumes)
    if variant.guessed and not case.given.stack and hop.stack in _BARE and hop.role not in ("tunnel", "policy"):
        assumed = (*assumed, _NOT_COVERED if host.protections else _NO_TUNNEL)
    tunnelled = any(h.stack not in _BARE for h in hops)
    if setting.system == "pods" and tunnelled and (case.keeps_link or BY_PACKET & host.interfaces.keys()):
        assumed = (*assumed, _ROUTES_IN_PODS)
        over = min(over, 0) if ends <= max(link, hop.solution.link_mtu) else over
    if variant.encap == "wireguard" and over < -TOLERANCE:
        assumed = tuple(a for a in assumed if not a.endswith(OVER_IPV4))  # it is too small over either family
    verdict = Verdict(
        setting=setting,
        status="assumed" if assumed else "judged",
        host=host.name,
        ends=ends,
        exact=exact,
        solution=hop.solution,
        limit=wording.limit(hop),
        assumed=assumed,
    )
    below_six = setting.six and ends < MIN_MTU["ip6"]
    # nothing larger can be written where the program subtracts more than its headers cost
    most = setting.value is not None and setting.value != ends and setting.value >= max(h.mtu for h in hops)
    if over == 0 or below_six or (over < 0 and (assumed or most or _small_is_meant(setting, variant, over))):
        return verdict
    return replace(verdict, finding=wording.finding(setting, variant, verdict, hops))


def _small_is_meant(setting: Setting, variant: Variant, over: int) -> bool:
    if setting.semantics == "route" or MESH.match(setting.device):
        return True  # somebody knows the path behind it; a mesh VPN's size is a constant
    # without a device the kind of outer header is not certain
    return variant.encap == "wireguard" and setting.semantics == "device" and -TOLERANCE <= over < 0


def _link_seen(host: Host, case: _Case) -> int:
    """The link MTU that a program on the host sees, from which it computes its own."""
    seen = case.reach.link_of(host) if case.world.live.get(host.name) else None
    return seen or case.given.link_mtu or case.reach.link_of(host) or DEFAULT_LINK


def _hops(setting: Setting, variant: Variant, host: Host, case: _Case) -> list[Hop]:
    """Return the way of the packets of a number. Raises NotKnown with what is missing."""
    reach = case.reach
    here = setting.device in host.interfaces
    if case.given.stack and case.given.link_mtu:
        return given_stack.hops(setting, host if here else None, case.given.stack, case.given.link_mtu, reach)
    if here and setting.semantics == "device":
        missed = reach.unprotected(host, setting.device)
        if missed:
            case.faults.append(faults.uncovered(setting, missed, setting.encap, setting.port, case.evidence))
        if setting.system == "docker-overlay":
            return _of_docker(setting, host, case)
        return reach.under(host, setting.device, inside=setting.inside)
    if here and setting.semantics == "route":
        return _route(setting, variant, host, case)
    if here and setting.measure == "mss" and host.interfaces[setting.device].role in ("tunnel", "policy"):
        return reach.into(host, setting.device)
    if setting.semantics == "route" and variant.guessed:
        raise NotKnown(f"{setting.device} is not among the inputs: give `ip -d -j addr` of this host")
    if setting.needs_link and reach.link_of(host) is None and case.given.link_mtu is None:
        raise NotKnown(setting.needs_link)
    sender: Sender = "masqueraded" if setting.system in MASQUERADED else "pod" if variant.encap == "none" else "host"
    kind = setting.field.partition("type=")[2].partition("]")[0]
    alone = variant.guessed and kind not in PAST_THE_HOST
    live, encap, said = setting.running and here, "", ""
    if setting.semantics == "pod" and (live or alone) and setting.system not in MASQUERADED:
        carried = reach.pods(host, setting.device)
        if carried is not None:
            return carried
        encap, said = reach.by_packet(host, setting.device) if here and variant.guessed else ("", "")
        if encap:
            variant = replace(variant, encap=encap, port=PORTS.get(base_of(encap)))
            sender = "host"
    own = _seen(variant.own, case)
    if kind in PAST_THE_HOST:
        bare = replace(host, protections=(), catch_all="")
        return reach.network(bare, "none", variant.family, port=None, own=None, sender="pod")[0]
    worst: list[Hop] | None = None
    for each in own:
        hops, missed = reach.network(
            host,
            variant.encap,
            variant.family,
            port=variant.port,
            own=each,
            sender=sender,
            bearer=variant.bearer,
            inside=setting.inside,
            ends=(setting.source, setting.far),
        )
        if missed:
            case.faults.append(faults.uncovered(setting, missed, variant.encap, variant.port, case.evidence))
        worst = hops if worst is None or best(hops).inner < best(worst).inner else worst
    if said:
        return [replace(hop, assumed=(*hop.assumed, said)) for hop in worst or ()]
    return worst or []


def _of_docker(setting: Setting, host: Host, case: _Case) -> list[Hop]:
    """Docker encrypts by VNI, which its policies don't show: take what the MTU was made for, and say so."""
    plain = case.reach.under(host, setting.device)
    if not any(p.kind.mark == DOCKER_MARK for p in case.evidence.policies):
        return plain
    own = BuiltinIpsec(suite=OWN_ESP)
    encrypted, _ = case.reach.network(
        host, "vxlan", setting.family or "ipv4", port=setting.port, own=own, sender="host", inside=setting.inside
    )
    if setting.value is not None and setting.value <= best(encrypted).inner:
        return encrypted
    said = "Docker encrypts by VNI, and which is not shown here: it is taken as not encrypted; give the inspect output"
    return [replace(hop, assumed=(*hop.assumed, said)) for hop in plain]


def _seen(own: BuiltinIpsec | None, case: _Case) -> list[BuiltinIpsec | None]:
    """A network's own IPsec as the kernel shows it, where it does."""
    if own is None:
        return [None]
    return [e for e in case.live_esps if e.mode == own.mode] or [own]


def _worst(variant: Variant, host: Host, case: _Case, sender: Sender) -> list[Hop]:
    """Return the way of a network's packets with the IPsec of its own that leaves the least."""
    ways = [
        case.reach.network(host, variant.encap, variant.family, port=variant.port, own=own, sender=sender)[0]
        for own in _seen(variant.own, case)
    ]
    return min(ways, key=lambda hops: best(hops).inner)


def _route(setting: Setting, variant: Variant, host: Host, case: _Case) -> list[Hop]:
    device = host.interfaces[setting.device]
    if device.role in ("pod", "bridge") and (case.overlays or variant.own):
        return _worst(variant, host, case, "pod" if variant.encap == "none" else "host")
    encap, said = case.reach.by_packet(host, setting.device) if variant.guessed else ("", "")
    if encap:
        hops = _worst(replace(variant, encap=encap, port=PORTS.get(base_of(encap))), host, case, "host")
        return [replace(hop, assumed=(*hop.assumed, *([said] if said else []))) for hop in hops]
    return case.reach.routed(host, setting.device, setting.target)
