"""OpenWrt: ``/etc/config/network``, and what ``uci show network`` prints of it.

Names and defaults are those of OpenWrt's protocol handlers (package/network: 6in4, 6rd, ds-lite, gre, ipip, vti, vxlan,
wireguard, ppp): PPPoE has 1492, WireGuard 1420, DS-Lite has no encapsulation limit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from netplan.audit.formats.listed import head, lines_of
from netplan.audit.model import Configured, Device, Evidence
from netplan.cni.adapter import whole
from netplan.cni.yaml_document import find_word
from netplan.host import ifupdown
from netplan.model.cni_facts import PORTS
from netplan.path.kinds import interface
from netplan.path.routing import network

PPPOE_MTU = 1492
WIREGUARD_MTU = 1420
# protocol -> the kernel's type, and what the device's name begins with
_KINDS = {
    "6in4": ("sit", "6in4-"),
    "6rd": ("sit", "6rd-"),
    "6to4": ("sit", "6to4-"),
    "dslite": ("ip6tnl", "ds-"),
    "ipip6": ("ip6tnl", "ipip6-"),
    "ipip": ("ipip", "ipip-"),
    "gre": ("gre", "gre4-"),
    "gretap": ("gretap", "gre4t-"),
    "grev6": ("ip6gre", "gre6-"),
    "grev6tap": ("ip6gretap", "gre6t-"),
    "vti": ("vti", "vti-"),
    "vtiv6": ("vti6", "vti6-"),
    "vxlan": ("vxlan", ""),
    "vxlan6": ("vxlan", ""),
    "wireguard": ("wireguard", ""),
    "xfrm": ("xfrm", ""),
}
# type of a device -> the kernel's
_DEVICES = {"bridge": "bridge", "8021q": "vlan", "8021ad": "vlan", "macvlan": "macvlan", "bonding": "bond"}
_CONFIG = re.compile(r"^[ \t]*config\s+'?([\w-]+)'?(?:\s+['\"]?([\w.-]+)['\"]?)?\s*$")
_OPTION = re.compile(r"^[ \t]*(option|list)\s+'?([\w-]+)'?\s+(\S.*)$")
_SHOWN = re.compile(r"^network\.([\w@\[\]-]+)(?:\.([\w-]+))?=(.*)$")


@dataclass
class _Section:
    """A section: its type, its name, its options, and the line (from 0) of each."""

    kind: str
    name: str
    line: int
    keys: dict[str, list[str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    def get(self, *keys: str) -> str:
        """Return the first value of the first of these options that is set."""
        return next((self.keys[key][0] for key in keys if self.keys.get(key)), "")

    def add(self, key: str, value: str, line: int, *, listed: bool) -> None:
        """Keep a value: a ``list`` grows, and an ``option`` that is said again replaces the one before."""
        if not listed:
            self.keys[key], self.lines[key] = [], line
        self.keys.setdefault(key, []).append(value)
        self.lines.setdefault(key, line)


def is_uci(text: str) -> bool:
    """Tell whether this is OpenWrt's network configuration in one of the two forms."""
    first = head(text)
    config = any((m := _CONFIG.match(line)) and m.group(1) in ("interface", "device", "globals") for line in first)
    return (config and any(_OPTION.match(line) for line in first)) or any(_SHOWN.match(line) for line in first)


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read MTUs of devices and tunnels, and WireGuard's peers."""
    lines = lines_of(text)
    sections = list(_sections(lines))
    for section in sections:
        proto = section.get("proto")
        if section.kind == "device":
            _device(path, lines, section, evidence)
        elif section.kind == "interface" and proto == "pppoe":
            _pppoe(path, lines, section, evidence)
        elif section.kind == "interface" and proto in _KINDS:
            _tunnel(path, lines, section, evidence)
        elif section.kind.startswith("wireguard_"):
            _peer(path, section, evidence)
    return None


def _unquoted(text: str) -> str:
    bare = text.strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] in "'\"" and bare[-1] == bare[0] else bare


