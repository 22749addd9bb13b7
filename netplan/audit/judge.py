"""From evidence to findings: what fits on this link under this IPsec, and how far each number is from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from netplan.audit.model import Device, Esp, Evidence, Finding
from netplan.audit.stacks import smallest, stack_text
from netplan.audit.strongswan import own_of
from netplan.cni.adapter import BuiltinIpsec, Clue, Setting
from netplan.cni.adapters.conflist import PAST_THE_HOST
from netplan.model.cni_facts import PORTS, overlay_facts
from netplan.problems import ProblemError
from netplan.stack import Solution, parse, solve
from netplan.stack.headers import HEADERS

DEFAULT_LINK = 1500
_ASK = "give --mtu"
# containers there reach other hosts through NAT: their packets are the host's own
_MASQUERADED = ("docker", "podman")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the caller says: a link MTU, or a whole stack, which then decides over everything that was read."""

    link_mtu: int | None = None
    stack: str | None = None
    said: str = ""


@dataclass(slots=True)
class _Case:
    evidence: Evidence
    given: Given
    link: int
    link_said: str
    overlay: str
    overlay_port: int | None
    family: str
    faults: list[Finding]
    esps: list[Esp]
    clues: dict[str, list[Clue]]
    configured: frozenset[int]


def findings(evidence: Evidence, given: Given) -> list[Finding]:
    """Return every finding, the worst first, in the order of the inputs otherwise."""
    link, said = _link(evidence, given)
    overlay, port = _overlay(evidence)
    clues: dict[str, list[Clue]] = {}
    for clue in evidence.clues:
        clues.setdefault(clue.system, []).append(clue)
    family, faults, esps = _family(evidence), list(evidence.faults), _distinct(evidence.esps)
    case = _Case(evidence, given, link, said, overlay, port, family, faults, esps, clues, _configured(evidence))
    found: list[Finding] = []
    for setting in _without_moot(evidence.settings):
        found += _setting(setting, case)
    found += [*case.faults, *_collisions(evidence)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(_collapsed(found), key=lambda f: order[f.severity])


def _collapsed(found: list[Finding]) -> list[Finding]:
    """One finding for all places of a file that say the same."""
    groups: dict[tuple[str, str, str | None], list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.code, finding.message, finding.location.path), []).append(finding)
    out: list[Finding] = []
    for first, *more in groups.values():
        lines = sorted({f.location.line for f in more if f.location.line} - {first.location.line})
        if lines:
            said = ", ".join(str(line) for line in lines[:8]) + (", ..." if len(lines) > 8 else "")
            first = replace(first, notes=(*first.notes, f"the same in {len(lines)} more lines: {said}"))
        out.append(first)
    return out


def _distinct(esps: list[Esp]) -> list[Esp]:
    """One of all that are alike: a mesh of a thousand hosts has a thousand connections of one kind."""
    found: dict[tuple[object, ...], Esp] = {}
    for esp in esps:
        found.setdefault((esp.suite, esp.mode, esp.nat_t, esp.family, esp.ports, esp.networks, esp.live), esp)
    return list(found.values())


def _configured(evidence: Evidence) -> frozenset[int]:
    """The pod MTUs that configurations say."""
    return frozenset(
        s.value
        for s in evidence.settings
        if not s.running and s.semantics == "pod" and s.value and s.measure == "mtu" and s.system not in _MASQUERADED
    )


def _link(evidence: Evidence, given: Given) -> tuple[int, str]:
    if given.link_mtu is not None:
        return given.link_mtu, given.said or "given"
    live = [link for link in evidence.links if not link.configured and not link.loopback]
    routed = [link for link in live if link.name in evidence.default_devices]
    hardware = [link for link in live if link.up and (not link.kind or link.kind in ("vlan", "bond"))]
    hardware = [link for link in hardware if not link.master] or hardware
    for links in (routed, hardware, [link for link in evidence.links if link.configured]):
        if links:
            best: Device = min(links, key=lambda link: link.mtu)
            doubt = "" if len({link.mtu for link in links}) == 1 else f", the smallest of several; {_ASK}"
            return best.mtu, f"that of {best.name} in {best.location.path}{doubt}"
    return DEFAULT_LINK, f"assumed; {_ASK}"


def _overlay(evidence: Evidence) -> tuple[str, int | None]:
    """The overlay that pods use, and its port, where a number does not say: that of the network, else of a device."""
    known: list[Setting | Clue] = [*evidence.settings, *evidence.clues]
    for each in known:
        if each.encap and each.encap != "none" and each.system not in ("docker-overlay", "vyos", "cisco"):
            return each.encap, each.port or _special_port(each.system, _base(each.encap))
    return "none", None


