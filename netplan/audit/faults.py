"""Findings beside the comparison of sizes, and how many alike become one."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from dataclasses import replace

from netplan.audit.model import Evidence, Finding
from netplan.audit.world import World
from netplan.audit.xfrm import DOCKER_MARK
from netplan.cni.adapter import Setting
from netplan.cni.adapters.calico import ENV
from netplan.path.model import Protection
from netplan.problems import counted
from netplan.stack.headers import MIN_MTU

_SHOWN = 8  # lines or hosts that a note names


def of(evidence: Evidence, world: World) -> Iterator[Finding]:
    """Generate what the evidence as a whole shows."""
    yield from _collisions(evidence, world)
    yield from _marked_elsewhere(evidence)
    yield from _overridden(evidence)
    yield from _exempt(evidence, world)


def ignored(setting: Setting) -> Iterator[Finding]:
    """A field that the program does not look at."""
    if "ignores" in setting.note:
        yield Finding.about(
            setting,
            "IPP916",
            "warning",
            f"{setting.system} {setting.field}: {setting.note}",
            change=setting.change,
        )


def below_ipv6(setting: Setting, ends: int) -> Iterator[Finding]:
    """An MTU of pods with IPv6 that IPv6 can't use: the container does not start, or has no IPv6."""
    least = MIN_MTU["ip6"]
    if ends < least:
        yield Finding.about(
            setting,
            "IPP917",
            "error",
            f"{setting.system} {setting.field} is {ends}, and its network has IPv6, which needs {least}: "
            "containers on it do not start",
            found=setting.value,
            ends=ends,
            exact=least,
            change=f"{setting.change}: {least} or more, or take IPv6 off the network",
        )


def stale(setting: Setting, configured: frozenset[int]) -> Iterator[Finding]:
    """A running pod value that fits, but is not what the configuration says: the next pod gets another one."""
    if setting.system != "pods" and not (setting.running and setting.semantics == "pod" and not setting.device):
        return
    if setting.running and setting.semantics == "pod" and len(configured) == 1 and setting.value not in configured:
        (wanted,) = configured
        yield Finding.about(
            setting,
            "IPP915",
            "note",
            f"{setting.system} {setting.field} runs with {setting.value}, the configuration says {wanted}",
            found=setting.value,
            change=setting.change,
        )


def uncovered(setting: Setting, missed: list[Protection], encap: str, port: int | None, evidence: Evidence) -> Finding:
    """IPsec whose selectors miss the overlay's port."""
    ports = ", ".join(str(p) for p in sorted({p for each in missed for p in each.ports or ()}))
    places = [e.location for e in evidence.esps if e.ports] + [p.location for p in evidence.policies if p.kind.ports]
    base = encap.partition(":")[0].partition("+")[0]
    return Finding(
        code="IPP913",
        severity="error",
        system=setting.system,
        field=setting.field,
        location=min(places, key=str, default=setting.location),
        message=f"IPsec selects UDP port {ports}, but the {base} of {setting.system} uses port {port}: "
        "its packets leave in the clear",
        change=f"select UDP port {port} in both directions",
    )


def _exempt(evidence: Evidence, world: World) -> Iterator[Finding]:
    """A link that IPsec is taken off, on a host whose policies are for what leaves by links."""
    for location, device in evidence.exempt:
        host = world.of(location.path) or world.everywhere
        known = host.interfaces.get(device)
        link = device == "all" or (known is not None and known.role == "link")
        if link and any(p.mark is None and p.if_id is None for p in host.protections):
            name = f"net.ipv4.conf.{device.replace('.', '/')}.disable_xfrm"
            yield Finding(
                code="IPP913",
                severity="error",
                system="sysctl",
                field=name,
                location=location,
                message=f"{name} is on: packets leave {'every link' if device == 'all' else device} in the clear, "
                "whatever the IPsec policies say",
                change="set it to 0, and where a VPN has it set, on that VPN's own device alone",
            )


def _overridden(evidence: Evidence) -> Iterator[Finding]:
    """A field of Felix's resource beside a variable of its environment, which wins."""
    variables = {ENV[s.field]: s for s in evidence.settings if s.system == "calico" and s.field in ENV}
    for setting in evidence.settings:
        winner = variables.get(setting.field.removeprefix("spec."))
        if winner is None or setting.system != "calico" or winner.value == setting.value:
            continue
        yield Finding(
            code="IPP916",
            severity="warning",
            system="calico",
            field=setting.field,
            location=setting.location,
            message=f"calico {setting.field} is {setting.value}, which Felix ignores: {winner.field} of calico-node is "
            f"{winner.value} and wins ({winner.location.path})",
            change=f"remove {winner.field}, or set it too",
            found=setting.value,
        )


def _marked_elsewhere(evidence: Evidence) -> Iterator[Finding]:
    """A firewall rule marks the packets of one port for IPsec, and the policies with that mark select another."""
    for location, port, mark in evidence.marks:
        ports = {p for policy in evidence.policies if policy.kind.mark == mark for p in policy.kind.ports}
        if ports and port not in ports:
            first = min((p.location for p in evidence.policies if p.kind.mark == mark), key=str)
            who = "Docker's encrypted overlays" if mark == DOCKER_MARK else "the marked packets"
            yield Finding(
                code="IPP913",
                severity="error",
                system="docker-overlay" if mark == DOCKER_MARK else "xfrm",
                field="UDP port",
                location=first,
                message=f"{who} use UDP port {port} ({location.path}), but the XFRM policies for their mark select "
                f"{', '.join(map(str, sorted(ports)))}: their packets leave in the clear, and the peer drops them",
                change=f"select UDP port {port} in both directions (Docker: leave --data-path-port at its default)",
            )


def _collisions(evidence: Evidence, world: World) -> Iterator[Finding]:
    ours = [esp for esp in evidence.esps if not esp.live]
    del world
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


def collapsed(found: Iterable[Finding], world: World) -> list[Finding]:
    """One finding for all places of an input that say the same, then one for all hosts of a kind."""
    same: dict[tuple[str, str, str], list[Finding]] = {}
    for finding in found:
        same.setdefault((finding.code, finding.message, finding.location.path or ""), []).append(finding)
    hosts: dict[tuple[object, ...], list[Finding]] = {}
    alike: collections.Counter[tuple[object, ...]] = collections.Counter()  # findings of one kind in one input
    for members in same.values():
        first = _of_one_input(members)
        if world.of(first.location.path) is None:
            hosts[first.code, first.message, first.location.path] = [first]
            continue
        # devices have a name of their own on each host; two alike on one host stay two
        kind = (first.code, first.system, first.message.replace(first.field, ""))
        number = alike[(*kind, first.location.path)]
        alike[(*kind, first.location.path)] += 1
        hosts.setdefault((*kind, number), []).append(first)
    return [_of_all_hosts(members) for members in hosts.values()]


def _of_one_input(members: list[Finding]) -> Finding:
    first, *more = members
    lines = sorted({f.location.line for f in more if f.location.line} - {first.location.line})
    if not lines:
        return first
    said = ", ".join(str(line) for line in lines[:_SHOWN]) + (", ..." if len(lines) > _SHOWN else "")
    return replace(first, notes=(*first.notes, f"the same in {counted(len(lines), 'more line')}: {said}"))


def _of_all_hosts(members: list[Finding]) -> Finding:
    first, *others = members
    if not others:
        return first
    paths = [f.location.path or "" for f in others]
    said = ", ".join(paths[:_SHOWN]) + (", ..." if len(paths) > _SHOWN else "")
    return replace(first, notes=(*first.notes, f"the same in {counted(len(paths), 'more input')}: {said}"))
