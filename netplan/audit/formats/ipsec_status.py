"""What IKE daemons report as text: ``ipsec status``, ``ipsec whack``, ``swanctl --list-sas``, ``ipsec statusall``."""

from __future__ import annotations

import re
from dataclasses import replace

from netplan.audit.formats import listed
from netplan.audit.formats.algorithms import negotiated
from netplan.audit.formats.connections import Child, add
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Evidence
from netplan.cni.yaml_document import find_word

_WHACK = re.compile(r'^(?:\d{3} )?"([^"]+)"(?:\[\d+\])?:?\s')
_TRAFFIC = re.compile(r'^(?:\d{3} )?#\d+: "')
_ENDS = re.compile(
    r"^(?:(?P<near>[0-9a-f.:/]+)===)?(?P<left>[0-9a-f.:]+)\S*\.\.\.(?P<right>[0-9a-f.:]+)[^=]*"
    r"(?:===(?P<far>[0-9a-f.:/]+))?;"
)
_UP = re.compile(
    r"IPsec (?P<mode>transport|tunnel) \[(?P<near>[^\]=]+)===(?P<far>[^\]]+)\] "
    r"\{ESP(?P<nat>/NAT|inUDP|inTCP)?=>.*?xfrm=(?P<xfrm>[A-Z0-9_-]+)"
)
_STROKE = re.compile(r"^[ \t]*(\S+)\{\d+\}:\s+(?:INSTALLED|REKEYED|ROUTED), (TUNNEL|TRANSPORT|BEET|IPTFS)(.*)$")
_STROKE_ALG = re.compile(r"^[ \t]*\S+\{\d+\}:\s+([A-Z0-9_]+(?:[/_-][A-Z0-9_]+)*), \d+ bytes")
_STROKE_TS = re.compile(r"^[ \t]*\S+\{\d+\}:\s+(.+?) === (.+)$")
_SWANCTL = re.compile(
    r"^[ \t]*\S+: #\d+, reqid \d+, INSTALLED, (?P<mode>TUNNEL|TRANSPORT|BEET|IPTFS)(?P<nat>-in-UDP)?, ESP:(?P<alg>\S+)"
)
# VyOS, show vpn ipsec sa: the last column is the child SA's; one with a PRF is IKE's
_VYOS_SA = re.compile(r"^\S+\s+up\s+\S+.*\s(?P<alg>(?:AES|3DES|CHACHA20|CAMELLIA)[A-Z0-9_]*(?:/[A-Z0-9_]+)+)\s*$")
_SIDE = re.compile(r"^[ \t]+(local|remote)\s+(\S.*)$")


def is_status(text: str) -> bool:
    """Tell whether this is a status of an IKE daemon."""
    head = listed.head(text)
    if any(_VYOS_SA.match(t) for t in head):
        return True
    return any(_STROKE.match(t) or _SWANCTL.match(t) or _UP.search(t) or _TRAFFIC.match(t) for t in head) or any(
        _WHACK.match(t) and re.search(r"; (?:un)?routed|ESP algorithm|policy: IKE|STATE_", t) for t in head
    )


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read what is established, and of libreswan's status also what is configured; returns why it says nothing."""
    lines = lines_of(text)
    before = len(evidence.esps)
    _libreswan(path, lines, evidence)
    _charon(path, lines, evidence)
    for number, line in enumerate(lines):
        row = _VYOS_SA.match(line)
        found = negotiated(row["alg"]) if row and "/PRF_" not in row["alg"] else None
        if row and found:
            add(Child(location=find_word(path, lines, number, row["alg"]), suites=[found], live=True), evidence)
    if len(evidence.esps) > before:
        return None
    return (
        "it names no algorithm; send `ipsec status` (libreswan), `swanctl --list-sas`, or `ip xfrm state list nokeys`"
    )