def _special_port(system: str, encap: str) -> int | None:
    """Return a network's default port where it is not that of the encapsulation."""
    made = overlay_facts(system, encap)
    return made.port if made and made.port != PORTS.get(encap) else None


def _base(encap: str) -> str:
    return encap.partition(":")[0].partition("+")[0]


def _family(evidence: Evidence) -> str:
    known: list[Setting | Clue] = [*evidence.settings, *evidence.clues]
    for each in known:
        if each.family and each.encap not in ("", "none"):
            return each.family
    families = {esp.family for esp in evidence.esps if esp.family}
    return "ipv6" if families == {"ipv6"} else "ipv4"


def _without_moot(settings: list[Setting]) -> Iterator[Setting]:
    """Leave out what a backend would choose where the pod MTU is forced beside it."""
    forced = {s.system for s in settings if s.semantics == "pod" and s.value and not s.running}
    for setting in settings:
        if not (setting.semantics == "underlay" and setting.value is None and setting.system in forced):
            yield setting


def _setting(setting: Setting, case: _Case) -> Iterator[Finding]:
    clues = case.clues.get(setting.system, [])
    each = [_compare(setting, clues, encap, family, case) for encap, family in _variants(setting, clues, case)]
    found = [finding for finding in each if finding is not None]
    worst = max(found, key=lambda f: (f.severity == "error", f.too_large or 0), default=None)
    # one number serves every pool: it is too large when it is for one, and wasteful only when it is for all
    if worst is not None and (worst.severity == "error" or len(found) == len(each)):
        yield worst
    yield from _ignored(setting)
    if worst is None or worst.severity != "error":
        yield from _stale(setting, case.configured)


def _stale(setting: Setting, configured: frozenset[int]) -> Iterator[Finding]:
    """A running pod value that fits, but is not what the configuration says: the next pod gets another one."""
    if setting.running and setting.semantics == "pod" and len(configured) == 1 and setting.value not in configured:
        (wanted,) = configured
        yield Finding(
            code="IPP915",
            severity="note",
            system=setting.system,
            field=setting.field,
            location=setting.location,
            message=f"{setting.system} {setting.field} runs with {setting.value}, the configuration says {wanted}",
            found=setting.value,
            change=setting.change,
        )


def _variants(setting: Setting, clues: list[Clue], case: _Case) -> list[tuple[str, str]]:
    """The encapsulations and families this number has to serve: one, or one for each pool of the network."""
    if setting.encap:
        family = setting.family or next((h.family for h in clues if h.family), None)
        return [(setting.encap, family or case.family)]
    if setting.system in _MASQUERADED:
        return [("none", setting.family or case.family)]
    pools = [(h.encap, setting.family or h.family or case.family) for h in clues if h.encap]
    return list(dict.fromkeys(pools)) or [(case.overlay, setting.family or case.family)]


def _compare(setting: Setting, clues: list[Clue], encap: str, family: str, case: _Case) -> Finding | None:
    notes = [setting.note] if setting.note else []
    link = _link_of(setting, case)
    solution = _exact(setting, clues, encap, family, case, notes)
    if solution is None:
        return _unknown(setting, f"the encapsulation {encap!r} can't be computed")
    ends = setting.resulting_mtu(link, encap, family)
    if ends is None:
        return _unknown(setting, f"what {setting.system} chooses by itself for {encap} over {family} is not known")
    if case.link_said.endswith(_ASK) and not setting.link:
        notes.append(f"the link MTU {link} is {case.link_said}")
    exact = solution.inner_mtu if setting.measure == "mtu" else solution.mss4
    over = ends - exact
    if over == 0 or _fits_ipv6(setting, encap, family, over):
        return None
    said = f"{setting.value}" if setting.value else "automatic"
    what = "MSS" if setting.measure == "mss" else "MTU"
    becomes = "" if setting.value == ends else f", which makes {what} {ends}"
    by = f"too large by {over}" if over > 0 else f"too small by {-over}"
    effect = "full packets are lost or fragmented" if over > 0 else f"{-over} bytes of every packet are wasted"
    return Finding(
        code="IPP911" if over > 0 else "IPP912",
        severity="error" if over > 0 else "note",
        system=setting.system,
        field=setting.field,
        location=setting.location,
        message=f"{setting.system} {setting.field} is {said}{becomes}: {by} (exact {exact}); {effect}",
        change=_change(setting, exact, encap, family),
        found=setting.value,
        ends=ends,
        exact=exact,
        exact_field=setting.required_value(exact, encap, family),
        measure=setting.measure,
        solution=solution,
        notes=tuple(dict.fromkeys(n for n in notes if n)),
    )


def _link_of(setting: Setting, case: _Case) -> int:
    """What was said, else the device that this one stands on, else the hosts' link."""
    return case.given.link_mtu or setting.link or case.link


