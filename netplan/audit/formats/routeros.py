"""RouterOS: ``/export`` of IPsec policies with their proposals, and of MTUs (``/path``, then ``add key=value ...``).

MikroTik's RouterOS manual, pages IPsec, Ethernet, VXLAN, GRE, IPIP: properties and their defaults in RouterOS 7.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from netplan.audit.formats.algorithms import suite
from netplan.audit.formats.connections import Child, add
from netplan.audit.formats.listed import lines_of
from netplan.audit.formats.wireguard import add_device
from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import BuiltinIpsec, Family, Overhead, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.path.routing import network
from netplan.problems import Location

_PATH = re.compile(r"^/((?:[a-z0-9-]+[ /]?)+)")
_DEFAULT_CIPHERS, _DEFAULT_HASHES = "aes-256-cbc", "sha1"
_TUNNELS: dict[str, tuple[str, Family]] = {
    "vxlan": ("vxlan", "ipv4"),
    "gre": ("gre", "ipv4"),
    "gre6": ("gre", "ipv6"),
    "ipip": ("ipip", "ipv4"),
    "ipipv6": ("ipip", "ipv6"),
    "eoip": ("gretap+key", "ipv4"),  # a GRE header with a key field, and the frame
    "eoipv6": ("gretap+key", "ipv6"),
    "6to4": ("sit", "ipv4"),
    "wireguard": ("wireguard", "ipv4"),
}
_LINKS = ("ethernet", "bonding", "bridge", "vlan", "pppoe-client")
_WIREGUARD_MTU = 1420
_EXPORT = re.compile(r"^/(interface|ip|ipv6)( [a-z0-9-]+)*$", re.M)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A command: the menu it is in, ``add`` or ``set``, its properties, its line, and the find of a ``set``."""

    menu: str
    verb: str
    keys: dict[str, str]
    line: int
    found: str = ""

    def get(self, key: str, otherwise: str = "") -> str:
        return self.keys.get(key, otherwise)


def is_routeros(text: str) -> bool:
    """Tell whether this is an export of RouterOS with IPsec policies in it, or with sizes of interfaces."""
    if re.search(r"^/ip ipsec (policy|proposal)\b", text, re.M):
        return True
    sized = re.search(
        r"^(/interface \S+ )?(add|set) .*\b(mtu|max-mtu|new-mss)=|ipsec-secret=|^/interface wireguard$", text, re.M
    )
    return bool(sized and (_EXPORT.search(text) or re.search(r"^/interface \S+ (add|set) ", text, re.M)))


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read policies with their proposals, and MTUs; returns why it can't be read, or None."""
    lines = lines_of(text)
    entries = list(_entries(lines))
    export = _Export(entries)
    proposals = {e.get("name", "default"): e for e in entries if e.menu == "ip ipsec proposal"}
    peers = {e.get("name"): e for e in entries if e.menu == "ip ipsec peer"}
    # a clamp is for a tunnel, wherever in the file that is
    for entry in sorted(entries, key=lambda e: e.menu == "ip firewall mangle"):
        if entry.menu == "ip ipsec policy" and _carries(entry):
            peer = peers.get(entry.get("peer"))
            _child(path, lines, entry, proposals.get(entry.get("proposal", "default")), peer, evidence)
        elif entry.menu.startswith("interface "):
            _mtu(path, lines, entry, entry.menu.removeprefix("interface "), export, evidence)
        elif entry.menu == "ip firewall mangle" and whole(entry.get("new-mss")) and _used(entry):
            _clamp(path, lines, entry, export, evidence)
    return None


class _Export:
    """What the commands of an export say of one interface, and the tunnels that were made of them so far."""

    def __init__(self, entries: list[_Entry]) -> None:
        self._of: dict[tuple[str, str], list[_Entry]] = {}
        self.tunnels: dict[str, Setting] = {}
        self.secret_suite = _secret_suite(entries)
        for entry in entries:
            self._of.setdefault((entry.menu, entry.get("interface")), []).append(entry)

    def of(self, interface: str, *menus: str) -> list[_Entry]:
        """Return the commands of these menus that name an interface."""
        return [entry for menu in menus for entry in self._of.get((menu, interface), ())]


def _used(entry: _Entry) -> bool:
    return entry.get("disabled", "no") != "yes"