def _libreswan(path: str, lines: list[str], evidence: Evidence) -> None:
    conns: dict[str, tuple[int, Child]] = {}
    for number, line in enumerate(lines):
        up, conn = _UP.search(line[:1000]), _WHACK.match(line)
        if up:
            near, near_port = _side(up["near"])
            far, far_port = _side(up["far"])
            found = negotiated(up["xfrm"])
            if found:
                child = Child(
                    location=find_word(path, lines, number, "IPsec"),
                    mode=up["mode"],
                    suites=[found],
                    local_nets=[near],
                    remote_nets=[far],
                    local_port=near_port,
                    remote_port=far_port,
                    nat_t=bool(up["nat"]),
                    live=True,
                )
                add(child, evidence)
        elif conn:
            name = conn.group(1)
            known = conns.setdefault(name, (number, Child(location=find_word(path, lines, number, name))))
            conns[name] = (known[0], _said(known[1], line[conn.end() :].strip()))
    for _, child in conns.values():
        if child.suites:
            add(child, evidence)


def _said(child: Child, text: str) -> Child:
    """What one line of ``ipsec status`` adds to a conn."""
    ends = _ENDS.match(text)
    if ends:
        near, far = ends["near"] or "", ends["far"] or ""
        return replace(child, local=ends["left"], remote=ends["right"], local_nets=_net(near), remote_nets=_net(far))
    policy = re.search(r"\bpolicy: (\S+)", text)
    if policy:
        words = policy.group(1).split("+")
        mode = (
            "tunnel" if "TUNNEL" in words else "transport" if "TRANSPORT" in words or "ENCRYPT" in words else "tunnel"
        )
        return replace(child, mode="iptfs" if child.mode == "iptfs" else mode)
    if re.search(r"\biptfs: yes", text):
        return replace(child, mode="iptfs")
    newest = re.search(r"ESP algorithm newest: ([A-Z0-9_-]+)", text)
    if newest and (found := negotiated(newest.group(1))):
        return replace(child, suites=[found], live=True)
    wanted = re.search(r"ESP algorithms: (.+)", text)
    if wanted and not child.suites:
        words = [w.strip() for w in wanted.group(1).split(",")]
        return replace(child, suites=[s for w in words if (s := negotiated(w))])
    if re.search(r"nat-traversal: encapsulation:yes", text):
        return replace(child, nat_t=True)
    return child


def _net(text: str) -> list[str]:
    return [text] if "/" in text else []


def _side(text: str) -> tuple[str, str]:
    """``192.0.2.2/32/UDP/500`` as network, and protocol with port."""
    match = re.match(r"^[ \t]*([0-9a-fA-F.:]+/\d{1,3})(?:/([A-Za-z]+|\d+))?(?:/(\d+))?", text)
    if not match:
        return "", ""
    protocol = (match.group(2) or "").lower()
    return match.group(1), f"{protocol}/{match.group(3)}" if match.group(3) else protocol


def _charon(path: str, lines: list[str], evidence: Evidence) -> None:
    child: Child | None = None
    for number, line in enumerate([*lines, ""]):
        stroke, direct, side = _STROKE.match(line), _SWANCTL.match(line), _SIDE.match(line)
        if stroke or direct or number == len(lines):
            if child is not None and child.suites:
                add(child, evidence)
            child = None
        if stroke:
            where = find_word(path, lines, number, stroke.group(2))
            child = Child(
                location=where, mode=stroke.group(2).lower(), nat_t="ESP in UDP" in stroke.group(3), live=True
            )
        elif direct:
            found = negotiated(direct["alg"])
            where = find_word(path, lines, number, direct["mode"])
            child = Child(
                location=where,
                mode=direct["mode"].lower(),
                nat_t=bool(direct["nat"]),
                live=True,
                suites=[found] if found else [],
            )
        elif child is not None and side:
            nets = [re.sub(r"\[.*", "", w) for w in side.group(2).split()]
            port = re.search(r"\[([^\]]*)\]", side.group(2))
            key = side.group(1)
            child = replace(child, **{f"{key}_nets": nets, f"{key}_port": port.group(1) if port else ""})  # type: ignore[arg-type]
        elif child is not None:
            algorithm, selectors = _STROKE_ALG.match(line), _STROKE_TS.match(line)
            if algorithm and not child.suites:
                found = negotiated(algorithm.group(1))
                child = replace(child, suites=[found] if found else [])
            elif selectors:
                near, far = ([re.sub(r"\[.*", "", w) for w in text.split()] for text in selectors.groups())
                ports = [m.group(1) if (m := re.search(r"\[([^\]]*)\]", t)) else "" for t in selectors.groups()]
                child = replace(child, local_nets=near, remote_nets=far, local_port=ports[0], remote_port=ports[1])
