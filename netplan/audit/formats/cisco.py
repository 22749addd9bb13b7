"""Cisco IOS, IOS XE and ASA: tunnels with what protects them, transform sets, proposals and MSS clamps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from netplan.audit.formats.algorithms import suite
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Esp, Evidence
from netplan.cni.adapter import BuiltinIpsec, Family, Setting
from netplan.cni.yaml_document import find_word

_TRANSFORM = re.compile(r"^crypto ipsec (?:ikev1 )?transform-set (\S+) (.+?)\s*$")
_PROPOSAL = re.compile(r"^crypto ipsec ikev2 ipsec-proposal (\S+)")
_PROFILE = re.compile(r"^crypto ipsec profile (\S+)")
_TUNNEL = re.compile(r"^interface (Tunnel\s?\S*)", re.I)
_HASHES = {
    "esp-sha-hmac": "sha1",
    "esp-md5-hmac": "md5",
    "esp-sha256-hmac": "sha256",
    "esp-sha384-hmac": "sha384",
    "esp-sha512-hmac": "sha512",
}
_MODES: dict[str, tuple[str, Family]] = {
    "gre ip": ("gre", "ipv4"),
    "gre multipoint": ("gre", "ipv4"),
    "gre ipv6": ("gre", "ipv6"),
    "ipip": ("ipip", "ipv4"),
    "ipv6ip": ("ipip", "ipv4"),
    "ipsec ipv4": ("none", "ipv4"),
    "ipsec ipv6": ("none", "ipv6"),
    "vxlan": ("vxlan", "ipv4"),
}


@dataclass
class _Section:
    """A line of the configuration that isn't indented, and the lines below it."""

    head: str
    line: int
    body: list[tuple[int, list[str]]] = field(default_factory=list)

    def after(self, *words: str) -> tuple[int, list[str]] | None:
        """Return the line and the rest of the first line below that begins with these words."""
        size = len(words)
        return next(((n, w[size:]) for n, w in self.body if w[:size] == list(words)), None)


