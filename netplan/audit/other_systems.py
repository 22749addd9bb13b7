"""Systems that are judged but not rendered: Submariner, Talos KubeSpan, OpenStack Neutron, VyOS, Cisco IOS."""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass, field

from netplan.audit.model import Esp, Evidence
from netplan.cni.adapter import BuiltinIpsec, Clue, Family, Overhead, Setting, whole
from netplan.cni.yaml_document import Piece, find_word

# Submariner: pkg/routeagent_driver/handlers/mtu and handlers/ovn
_SUBMARINER_TAKES = {"libreswan": 120, "wireguard": 120, "vxlan": 50}
_SUBMARINER_OVN_MSS = 1398
_KUBESPAN_MTU = 1420
# neutron ml2 type drivers: IPv4 header, then by type
_NEUTRON_IP = 20
_NEUTRON_TAKES = {"vxlan": 30, "gre": 22}
_NEUTRON_GENEVE = 30


def submariner(piece: Piece) -> list[Setting | Clue]:
    """Read the Submariner object: the MSS that its cable driver clamps to, or an annotation that says it."""
    if piece.kind in ("Node", "Gateway"):
        at: tuple[str, ...] = ("metadata", "annotations", "submariner.io/tcp-clamp-mss")
        number = whole(piece.get(*at))
        return [_mss(piece, at, "submariner.io/tcp-clamp-mss", number, "none", None, 0)] if number else []
    if piece.kind != "Submariner":
        return []
    driver = piece.text("spec", "cableDriver") or "libreswan"
    nat = piece.get("spec", "natEnabled") is not False
    own = BuiltinIpsec(suite="aes256gcm16", mode="tunnel", nat_t=nat) if driver == "libreswan" else None
    encap = {"vxlan": "vxlan", "wireguard": "wireguard"}.get(driver, "none")
    if "ovn" in piece.text("status", "networkPlugin").lower() and driver == "libreswan":
        at = ("status", "networkPlugin")
        return [_mss(piece, at, "MSS of the OVN gateway (fixed)", None, encap, own, 0, constant=_SUBMARINER_OVN_MSS)]
    if driver not in _SUBMARINER_TAKES:
        return []
    takes = _SUBMARINER_TAKES[driver]
    return [_mss(piece, ("spec", "cableDriver"), f"MSS with cable {driver}", None, encap, own, takes)]


def _mss(
    piece: Piece,
    at: tuple[str, ...],
    shown: str,
    number: int | None,
    encap: str,
    own: BuiltinIpsec | None,
    takes: int,
    *,
    constant: int | None = None,
) -> Setting:
    return Setting(
        system="submariner",
        field=shown,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap=encap,
        own=own,
        automatic=Overhead(otherwise=takes),
        default=constant,
        measure="mss",
        change="annotate the gateway nodes with submariner.io/tcp-clamp-mss and restart the route agents",
        note="UDP and QUIC are not clamped",
    )


def talos(piece: Piece) -> list[Setting | Clue]:
    """Read KubeSpan of a Talos machine configuration."""
    span = piece.sub("machine", "network", "kubespan")
    if not isinstance(span.data, dict) or span.get("enabled") is not True:
        return []
    number = whole(span.get("mtu")) or _KUBESPAN_MTU
    return [
        Setting(
            system="talos",
            field="machine.network.kubespan.mtu",
            location=span.location("mtu" if span.has("mtu") else "enabled"),
            value=number,
            semantics="device",
            encap="wireguard",
            change="set machine.network.kubespan.mtu on every node",
            note="" if span.has("mtu") else "not set: KubeSpan uses 1420, whatever the link is",
        )
    ]


def is_neutron(text: str) -> bool:
    """Tell whether this is a Neutron configuration file."""
    return bool(re.search(r"^\[(ml2|ml2_type_\w+)\]", text, re.M)) or "global_physnet_mtu" in text