def _clamp(path: str, lines: list[str], entry: _Entry, export: _Export, evidence: Evidence) -> None:
    out = entry.get("out-interface") or entry.get("in-interface")
    tunnel = export.tunnels.get(out)
    evidence.settings.append(
        Setting(
            system="routeros",
            field=f"change-mss{' of ' + out if out else ''}",
            location=find_word(path, lines, entry.line, "new-mss"),
            value=whole(entry.get("new-mss")),
            semantics="device" if tunnel else "pod",
            encap=tunnel.encap if tunnel else "",
            family=tunnel.family if tunnel else None,
            own=tunnel.own if tunnel else None,
            source=tunnel.source if tunnel else "",
            far=tunnel.far if tunnel else (),
            measure="mss",
            change="/ip firewall mangle set new-mss",
            note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
        )
    )


def _entries(lines: list[str]) -> Iterator[_Entry]:
    menu, begun, at = "", "", 0
    for number, line in enumerate(lines):
        if not begun:
            at = number
        begun += line.strip() if begun else line.rstrip()
        if begun.endswith("\\") and len(begun) < 1 << 16:
            begun = begun[:-1]
            continue
        whole_line, begun = begun.strip(), ""
        if not whole_line or whole_line.startswith("#"):
            continue
        match = _PATH.match(whole_line)
        rest = whole_line
        if match:
            words = whole_line[1:].replace("/", " ").split()
            verb_at = next((place for place, word in enumerate(words) if word in ("add", "set")), len(words))
            menu, rest = " ".join(words[:verb_at]), " ".join(whole_line[1:].split()[verb_at:])
        entry = _entry(menu, rest, at)
        if entry is not None:
            yield entry


def _entry(menu: str, text: str, line: int) -> _Entry | None:
    verb, _, rest = text.partition(" ")
    if verb not in ("add", "set"):
        return None
    found = re.match(r"\s*\[\s*find([^\]]*)\]", rest)
    try:
        words = shlex.split(rest[found.end() :] if found else rest, posix=True)
    except ValueError:
        words = rest.split()
    keys = {key: value for key, equals, value in (word.partition("=") for word in words) if equals}
    return _Entry(menu, verb, keys, line, found.group(1) if found else "")


def _carries(entry: _Entry) -> bool:
    """Tell whether a policy protects packets by ESP."""
    return (
        entry.get("action", "encrypt") == "encrypt"
        and entry.get("disabled", "no") != "yes"
        and entry.get("template", "no") != "yes"
        and entry.get("ipsec-protocols", "esp") == "esp"
    )


def _child(
    path: str, lines: list[str], entry: _Entry, proposal: _Entry | None, peer: _Entry | None, evidence: Evidence
) -> None:
    said = proposal is not None and "enc-algorithms" in proposal.keys
    ciphers = (proposal.get("enc-algorithms", _DEFAULT_CIPHERS) if proposal else _DEFAULT_CIPHERS).split(",")
    hashes = (proposal.get("auth-algorithms", _DEFAULT_HASHES) if proposal else _DEFAULT_HASHES).split(",")
    suites = [s for cipher in ciphers for digest in hashes if (s := _suite(cipher, digest))]
    own, far = (
        (peer.get(key, "") if peer else "").partition("/")[0] or entry.get(other, "")
        for key, other in (("local-address", "sa-src-address"), ("address", "sa-dst-address"))
    )
    tunnel = entry.get("tunnel", "no") == "yes"
    add(
        Child(
            location=find_word(path, lines, entry.line, "add"),
            mode="tunnel" if tunnel else "transport",
            suites=list(dict.fromkeys(suites)) or ["aes256-sha512"],
            assumed="" if said and suites else "no proposal of that name: RouterOS offers AES-CBC with HMAC-SHA-1",
            local=own,
            remote=far,
            local_nets=_nets(entry, "src-address"),
            remote_nets=_nets(entry, "dst-address"),
            local_port=_port(entry, "src-port"),
            remote_port=_port(entry, "dst-port"),
        ),
        evidence,
    )


def _suite(cipher: str, digest: str) -> str | None:
    """Return ``aes-256-gcm`` or ``aes-256-cbc`` with its hash as a suite; None for an unknown one."""
    aead = re.fullmatch(r"aes-(128|192|256)-gcm", cipher)
    if aead:
        return suite(f"aes_gcm_16_{aead.group(1)}")
    plain = re.fullmatch(r"(aes|camellia)-(128|192|256)(?:-(cbc|ctr))?", cipher)
    if plain:
        ctr = "_ctr" if plain.group(3) == "ctr" else ""
        return suite(f"{plain.group(1)}{ctr}_{plain.group(2)}", digest)
    return suite(cipher, digest)