def is_ios(text: str) -> bool:
    """Tell whether this is a Cisco IOS or ASA configuration."""
    return bool(re.search(r"^(interface Tunnel|crypto (ipsec|map|isakmp|ikev2) )", text, re.M))


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read tunnels, transform sets, and clamps."""
    lines = lines_of(text)
    sections = _sections(lines)
    found = _suites(sections)
    for at, suites, mode in found.values():
        where = find_word(path, lines, at, "transform-set")
        evidence.esps += [Esp(suite=s, mode=mode, location=where) for s in suites]  # type: ignore[arg-type]
    profiles = {
        match.group(1): rest[1]
        for section in sections
        if (match := _PROFILE.match(section.head))
        and (rest := section.after("set", "transform-set") or section.after("set", "ikev2", "ipsec-proposal"))
    }
    for section in sections:
        match = _TUNNEL.match(section.head)
        if match:
            _tunnel(path, lines, match.group(1), section, _protection(section, profiles, found), evidence)
        else:
            _clamp(path, lines, section, evidence)
    return None


def _sections(lines: list[str]) -> list[_Section]:
    found: list[_Section] = []
    for number, line in enumerate(lines):
        if not line.strip() or line.lstrip().startswith("!"):
            continue
        if line[0].isspace() and found:
            found[-1].body.append((number, line.split()))
        else:
            found.append(_Section(line.rstrip(), number))
    return found


_Found = dict[str, tuple[int, list[str], str]]


def _suites(sections: list[_Section]) -> _Found:
    """Transform sets and proposals by name: line, suites, mode."""
    found: _Found = {}
    for section in sections:
        transform, proposal = _TRANSFORM.match(section.head), _PROPOSAL.match(section.head)
        if transform:
            mode = "transport" if section.after("mode", "transport") is not None else "tunnel"
            word = _transform(transform.group(2).split())
            if word:
                found[transform.group(1)] = (section.line, [word], mode)
        elif proposal:
            ciphers, hashes = (
                section.after("protocol", "esp", "encryption"),
                section.after("protocol", "esp", "integrity"),
            )
            digests = [h.replace("sha-1", "sha1").replace("sha-", "sha") for h in (hashes[1] if hashes else [])]
            words = [_asa(c, d) for c in (ciphers[1] if ciphers else []) for d in digests or [""]]
            known = list(dict.fromkeys(w for w in words if w))
            if known:
                found[proposal.group(1)] = (section.line, known, "tunnel")
    return found


def _transform(words: list[str]) -> str | None:
    """``esp-aes 256 esp-sha-hmac`` of IOS, where 128 is left out, or ``esp-aes-256 esp-sha-hmac`` of ASA."""
    digest = next((_HASHES[w] for w in words if w in _HASHES), "")
    for at, word in enumerate(words):
        match = re.fullmatch(r"esp-(aes|gcm|gmac|3des|null)(?:-(128|192|256))?", word)
        if not match:
            continue
        bits = match.group(2) or (words[at + 1] if at + 1 < len(words) and words[at + 1].isdecimal() else "128")
        if match.group(1) == "gcm":
            return suite(f"aes_gcm_16_{bits}")
        if match.group(1) == "gmac":
            return None
        name = f"aes_{bits}" if match.group(1) == "aes" else match.group(1)
        return suite(name, digest)
    return None


def _asa(cipher: str, digest: str) -> str | None:
    aead = re.fullmatch(r"aes-gcm(?:-(192|256))?", cipher)
    if aead:
        return suite(f"aes_gcm_16_{aead.group(1) or '128'}")
    plain = re.fullmatch(r"aes(?:-(192|256))?", cipher)
    return suite(f"aes_{plain.group(1) or '128'}" if plain else cipher, digest)


def _protection(section: _Section, profiles: dict[str, list[str]], found: _Found) -> BuiltinIpsec | None:
    said = section.after("tunnel", "protection", "ipsec", "profile")
    names = profiles.get(said[1][0], []) if said and said[1] else []
    known = [found[name] for name in names if name in found]
    if len(known) != 1 or len(known[0][1]) != 1:
        return None  # of several the reader of all IPsec takes the largest
    mode = known[0][2]
    vti = (section.after("tunnel", "mode") or (0, []))[1][:1] == ["ipsec"]
    return BuiltinIpsec(suite=known[0][1][0], mode="transport" if mode == "transport" and not vti else "tunnel")


def _tunnel(
    path: str, lines: list[str], name: str, section: _Section, own: BuiltinIpsec | None, evidence: Evidence
) -> None:
    words = (section.after("tunnel", "mode") or (0, ["gre", "ip"]))[1]
    encap, family = _MODES.get(" ".join(words[:2]), _MODES.get(words[0] if words else "", ("gre", "ipv4")))
    if encap == "gre" and section.after("tunnel", "key"):
        encap = "gre+key"
    for measure, at, shown in (
        ("mtu", section.after("ip", "mtu"), "ip mtu"),
        ("mss", section.after("ip", "tcp", "adjust-mss"), "ip tcp adjust-mss"),
    ):
        number = at[1][0] if at and at[1] else ""
        if at is None or not number.isdecimal():
            continue
        evidence.settings.append(
            Setting(
                system="cisco",
                field=f"interface {name} {shown}",
                location=find_word(path, lines, at[0], shown),
                value=int(number[:6]),
                semantics="device",
                encap=encap,
                family=family,
                own=own,
                measure=measure,  # type: ignore[arg-type]
                change=f"interface {name}, {shown}",
                note="a clamp helps TCP only; UDP and QUIC still need the right MTU" if measure == "mss" else "",
            )
        )


def _clamp(path: str, lines: list[str], section: _Section, evidence: Evidence) -> None:
    """A clamp on another interface, or the ASA's for everything."""
    match = re.match(r"^sysopt connection tcpmss (\d{2,5})\b", section.head)
    at = section.after("ip", "tcp", "adjust-mss")
    number = match.group(1) if match else at[1][0] if at and at[1] else ""
    line = section.line if match else at[0] if at else 0
    if number.isdecimal():
        evidence.settings.append(
            Setting(
                system="cisco",
                field="TCP MSS clamp",
                location=find_word(path, lines, line, number),
                value=int(number[:6]),
                semantics="pod",
                encap="",
                measure="mss",
                change="set the clamp, or clamp to the route's MTU and set that",
                note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
            )
        )