def _fits_ipv6(setting: Setting, encap: str, family: str, over: int) -> bool:
    """WireGuard leaves room for an IPv6 outer header whatever it runs over; its peers may be either."""
    room = HEADERS["ip6"].bytes - HEADERS["ip4"].bytes
    device = setting.semantics == "device" and setting.family is None
    return encap == "wireguard" and device and family == "ipv4" and -room <= over < 0


def _change(setting: Setting, exact: int, encap: str, family: str) -> str:
    value = setting.required_value(exact, encap, family)
    return f"{setting.change}: {value}" if value is not None else setting.change


def _exact(
    setting: Setting, clues: list[Clue], encap: str, family: str, case: _Case, notes: list[str]
) -> Solution | None:
    link = _link_of(setting, case)
    if case.given.stack:
        try:
            return solve(parse(case.given.stack), link)
        except ProblemError:
            return None
    own = setting.own or next((h.own for h in clues if h.own), None)
    if own:
        return smallest([stack_text(encap, family, o) for o in _seen(own, case.esps, notes)], link)
    kind = setting.field.partition("type=")[2].partition("]")[0]
    if kind in PAST_THE_HOST:
        return smallest([stack_text("none", family, None)], link)
    covering = _covering(setting, clues, encap, family, case)
    inner = setting.system not in _MASQUERADED
    notes += [esp.assumed for esp in covering]
    protecting: list[Esp | None] = [*covering] or [None]
    return smallest([stack_text(encap, family, esp, inner=inner) for esp in protecting], link)


def _seen(own: BuiltinIpsec, esps: list[Esp], notes: list[str]) -> list[BuiltinIpsec]:
    """A network's own IPsec as the kernel shows it, where it does."""
    live = [own_of(esp) for esp in esps if esp.live and esp.mode == own.mode]
    if live:
        notes.append("algorithm and NAT traversal are those of the SAs that were found")
    return list(dict.fromkeys(live)) or [own]


def _covering(setting: Setting, clues: list[Clue], encap: str, family: str, case: _Case) -> list[Esp]:
    """The IPsec that this traffic is in; a selector that misses the overlay's port is remembered."""
    base = _base(encap)
    port = setting.port or next((h.port for h in clues if h.port), None)
    port = port or _special_port(setting.system, base)
    port = port or (case.overlay_port if not setting.encap else None) or PORTS.get(base)
    found: list[Esp] = []
    missed: list[Esp] = []
    for esp in case.esps:
        if esp.family and esp.family != family and base != "none":
            continue
        if base == "none":
            host = setting.system in _MASQUERADED and esp.mode == "transport" and not esp.networks
            if (esp.mode == "tunnel" and esp.ports is None) or (host and esp.ports is None):
                found.append(esp)
        elif esp.networks:
            continue  # traffic between networks behind the hosts; whether the overlay's ends are in them isn't known
        elif esp.ports is None or (port is not None and port in esp.ports):
            found.append(esp)
        elif base in PORTS and base != "wireguard":
            missed.append(esp)
    if not found and missed:
        case.faults.append(_uncovered(setting, missed, base, port))
    return found


def _uncovered(setting: Setting, esps: list[Esp], encap: str, port: int | None) -> Finding:
    ports = ", ".join(str(p) for p in sorted({p for esp in esps for p in esp.ports or ()}))
    return Finding(
        code="IPP913",
        severity="error",
        system=setting.system,
        field=setting.field,
        location=esps[0].location,
        message=f"IPsec selects UDP port {ports}, but the {encap} of {setting.system} uses port {port}: "
        "its packets leave in the clear",
        change=f"select UDP port {port} in both directions",
    )


def _unknown(setting: Setting, why: str) -> Finding:
    return Finding(
        code="IPP918",
        severity="note",
        system=setting.system,
        field=setting.field,
        location=setting.location,
        message=f"{setting.system} {setting.field}: {why}",
        change="give --stack and --mtu",
        found=setting.value,
    )


def _ignored(setting: Setting) -> Iterator[Finding]:
    if "ignores" in setting.note:
        yield Finding(
            code="IPP916",
            severity="warning",
            system=setting.system,
            field=setting.field,
            location=setting.location,
            message=f"{setting.system} {setting.field}: {setting.note}",
            change=setting.change,
        )


def _collisions(evidence: Evidence) -> Iterator[Finding]:
    ours = [esp for esp in evidence.esps if not esp.live]
    for clue in evidence.clues:
        if clue.refuse and ours:
            yield Finding(
                code="IPP914",
                severity="error",
                system=clue.system,
                field="own IPsec",
                location=clue.location,
                message=f"{clue.system} brings its own IPsec while the hosts have theirs "
                f"({ours[0].location.path}): {clue.refuse}",
                change="switch one of the two off",
            )