def _nets(entry: _Entry, key: str) -> list[str]:
    value = entry.get(key)
    return [value] if value else []


def _port(entry: _Entry, key: str) -> str:
    protocol, port = entry.get("protocol", "all"), entry.get(key, "any")
    if protocol == "all":
        return ""
    return f"{protocol}/{port}" if port not in ("any", "0") else protocol


def _mtu(path: str, lines: list[str], entry: _Entry, kind: str, export: _Export, evidence: Evidence) -> None:
    key = "max-mtu" if kind == "pppoe-client" else "mtu"
    number = whole(entry.get(key)) or (_WIREGUARD_MTU if kind == "wireguard" and entry.verb == "add" else None)
    secret = "ipsec-secret" in entry.keys
    if not _used(entry) or not (number or secret):
        return
    where = find_word(path, lines, entry.line, key if key in entry.keys else "add")
    named = re.search(r"default-name=\"?([\w.-]+)", entry.found)
    name = entry.get("name") or (named.group(1) if named else kind)
    if kind in _LINKS and number:
        evidence.links.append(Device(name=name, mtu=number, location=where, configured=True))
    elif kind in _TUNNELS:
        encap, family = _TUNNELS[kind]
        if kind == "wireguard" and number:
            family = _wireguard(path, name, number, where, export, evidence)
        vteps = [e.get("remote-ip") for e in export.of(name, "interface vxlan vteps")]
        ends = [entry.get("remote-address") or entry.get("remote-address6"), *vteps]
        tunnel = Setting(
            system="routeros",
            field=f"interface {kind} {name} mtu",
            location=where,
            value=number,
            semantics="device",
            encap=encap,
            family=family,
            port=whole(entry.get("port")),
            device=name if kind == "wireguard" else "",
            own=BuiltinIpsec(suite=export.secret_suite, mode="transport") if secret else None,
            source=entry.get("local-address"),
            far=tuple(end for end in ends if end),
            automatic=_AUTOMATIC.get(kind),
            change=f"/interface {kind} set {name} mtu",
            note=_NOT_SET if not number else "",
        )
        evidence.settings.append(tunnel)
        export.tunnels.setdefault(name, tunnel)


_NOT_SET = "not set: RouterOS takes what the link leaves for the tunnel's header, and nothing for IPsec"
# the largest first of what the proposal "default" offers; its three key lengths cost the same
_DEFAULT_SUITE = "aes256-sha1"
_AUTOMATIC = {
    "gre": Overhead(otherwise=24),
    "gre6": Overhead(otherwise=44),
    "ipip": Overhead(otherwise=20),
    "ipipv6": Overhead(otherwise=40),
    "eoip": Overhead(otherwise=42),
    "eoipv6": Overhead(otherwise=62),
}


def _secret_suite(entries: list[_Entry]) -> str:
    """Return the suite that ``ipsec-secret`` gets: that of the proposal ``default``."""
    found = next(
        (
            e
            for e in entries
            if e.menu == "ip ipsec proposal" and (e.get("name") == "default" or "default=yes" in e.found)
        ),
        None,
    )
    if found is None:
        return _DEFAULT_SUITE
    ciphers, hashes = found.get("enc-algorithms", _DEFAULT_CIPHERS), found.get("auth-algorithms", _DEFAULT_HASHES)
    return _suite(ciphers.split(",")[0], hashes.split(",")[0]) or _DEFAULT_SUITE


def _wireguard(path: str, name: str, mtu: int, where: Location, export: _Export, evidence: Evidence) -> Family:
    """Add a WireGuard device with its addresses and peers; return the family of its outer header."""
    addresses = tuple(e.get("address") for e in export.of(name, "ip address", "ipv6 address"))
    add_device(name, mtu, where, addresses, evidence)
    six = False
    for peer in export.of(name, "interface wireguard peers"):
        end = peer.get("endpoint-address")
        if network(end) is None:
            continue
        six = six or ":" in end
        for inside in peer.get("allowed-address").split(","):
            if network(inside) is not None:
                evidence.endpoints.append((path, name, inside, end))
    return "ipv6" if six else "ipv4"
