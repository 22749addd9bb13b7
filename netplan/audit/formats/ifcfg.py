"""``ifcfg-`` files of RHEL's and SUSE's network scripts, and version 1 of cloud-init's network configuration.

initscripts' sysconfig.txt and wicked's ifcfg(5); cloud-init, Networking config version 1.
"""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.formats.listed import head, lines_of
from netplan.audit.model import Configured, Evidence
from netplan.cni.adapter import whole
from netplan.cni.yaml_document import Piece, find_word
from netplan.host import ifupdown

_KEY = re.compile(r"^[ \t]*([A-Z][A-Z0-9_]*)=(.*)$")
_OWN = {"ONBOOT", "BOOTPROTO", "STARTMODE", "NM_CONTROLLED", "PEER_OUTER_IPADDR", "TUNNEL", "ETHERDEVICE", "IPADDR"}
_TYPES = {
    "bond": "bond",
    "bridge": "bridge",
    "vlan": "vlan",
    "gre": "gre",
    "ipip": "ipip",
    "sit": "sit",
    "team": "team",
}
_CLOUD = {"physical": "hardware", "bond": "bond", "bridge": "bridge", "vlan": "vlan"}


def is_ifcfg(path: str, text: str) -> bool:
    """Tell whether this is a file of the network scripts."""
    keys = {match.group(1) for line in head(text, 16384) if (match := _KEY.match(line))}
    named = path.rpartition("/")[2].startswith("ifcfg-")
    return bool(keys & _OWN) and ("DEVICE" in keys or named)


def read(path: str, text: str, evidence: Evidence) -> str | None:
    """Read the device of one file, with what it stands on."""
    lines = lines_of(text)
    keys: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines):
        match = _KEY.match(line)
        if match:
            keys[match.group(1)] = (_said(match.group(2)), number)

    def word(*names: str) -> str:
        return next((keys[name][0] for name in names if name in keys), "")

    name = word("DEVICE") or path.rpartition("/")[2].removeprefix("ifcfg-")
    kind = _TYPES.get(word("TYPE", "TUNNEL").lower(), "")
    lower = word("PHYSDEV", "ETHERDEVICE") or ifupdown.carrier(name)
    kind = "vlan" if word("VLAN").lower() == "yes" or "ETHERDEVICE" in keys else kind
    kind = "bond" if "BONDING_MASTER" in keys else "bridge" if word("BRIDGE").lower() == "yes" else kind
    local, remote = word("MY_OUTER_IPADDR", "TUNNEL_LOCAL_IPADDR"), word("PEER_OUTER_IPADDR", "TUNNEL_REMOTE_IPADDR")
    data: dict[str, Any] = {k: v for k, v in (("local", local), ("remote", remote), ("okey", word("KEY"))) if v}
    mtu, at = keys.get("MTU", ("", 0))
    address, prefix = word("IPADDR", "MY_INNER_IPADDR"), word("PREFIX", "PREFIXLEN")
    evidence.configured.append(
        Configured(
            name=name,
            location=find_word(path, lines, at, "MTU" if mtu else ""),
            system="ifcfg",
            shown=f"{name}: MTU",
            change="set MTU in its ifcfg file, then ifdown and ifup",
            mtu=whole(mtu) or None,
            kind=kind or "hardware",
            data=data,
            lower=lower if kind == "vlan" else "",
            master=word("MASTER", "TEAM_MASTER") or ("" if kind == "bridge" else word("BRIDGE")),
            addresses=(f"{address}/{prefix}",) if address and prefix else (),
        )
    )
    return None


def _said(value: str) -> str:
    """Return what a shell takes of a value: no quotation marks, and no comment behind it."""
    bare = value.partition(" #")[0].partition("\t#")[0].strip()
    return bare[1:-1] if len(bare) > 1 and bare[0] in "\"'" and bare[-1] == bare[0] else bare


def is_cloud(data: Any) -> bool:
    """Tell whether this is cloud-init's network configuration, version 1."""
    network = data.get("network", data) if isinstance(data, dict) else None
    return isinstance(network, dict) and network.get("version") == 1 and isinstance(network.get("config"), list)


def cloud(piece: Piece, evidence: Evidence) -> None:
    """Read devices of cloud-init's version 1."""
    at = ("network", "config") if isinstance(piece.get("network"), dict) else ("config",)
    for member in piece.items(*at):
        name, given = member.text("name"), _cloud_mtu(member)
        number = whole(given.get("mtu")) or whole(member.get("params", "mtu"))
        kind = _CLOUD.get(member.text("type"), "")
        if not name or not kind:
            continue
        evidence.configured.append(
            Configured(
                name=name,
                location=given.location("mtu") if given.has("mtu") else member.location("name"),
                system="cloud-init",
                shown=f"{name}: mtu",
                change="set mtu in the network configuration",
                mtu=number or None,
                kind=kind,
                lower=member.text("vlan_link"),
            )
        )
        for port in (*member.items("bond_interfaces"), *member.items("bridge_interfaces")):
            if isinstance(port.data, str):
                evidence.configured.append(
                    Configured(name=port.data, location=port.location(), system="cloud-init", master=name)
                )


def _cloud_mtu(member: Piece) -> Piece:
    """Return what has the device's MTU: an IPv4 subnet goes before the device itself.

    Five renderers of cloud-init 25.1 and 26.2 were measured: networkd's alone takes the device's.
    """
    for subnet in member.items("subnets"):
        six = subnet.text("type").endswith("6") or ":" in subnet.text("address")
        if whole(subnet.get("mtu")) and not six:
            return subnet
    return member
