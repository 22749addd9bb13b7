"""Configuration of hosts' links: networkd, Canonical netplan, NetworkManager, ifupdown."""

from __future__ import annotations

import re

from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import Family, Setting
from netplan.cni.yaml_document import find_word
from netplan.host import ifupdown, netplan_yaml, networkd, networkmanager
from netplan.problems import ProblemError

_VIRTUAL = re.compile(r"^(lo|veth|docker|cni|br-|virbr|tun|tap|vxlan|geneve|wg|flannel|cali|ov\d|gre|xfrm|ipsec|vti)")


def network_unit(path: str, text: str, evidence: Evidence) -> None:
    """Read a .network, .netdev or .link file."""
    lines = text.splitlines()
    for keys, mtu, line in networkd.sections(text):
        location = find_word(path, lines, line, "MTUBytes")
        kind = keys["Kind"].lower()
        if kind in ("vxlan", "geneve", "ipip", "gre", "gretap", "wireguard", "xfrm"):
            family: Family = "ipv6" if ":" in keys["Local"] + keys["Remote"] else "ipv4"
            evidence.settings.append(
                Setting(
                    system="networkd",
                    field=f"{keys['Name'] or kind} MTUBytes",
                    location=location,
                    value=mtu,
                    semantics="device",
                    encap="none" if kind == "xfrm" else kind,
                    family=family,
                    change="set MTUBytes; networkd changes an existing device only after it was deleted",
                )
            )
        elif keys["Name"] and not kind and not _VIRTUAL.match(keys["Name"]):
            evidence.links.append(Device(name=keys["Name"], mtu=mtu, location=location, configured=True))


def canonical_file(path: str, text: str, evidence: Evidence) -> None:
    """Read a netplan file: MTUs of links, and of tunnels."""
    lines = text.splitlines()
    try:
        found = netplan_yaml.read(text)
    except ProblemError:
        return
    for device, mtu, line in found:
        location = find_word(path, lines, line, "mtu")
        if not _VIRTUAL.match(device):
            evidence.links.append(Device(name=device, mtu=mtu, location=location, configured=True))
        elif device.startswith(("vxlan", "ov")):
            evidence.settings.append(
                Setting(
                    system="canonical",
                    field=f"{device}: mtu",
                    location=location,
                    value=mtu,
                    semantics="device",
                    encap="vxlan",
                    change="set mtu and run netplan try",
                )
            )


def keyfile(path: str, text: str, evidence: Evidence) -> None:
    """Read a NetworkManager profile."""
    _links(path, text, networkmanager.read(text), "mtu", evidence)


def interfaces(path: str, text: str, evidence: Evidence) -> None:
    """Read /etc/network/interfaces."""
    _links(path, text, ifupdown.read(text), "mtu", evidence)


def _links(path: str, text: str, found: list[tuple[str, int, int]], word: str, evidence: Evidence) -> None:
    lines = text.splitlines()
    for device, mtu, line in found:
        if device and not _VIRTUAL.match(device):
            location = find_word(path, lines, line, word)
            evidence.links.append(Device(name=device, mtu=mtu, location=location, configured=True))
