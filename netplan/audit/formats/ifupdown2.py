"""ifupdown2 (Proxmox VE, Cumulus): stanzas without a family, and tunnels with ``vxlan-id``.

What has no ``mtu`` does not keep the kernel's: ifupdown2 writes 1500 into every VXLAN and every bridge, whatever their
carrier and ports have (measured with 3.0.0: ``findings/ifupdown2-bridge-below-its-ports.sh``). The plain stanzas of
ifupdown are read in :mod:`netplan.audit.host_links`.
"""

from __future__ import annotations

import re

from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Configured, Device, Evidence
from netplan.cni.adapter import Family, Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.host import ifupdown
from netplan.model.cni_facts import PORTS
from netplan.problems import Location

_IFACE = re.compile(r"^[ \t]*iface\s+(\S+)(?:\s+inet6?\s+\S+)?\s*$")
_OWN = re.compile(r"^[ \t]+(vxlan-\S+|bridge-vlan-aware|bridge-vids|vlan-raw-device|bond-slaves)\s", re.M)
UNSAID = 1500  # bytes; policy "default_mtu" of its module address may say another
_VIRTUAL = re.compile(r"^(lo|vmbr|tap|veth|fw)")


def is_interfaces(text: str) -> bool:
    """Tell whether this is an interfaces file of ifupdown2."""
    return bool(re.search(r"^[ \t]*iface\s+\S+\s*$", text, re.M)) or (
        bool(re.search(r"^[ \t]*iface\s+\S+", text, re.M)) and bool(_OWN.search(text))
    )


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read MTUs of links and of VXLAN devices."""
    lines = lines_of(text)
    for bridge, port, number in ifupdown.ports(text):
        evidence.configured.append(
            Configured(name=port, location=Location(path, number + 1), system="ifupdown2", master=bridge)
        )
    name = ""
    keys: dict[str, tuple[str, int]] = {}
    for number, line in enumerate([*lines, "iface end"]):
        head = _IFACE.match(line)
        if head:
            if head.group(1) != name:
                _stanza(path, lines, name, keys, evidence)
                keys = {}
            name = head.group(1)
        elif line[:1].isspace() and len(line.split()) > 1:
            word, _, value = line.strip().partition(" ")
            keys.setdefault(word, (value.strip(), number))
    return None


def _stanza(path: str, lines: list[str], name: str, keys: dict[str, tuple[str, int]], evidence: Evidence) -> None:
    value, at = keys.get("mtu", ("", 0))
    number = whole(value)
    if not name or (value and not number):
        return
    if "vxlan-id" in keys:
        _vxlan(path, lines, name, number, keys, evidence)
    elif ports := keys.get("bridge-ports", keys.get("bridge_ports")):
        # a bridge without an address of the host carries nothing of the host's
        if "address" in keys and ports[0] != "none":
            location = find_word(path, lines, at if number else ports[1], "mtu" if number else "")
            evidence.links.append(Device(name=name, mtu=number or UNSAID, location=location, configured=True))
    elif number and not _VIRTUAL.match(name) and "." not in name:
        location = find_word(path, lines, at, "mtu")
        evidence.links.append(Device(name=name, mtu=number, location=location, configured=True))


def _vxlan(
    path: str, lines: list[str], name: str, number: int | None, keys: dict[str, tuple[str, int]], evidence: Evidence
) -> None:
    """Add a VXLAN. One with a carrier and no ``mtu`` is left out: the kernel refuses 1500 where it does not fit."""
    if not number and "vxlan-physdev" in keys:
        return
    at = keys["mtu" if number else "vxlan-id"][1]
    ends = keys.get("vxlan-local-tunnelip", ("", 0))[0] + keys.get("vxlan-remoteip", ("", 0))[0]
    family: Family = "ipv6" if ":" in ends else "ipv4"
    evidence.settings.append(
        Setting(
            system="ifupdown2",
            field=f"{name} mtu",
            location=find_word(path, lines, at, "mtu" if number else "vxlan-id"),
            value=number or UNSAID,
            semantics="device",
            encap="vxlan",
            family=family,
            port=whole(keys.get("vxlan-port", ("", 0))[0]) or PORTS["vxlan"],
            source=keys.get("vxlan-local-tunnelip", ("", 0))[0],
            far=tuple(keys.get("vxlan-remoteip", ("", 0))[0].split()),
            change="set mtu and run ifreload -a",
            note="" if number else f"not set: ifupdown2 makes it {UNSAID}",
        )
    )
