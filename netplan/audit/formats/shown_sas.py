"""SAs as routers show them: ``show crypto ipsec sa`` of Cisco IOS and ASA, ``diagnose vpn tunnel list`` of FortiOS.

Both also print what the device computed for itself, the MTU of the packets inside, which is judged like a number that
somebody set.
"""

from __future__ import annotations

import re

from netplan.audit.formats.algorithms import suite
from netplan.audit.formats.connections import Child, add
from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import BuiltinIpsec, Setting
from netplan.cni.yaml_document import find_word

_CISCO = re.compile(r"^[ \t]*(?:#pkts encaps:|local\s+crypto endpt\.)", re.M)
_FORTIOS = re.compile(r"^name=\S+ ver=[12] serial=|^if=\S+ family=\d+ type=\d+ index=\d+ mtu=\d+", re.M)
_ENDS = re.compile(
    r"local crypto endpt\.: ([0-9a-fA-F.:]+)(?:/\d+)?,\s*remote crypto endpt\.: ([0-9a-fA-F.:]+)(?:/\d+)?"
)
_INSIDE = re.compile(r"\bplaintext mtu (\d{3,5})")
_PATH = re.compile(r"\bpath mtu (\d{3,5})(?:,.*ip mtu idb (\S+))?")
_TRANSFORM = re.compile(r"^[ \t]*transform:\s*(.+?)\s*,?\s*$")
_USE = re.compile(r"in use settings\s*=\s*\{(.*)\}")
_CIPHERS = {
    "esp-aes": "aes128",
    "esp-192-aes": "aes192",
    "esp-256-aes": "aes256",
    "esp-3des": "3des",
    "esp-null": "null",
}
_HASHES = {"esp-sha-hmac": "sha1", "esp-md5-hmac": "md5", "esp-sha256-hmac": "sha256", "esp-sha384-hmac": "sha384"}
_HASHES |= {"esp-sha512-hmac": "sha512", "esp-sha-256-hmac": "sha256", "esp-sha-512-hmac": "sha512"}
_BITS = {"16": "128", "20": "128", "24": "192", "28": "192", "32": "256", "36": "256"}  # bytes of a key, salted or not


def is_sas(text: str) -> bool:
    """Tell whether this is what a router shows of its SAs."""
    return bool(_CISCO.search(text) or _FORTIOS.search(text))


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the SAs with what they cost; returns why none is in it."""
    before = len(evidence.esps) + len(evidence.links)
    (_fortios if _FORTIOS.search(text) else _cisco)(path, lines_of(text), evidence)
    return None if len(evidence.esps) + len(evidence.links) > before else "no SA is in it"


def _cisco(path: str, lines: list[str], evidence: Evidence) -> None:
    ends, inside, outbound = ("", ""), (0, 0), False
    word = ""
    for number, line in enumerate(lines):
        if found := _ENDS.search(line):
            ends, inside, outbound, word = (found.group(1), found.group(2)), (0, 0), False, ""
        if found := _INSIDE.search(line):
            inside = (int(found.group(1)), number)
        if (found := _PATH.search(line)) and found.group(2):
            where = find_word(path, lines, number, "path mtu")
            evidence.links.append(Device(name=found.group(2), mtu=int(found.group(1)), location=where, configured=True))
        outbound = outbound or "outbound esp sas" in line
        if outbound and (found := _TRANSFORM.match(line)):
            word = _transform(found.group(1))
        if word and (found := _USE.search(line)):
            mode = "transport" if "Transport" in found.group(1) else "tunnel"
            _child(path, lines, number, word, mode, ends, "UDP" in found.group(1), inside, "cisco", evidence)
            word, inside = "", (0, 0)


def _transform(text: str) -> str:
    words = text.replace(",", " ").split()
    aead = re.match(r"esp-gcm(?:-(\d+))?$|esp-gcm", words[0]) if words else None
    if aead:
        bits = next((w for w in words if w in ("128", "192", "256")), aead.group(1) or "256")
        return f"aes{bits}gcm16"
    cipher = next((_CIPHERS[w] for w in words if w in _CIPHERS), "")
    digest = next((_HASHES[w] for w in words if w in _HASHES), "")
    return suite(cipher, digest) or ""


_NAME = re.compile(r"^name=(\S+) ver=\d.*?\s([0-9a-fA-F.:]+):\d+->([0-9a-fA-F.:]+):\d+")
_INTERFACE = re.compile(r"^if=(\S+) family=\d+ type=(\d+) index=\d+ mtu=(\d+)")
_SA = re.compile(r"^[ \t]+SA:.*\bmtu=(\d+)")
_ENCRYPTED = re.compile(r"^[ \t]+enc: spi=\S+ esp=(\S+) key=(\d+)")
_SIGNED = re.compile(r"^[ \t]+ah=(\S+) key=")


def _fortios(path: str, lines: list[str], evidence: Evidence) -> None:
    ends, inside, cipher, nat = ("", ""), (0, 0), "", False
    for number, line in enumerate(lines):
        if found := _INTERFACE.match(line):
            if found.group(2) == "1":  # ARPHRD_ETHER
                where = find_word(path, lines, number, "mtu=")
                evidence.links.append(
                    Device(name=found.group(1), mtu=int(found.group(3)), location=where, configured=True)
                )
        elif found := _NAME.match(line):
            ends, inside, cipher, nat = (found.group(2), found.group(3)), (0, 0), "", False
        elif found := re.match(r"^natt: mode=(\S+)", line):
            nat = found.group(1) not in ("none", "silent")
        elif found := _SA.match(line):
            inside = (int(found.group(1)), number)
        elif found := _ENCRYPTED.match(line):
            bits = _BITS.get(found.group(2), "256")
            cipher = {"aes": f"aes{bits}", "aes-gcm": f"aes_gcm_16_{bits}"}.get(found.group(1), found.group(1))
        elif cipher and (found := _SIGNED.match(line)):
            word = suite(cipher, "" if found.group(1) == "null" else found.group(1))
            if word:
                _child(path, lines, number, word, "tunnel", ends, nat, inside, "fortios", evidence)
            cipher = ""


def _child(
    path: str,
    lines: list[str],
    number: int,
    word: str,
    mode: str,
    ends: tuple[str, str],
    nat: bool,
    inside: tuple[int, int],
    system: str,
    evidence: Evidence,
) -> None:
    where = find_word(path, lines, number)
    add(
        Child(location=where, mode=mode, suites=[word], local=ends[0], remote=ends[1], nat_t=nat, live=True),
        evidence,
    )
    if inside[0]:
        own = BuiltinIpsec(suite=word, mode="transport" if mode == "transport" else "tunnel", nat_t=nat)
        evidence.settings.append(
            Setting(
                system=system,
                field=f"SA to {ends[1]}: MTU inside",
                location=find_word(path, lines, inside[1], "mtu"),
                value=inside[0],
                semantics="device",
                encap="none",
                family="ipv6" if ":" in ends[1] else "ipv4",
                own=own,
                change="the device computes it from the path MTU: correct that of the interface",
            )
        )