def neutron(path: str, text: str, evidence: Evidence) -> str | None:
    """Read neutron.conf and ml2_conf.ini: what tenant networks get."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    try:
        parser.read_string(text)
    except AttributeError:  # configparser's own: a line that goes on with a key that has no value
        return "not an ini file: a line goes on with a key that has no value"
    except configparser.Error as error:
        return f"not an ini file: {str(error).splitlines()[0]}"

    def option(section: str, key: str) -> str:
        return (parser.get(section, key, fallback="") or "").strip()

    physical = whole(option("DEFAULT", "global_physnet_mtu"))
    path_mtu = whole(option("ml2", "path_mtu")) or 0
    kinds = [k.strip() for k in option("ml2", "tenant_network_types").split(",") if k.strip()]
    lines = text.splitlines()
    six = option("ml2", "overlay_ip_version") == "6"
    family: Family = "ipv6" if six else "ipv4"
    header = whole(option("ml2_type_geneve", "max_header_size")) or _NEUTRON_GENEVE
    ip = _NEUTRON_IP * (2 if six else 1)
    known = [m for m in (physical, path_mtu) if m]
    for kind in kinds:
        takes = {"geneve": header, **_NEUTRON_TAKES}.get(kind)
        if takes is None:
            continue
        key = "path_mtu" if path_mtu else "global_physnet_mtu" if physical else "tenant_network_types"
        line = next((i for i, t in enumerate(lines) if re.match(rf"\s*{key}\s*=", t)), 0)
        base = min(known) if known else None
        encap = {"geneve": "geneve:8" if header > _NEUTRON_GENEVE else "geneve", "gre": "gretap+key"}.get(kind, kind)
        evidence.settings.append(
            Setting(
                system="neutron",
                field=f"{key} ({kind} networks)",
                location=find_word(path, lines, line, key),
                value=base,
                semantics="underlay",
                encap=encap,
                family=family,
                overhead=Overhead(otherwise=ip + takes),
                automatic=Overhead(otherwise=ip + takes),
                change="set [ml2] path_mtu, restart neutron-server; existing networks keep their MTU until updated",
            )
        )
    return None


@dataclass(slots=True)
class _Block:
    """A block of a VyOS configuration: words of its own line, settings, and blocks inside."""

    words: tuple[str, ...] = ()
    line: int = 0
    settings: dict[str, tuple[str, int]] = field(default_factory=dict)
    blocks: list[_Block] = field(default_factory=list)

    def named(self, *names: str) -> list[_Block]:
        found = [self]
        for name in names:
            found = [b for f in found for b in f.blocks if b.words[:1] == (name,)]
        return found


_VYOS_CIPHERS = {"aes128": "aes128", "aes192": "aes192", "aes256": "aes256", "3des": "3des", "null": "null"}
_VYOS_DEFAULTS = {"vti": 1500, "tunnel": 1476, "wireguard": 1420}
_VYOS_MIN_DEPTH = 12


def is_vyos(text: str) -> bool:
    """Tell whether this is a VyOS configuration."""
    return bool(re.search(r"^interfaces \{\s*$", text, re.M))


def vyos(path: str, text: str, evidence: Evidence) -> str | None:
    """Read a VyOS configuration: tunnel interfaces with their defaults, and IPsec."""
    root = _blocks(text)
    if root is None:
        return "its braces don't match"
    lines = text.splitlines()
    for group in root.named("vpn", "ipsec", "esp-group"):
        tunnel = group.settings.get("mode", ("tunnel", 0))[0]
        nat = any("force-udp-encapsulation" in peer.settings for peer in _all(root) if peer.words[:1] == ("peer",))
        for proposal in group.named("proposal"):
            suite = _vyos_suite(proposal)
            if suite:
                evidence.esps.append(
                    Esp(
                        suite=suite,
                        mode="tunnel" if tunnel == "tunnel" else "transport",
                        nat_t=nat,
                        networks=tunnel == "tunnel",
                        location=find_word(path, lines, proposal.line, "proposal"),
                    )
                )
    for interfaces in root.named("interfaces"):
        for block in interfaces.blocks:
            kind = block.words[0] if block.words else ""
            if kind == "ethernet" and "mtu" in block.settings:
                continue
            _vyos_interface(path, lines, kind, block, evidence)
    return None


def _vyos_interface(path: str, lines: list[str], kind: str, block: _Block, evidence: Evidence) -> None:
    if kind not in ("vti", "tunnel", "wireguard", "vxlan", "geneve") or len(block.words) < 2:
        return
    value, line = block.settings.get("mtu", ("", block.line))
    number = whole(value) or _VYOS_DEFAULTS.get(kind)
    if number is None:
        return
    encap = {"vti": "none"}.get(kind, kind)
    if kind == "tunnel":
        encap = block.settings.get("encapsulation", ("gre", 0))[0]
    family: Family = "ipv6" if ":" in block.settings.get("source-address", ("", 0))[0] else "ipv4"
    evidence.settings.append(
        Setting(
            system="vyos",
            field=f"interfaces {kind} {block.words[1]} mtu",
            location=find_word(path, lines, line, "mtu" if value else block.words[1]),
            value=number,
            semantics="device",
            encap=encap,
            family=family,
            change=f"set interfaces {kind} {block.words[1]} mtu",
            note="" if value else f"not set: VyOS uses {number}",
        )
    )


def _vyos_suite(proposal: _Block) -> str | None:
    cipher = proposal.settings.get("encryption", ("aes128", 0))[0]
    digest = proposal.settings.get("hash", ("sha1", 0))[0]
    aead = re.fullmatch(r"(aes(?:128|192|256))(gcm|ccm)(64|96|128)", cipher)
    if aead:
        return f"{aead.group(1)}{aead.group(2)}{int(aead.group(3)) // 8}"
    if cipher == "chacha20poly1305":
        return cipher
    return f"{_VYOS_CIPHERS[cipher]}-{digest}" if cipher in _VYOS_CIPHERS else None


def _blocks(text: str) -> _Block | None:
    root = _Block()
    stack = [root]
    for number, line in enumerate(text.splitlines()):
        words = line.strip().split()
        if not words or words[0].startswith(("//", "/*", "#")):
            continue
        if words[-1] == "{":
            block = _Block(tuple(w.strip("'\"") for w in words[:-1]), number)
            stack[-1].blocks.append(block)
            stack.append(block)
            if len(stack) > _VYOS_MIN_DEPTH:
                return None
        elif words[0] == "}":
            if len(stack) == 1:
                return None
            stack.pop()
        else:
            stack[-1].settings[words[0]] = (" ".join(words[1:]).strip("'\""), number)
    return root if len(stack) == 1 else None


def _all(block: _Block) -> list[_Block]:
    found, queue = [], [block]
    while queue:
        current = queue.pop()
        found.append(current)
        queue += current.blocks
    return found


_IOS = re.compile(r"^interface (Tunnel\S*)", re.I)
_TRANSFORM = re.compile(r"^crypto ipsec transform-set \S+ (.+)$")
_IOS_CIPHERS = {"esp-3des": "3des", "esp-aes": "aes128", "esp-gcm": "aes128gcm16", "esp-null": "null"}
_IOS_AUTHS = {
    "esp-sha-hmac": "sha1",
    "esp-md5-hmac": "md5",
    "esp-sha256-hmac": "sha256",
    "esp-sha384-hmac": "sha384",
    "esp-sha512-hmac": "sha512",
}


def is_ios(text: str) -> bool:
    """Tell whether this is a Cisco IOS or ASA configuration."""
    return bool(re.search(r"^(interface Tunnel|crypto (ipsec|map|isakmp|ikev2) )", text, re.M))


def ios(path: str, text: str, evidence: Evidence) -> None:
    """Read tunnels with ``ip mtu``, and transform sets."""
    lines = text.splitlines()
    inside, mtu, key = "", (0, 0), False
    mode: str = "tunnel"
    for index, line in enumerate([*lines, "!"]):
        transform = _TRANSFORM.match(line)
        if transform:
            words = transform.group(1).split()
            mode = "transport" if any(t.strip() == "mode transport" for t in lines[index + 1 : index + 2]) else "tunnel"
            cipher = next((_IOS_CIPHERS[w] for w in words if w in _IOS_CIPHERS), "")
            auth = next((_IOS_AUTHS[w] for w in words if w in _IOS_AUTHS), "")
            suite = cipher if cipher.endswith("gcm16") else f"{cipher}-{auth}" if cipher and auth else ""
            if suite:
                location = find_word(path, lines, index, "transform-set")
                kind = "transport" if mode == "transport" else "tunnel"
                evidence.esps.append(Esp(suite=suite, mode=kind, location=location))  # type: ignore[arg-type]
        start = _IOS.match(line)
        if start or not line.startswith(" "):
            if inside and mtu[0]:
                _ios_tunnel(path, lines, inside, mtu, key, evidence)
            inside, mtu, key = start.group(1) if start else "", (0, 0), False
        words = line.split()
        if inside and words[:2] == ["ip", "mtu"] and len(words) == 3 and words[2].isdecimal():
            mtu = (int(words[2][:6]), index)
        key = key or words[:2] == ["tunnel", "key"]


def _ios_tunnel(path: str, lines: list[str], name: str, mtu: tuple[int, int], key: bool, evidence: Evidence) -> None:
    evidence.settings.append(
        Setting(
            system="cisco",
            field=f"interface {name} ip mtu",
            location=find_word(path, lines, mtu[1], "ip mtu"),
            value=mtu[0],
            semantics="device",
            encap="gre+key" if key else "gre",
            family="ipv4",
            change=f"interface {name}, ip mtu",
        )
    )
