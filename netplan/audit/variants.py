"""The kinds of packets that a number has to serve: one, or one for each pool of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netplan.audit.model import Evidence
from netplan.audit.world import World
from netplan.cni.adapter import BuiltinIpsec, Clue, Family, Setting
from netplan.model.cni_facts import PORTS, overlay_facts

# containers there reach other hosts through NAT: their packets are the host's own
MASQUERADED = ("docker", "podman")
# systems whose encapsulation is that of their own numbers, not of pods elsewhere
_OF_THEIR_OWN = (
    *("docker-overlay", "vyos", "cisco", "networkd", "canonical", "networkmanager", "ifupdown", "linux"),
    *("submariner", "libreswan"),
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of packet that a number has to serve."""

    encap: str
    family: Family
    port: int | None = None
    own: BuiltinIpsec | None = None
    bearer: str = ""
    guessed: bool = False  # no input says what the network does


def overlays(evidence: Evidence) -> list[Variant]:
    """The overlays that pods use, where a number does not say: those of the container networks."""
    known: list[Setting | Clue] = [*evidence.settings, *evidence.clues]
    families: dict[str, Family] = {e.system: e.family for e in known if e.family}
    found = [
        Variant(
            e.encap,
            e.family or families.get(e.system, "ipv4"),
            e.port or special_port(e.system, base_of(e.encap)),
            e.own,
        )
        for e in known
        if e.encap
        and (e.encap != "none" or e.own)
        and e.system not in _OF_THEIR_OWN
        and getattr(e, "measure", "mtu") == "mtu"
    ]
    return list(dict.fromkeys(found))


def special_port(system: str, encap: str) -> int | None:
    """Return a network's default port where it is not that of the encapsulation."""
    made = overlay_facts(system, encap)
    return made.port if made and made.port != PORTS.get(encap) else None


def base_of(encap: str) -> str:
    """Return an encapsulation without its options and what is around it."""
    return encap.partition(":")[0].partition("+")[0]


def variants(setting: Setting, clues: list[Clue], overlays: list[Variant], general: Family) -> list[Variant]:
    """The packets that this number has to serve: one kind, or one for each pool of the network."""
    said = next((h.family for h in clues if h.family), None)
    # another network's encryption is its own: a Docker overlay without it stays without it
    shared = [] if setting.system == "docker-overlay" else clues
    own = setting.own or next((h.own for h in shared if h.own), None)
    port = setting.port or next((h.port for h in clues if h.port), None)
    bearer = setting.bearer or next((h.bearer for h in clues if h.bearer), "")
    if setting.encap:
        family, place = setting.family or said or general, port or _port(setting.system, setting.encap)
        return [Variant(setting.encap, family, place, own, bearer)]
    if setting.system in MASQUERADED:
        return [Variant("none", setting.family or general, None, own)]
    pools = [
        Variant(h.encap, setting.family or h.family or general, port or _port(setting.system, h.encap), own, bearer)
        for h in clues
        if h.encap
    ]
    others = [
        replace(o, family=setting.family or o.family, port=o.port or _port(setting.system, o.encap), own=own or o.own)
        for o in overlays
    ]
    return list(dict.fromkeys(pools or others)) or [Variant("none", setting.family or general, None, own, guessed=True)]


def _port(system: str, encap: str) -> int | None:
    base = base_of(encap)
    return special_port(system, base) or PORTS.get(base)


def general_family(found: list[Variant], world: World) -> Family:
    """Return the family of the hosts' network where a number does not say: the overlays', else the IPsec's."""
    if found:
        return found[0].family
    families = {p.family for h in [*world.hosts.values(), world.everywhere] for p in h.protections if p.family}
    return "ipv6" if families == {"ipv6"} else "ipv4"
