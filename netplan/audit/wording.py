"""Verdicts as findings: what is said of a size that is wrong, and of one that can't be judged."""

from __future__ import annotations

from netplan.audit.model import Finding, Verdict
from netplan.audit.variants import Variant
from netplan.cni.adapter import Setting
from netplan.path.model import Hop, Host
from netplan.path.walk import PEER, best
from netplan.stack.headers import HEADERS


def limit(hop: Hop) -> str:
    """Return what limits where it is something else than the host's own link or the path that was given."""
    if hop.kind == "route":
        return f"a route over {hop.device}"
    if hop.kind == "ipv6":
        return f"IPv6 on {hop.device} (net.ipv6.conf.{hop.device.replace('.', '/')}.mtu)"
    return hop.device if hop.role in ("tunnel", "policy", "frame") or hop.device.startswith(PEER) else ""


def finding(setting: Setting, variant: Variant, verdict: Verdict, hops: list[Hop]) -> Finding:
    """Return the finding of a size that is not the exact one."""
    ends, exact = verdict.ends or 0, verdict.exact or 0
    over = ends - exact
    said = f"{setting.value}" if setting.value else "automatic"
    what = "MSS" if setting.measure == "mss" else "MTU"
    becomes = "" if setting.value == ends else f", which makes {what} {ends}"
    by = f"too large by {over}" if over > 0 else f"too small by {-over}"
    effect = "full packets are lost or fragmented" if over > 0 else f"{-over} bytes of every packet are wasted"
    wanted = setting.required_value(exact, variant.encap, variant.family)
    link = max(h.mtu for h in hops)
    raised = over < 0 and wanted is not None and wanted > link
    change = f"{setting.change}: {wanted}" if wanted is not None else setting.change
    if over < 0 and setting.running and setting.device:
        change += ", on all hosts at once: the one that stays smaller drops what is larger"
    if raised:
        change = f"none: it would need {wanted}, and no device on the way carries more than {link}"
    notes = [setting.note, *verdict.assumed]
    if verdict.limit:
        notes.append(f"{verdict.limit} limits, with {best(hops).mtu}")
    return Finding.about(
        setting,
        "IPP911" if over > 0 else "IPP912",
        "error" if over > 0 else "note",
        f"{setting.system} {setting.field} is {said}{becomes}: {by} (exact {exact}); {effect}",
        change=change,
        found=setting.value,
        ends=ends,
        exact=exact,
        exact_field=None if raised else wanted,
        measure=setting.measure,
        solution=verdict.solution,
        notes=tuple(dict.fromkeys(n for n in notes if n)),
    )


def two_ends(setting: Setting, other: int) -> Verdict:
    """Return the verdict of one end of a veth whose other end is smaller.

    The other end takes what is up to 4 bytes larger than its MTU (a VLAN tag) and drops the rest without an ICMP
    message (measured on Linux 6.18 with the plugins bridge and tuning: ``findings/cni-tuning-mtu-of-one-end.sh``).
    """
    most = other + HEADERS["vlan"].bytes
    said = Finding.about(
        setting,
        "IPP911",
        "error",
        f"{setting.system} {setting.field} is {setting.value}, and the other end of its veth gets {other}: "
        f"what is larger than {most} bytes is dropped there, without an ICMP message",
        change=f"{setting.change}: the same for both ends",
        found=setting.value,
        ends=setting.value,
        exact=other,
        notes=(setting.note,) if setting.note else (),
    )
    return Verdict(setting=setting, status="judged", ends=setting.value, exact=other, finding=said)


def unjudged(setting: Setting, why: str, host: Host | None = None) -> Verdict:
    """Return the verdict of a number that can't be judged, with why and what to give."""
    said = Finding.about(
        setting,
        "IPP918",
        "note",
        f"{setting.system} {setting.field}: not judged: {why}",
        change="" if "give" in why else "give --stack and --mtu",
        found=setting.value,
    )
    return Verdict(
        setting=setting,
        status="unjudged",
        host=host.name if host else "",
        ends=setting.value,
        why=why,
        finding=None if "ignores" in setting.note else said,  # that is said by itself
    )
