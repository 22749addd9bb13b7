"""systemd-networkd: .netdev, .network and .link files as what they say of devices."""

from __future__ import annotations

import re
from typing import Any

from netplan.audit.model import Configured, Evidence
from netplan.cni.adapter import whole
from netplan.cni.yaml_document import find_word
from netplan.host import networkd
from netplan.model.cni_facts import KERNEL_VXLAN, PORTS
from netplan.problems import Location

_SECTION = re.compile(r"^[ \t]*\[([A-Za-z0-9]+)\]\s*$")
_KEY = re.compile(r"^[ \t]*([A-Za-z0-9]+)\s*=(.*)$")
_SIZE = re.compile(r"(\d{1,7})([KM]?)")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}
_YES = ("yes", "true", "on", "1")
_CHANGE = "set MTUBytes; networkd changes an existing device only after it was deleted"
# what a .network file says of the devices on top of its own
_CARRIES = ("VXLAN", "VLAN", "MACVLAN", "IPVLAN", "Tunnel", "MACsec", "Xfrm", "IPoIB")

Line = tuple[str, str, str, int]  # section, key, value, line from 0


def read(path: str, text: str, evidence: Evidence) -> None:
    """Read one file. A .netdev makes a device, a .network or .link file says more of one that exists."""
    lines = _lines(text)
    keys = {(section, key): value for section, key, value, _ in lines}
    kind = keys.get(("NetDev", "Kind"), "").lower()
    name = keys.get(("NetDev", "Name")) or keys.get(("Match", "Name")) or keys.get(("Match", "OriginalName")) or ""
    added_to = networkd.unit_of(path)
    if not name and not added_to:
        return
    source = text.splitlines()
    sized = [(value, number) for _, key, value, number in lines if key == "MTUBytes" and _SIZE.fullmatch(value)]
    value, number = sized[-1] if sized else ("", 0)
    location = find_word(path, source, number, "MTUBytes") if sized else Location(path, 1)
    evidence.configured.append(
        Configured(
            name=name,
            unit=added_to or path.rpartition("/")[2],
            location=location,
            system="networkd",
            shown=f"{name or added_to} MTUBytes",
            change=_CHANGE if kind else "set MTUBytes, then `networkctl reload` and `networkctl reconfigure`",
            mtu=_size(value),
            kind=kind,
            data=_data(kind, keys),
            master=keys.get(("Network", "Bridge"), "") or keys.get(("Network", "Bond"), ""),
            addresses=tuple(v for section, key, v, _ in lines if key == "Address" and section != "Route"),
            independent=any(v.lower() in _YES for _, key, v, _ in lines if key == "Independent"),
        )
    )
    for section, key, value, number in lines:
        if section == "Network" and key in _CARRIES:
            where = find_word(path, source, number, key)
            evidence.configured.append(Configured(name=value, location=where, system="networkd", lower=name))


def _lines(text: str) -> list[Line]:
    section = ""
    found: list[Line] = []
    for number, line in enumerate(text.splitlines()):
        head, match = _SECTION.match(line), _KEY.match(line)
        if head:
            section = head.group(1)
        elif match:
            found.append((section, match.group(1), match.group(2).strip(), number))
    return found


def _size(text: str) -> int | None:
    match = _SIZE.fullmatch(text)
    return int(match.group(1)) * _UNITS[match.group(2)] if match else None


def _data(kind: str, keys: dict[tuple[str, str], str]) -> dict[str, Any]:
    """Return what `ip -d -j` would print of the device as info_data."""
    section = {"vxlan": "VXLAN", "geneve": "GENEVE", "xfrm": "Xfrm"}.get(kind, "Tunnel")

    def given(*names: str) -> str:
        return next((v for name in names if (v := keys.get((section, name), ""))), "")

    found: dict[str, Any] = {"local": given("Local"), "remote": given("Remote"), "group": given("Group")}
    if kind in ("vxlan", "geneve"):
        port = given("DestinationPort")
        found["port"] = whole(port) or (KERNEL_VXLAN if kind == "vxlan" else PORTS["geneve"])
        found["df"] = {"yes": "set", "true": "set", "inherit": "inherit"}.get(given("IPDoNotFragment").lower(), "unset")
    if kind == "xfrm":
        found["if_id"] = given("InterfaceId")
    key = given("OutputKey", "Key")
    if key:
        found["okey"] = key
    if given("SerializeTunneledPackets").lower() in _YES:
        found["oseq"] = True
    if given("EncapsulationLimit").lower() == "none":
        found["ip6_tnl_f_ign_encap_limit"] = True
    if kind == "erspan":
        version = whole(given("ERSPANVersion"))
        found |= {"erspan_ver": 1 if version is None else version}
    if given("FooOverUDP").lower() in _YES:
        shell = "gue" if "Generic" in given("Encapsulation") else "fou"
        found["encap"] = {"type": shell}
    return {name: value for name, value in found.items() if value != ""}