def _sections(lines: list[str]) -> Iterator[_Section]:
    current: _Section | None = None
    shown: dict[str, _Section] = {}
    for number, line in enumerate(lines):
        config, option, one = _CONFIG.match(line), _OPTION.match(line), _SHOWN.match(line)
        if config:
            kind, name = config.group(1), config.group(2) or ""
            # a section of a name that was there before is the same one
            current = shown.setdefault(f"{kind} {name}" if name else f"\0{number}", _Section(kind, name, number))
        elif option and current is not None:
            current.add(option.group(2), _unquoted(option.group(3)), number, listed=option.group(1) == "list")
        elif one and not one.group(2):
            shown[one.group(1)] = _Section(_unquoted(one.group(3)), one.group(1), number)
        elif one and one.group(1) in shown:
            for value in re.split(r"'[ \t]'", _unquoted(one.group(3))):
                shown[one.group(1)].add(one.group(2), value, number, listed=True)
    yield from shown.values()


def _device(path: str, lines: list[str], section: _Section, evidence: Evidence) -> None:
    """Read a device with what it stands on; a name with a dot is a VLAN without a word about it."""
    name = section.get("name")
    if not name:
        return
    kind = _DEVICES.get(section.get("type"), "hardware")
    lower = section.get("ifname") or ifupdown.carrier(name)
    kind = "vlan" if kind == "hardware" and ifupdown.carrier(name) else kind
    evidence.configured.append(
        Configured(
            name=name,
            location=find_word(path, lines, section.lines.get("mtu", section.line), "mtu"),
            system="openwrt",
            shown=f"device {name}: mtu",
            change="set mtu of the device, uci commit network, and reload the network",
            mtu=whole(section.get("mtu")) or None,
            kind=kind,
            lower=lower if kind in ("vlan", "macvlan") else "",
        )
    )
    for listed in section.keys.get("ports", ()) if kind in ("bridge", "bond") else ():
        for port in listed.split():
            where = find_word(path, lines, section.lines["ports"], port)
            evidence.configured.append(Configured(name=port, location=where, system="openwrt", master=name))


def _pppoe(path: str, lines: list[str], section: _Section, evidence: Evidence) -> None:
    name, number = f"pppoe-{section.name}", whole(section.get("mtu")) or PPPOE_MTU
    where = find_word(path, lines, section.lines.get("mtu", section.line), "mtu")
    made = interface({"ifname": name, "mtu": number, "link_type": "ppp", "link": section.get("device", "ifname")})
    if made is not None:
        evidence.links.append(Device(name=name, mtu=number, location=where, configured=True, interface=made))


def _tunnel(path: str, lines: list[str], section: _Section, evidence: Evidence) -> None:
    proto = section.get("proto")
    kind, prefix = _KINDS[proto]
    number = whole(section.get("mtu")) or (WIREGUARD_MTU if kind == "wireguard" else None)
    if not number:
        return
    data: dict[str, Any] = {
        "local": section.get("ip6addr" if proto.endswith("v6") or proto == "dslite" else "ipaddr"),
        "remote": section.get("peeraddr", "peer6addr"),
    }
    if kind == "vxlan":
        data["port"] = whole(section.get("port")) or PORTS["vxlan"]
    if kind in ("ip6tnl", "ip6gre", "ip6gretap") and section.get("encaplimit") in ("", "ignore", "none"):
        data["ip6_tnl_f_ign_encap_limit"] = True
    if section.get("okey"):
        data["okey"] = section.get("okey")
    evidence.configured.append(
        Configured(
            name=f"{prefix}{section.name}",
            location=find_word(path, lines, section.lines.get("mtu", section.line), "mtu"),
            system="openwrt",
            shown=f"interface {section.name}: mtu",
            change=f"uci set network.{section.name}.mtu, uci commit network, and ifup {section.name}",
            mtu=number,
            kind=kind,
            data={key: value for key, value in data.items() if value},
            addresses=tuple(section.keys.get("addresses", ())),
        )
    )


def _peer(path: str, section: _Section, evidence: Evidence) -> None:
    end = section.get("endpoint_host")
    for listed in section.keys.get("allowed_ips", ()):
        for inside in listed.split():
            if network(end) is not None and network(inside) is not None:
                evidence.endpoints.append((path, section.kind.removeprefix("wireguard_"), inside, end))
