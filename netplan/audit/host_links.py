"""Configuration of hosts' links and tunnels: Canonical netplan, NetworkManager, ifupdown; and what all of it makes.

A name says nothing about a device: its type is in the file that makes it. So every file only adds what it says, and
:func:`devices` puts the files of one host together once all are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netplan.audit.linux import MAKES
from netplan.audit.model import Configured, Device, Evidence
from netplan.audit.places import host_of
from netplan.cni.adapter import Setting, whole
from netplan.cni.yaml_document import find_word
from netplan.host import ifupdown
from netplan.inputs.yaml_source import Source, documents
from netplan.model.cni_facts import KERNEL_VXLAN
from netplan.path.kinds import interface, with_options
from netplan.path.model import Interface
from netplan.problems import Location, ProblemError, printable

# names that no hardware has, where no file says what makes the device
_VIRTUAL = re.compile(r"^(lo|veth|docker|cni|br-|virbr|tun|tap|vxlan|geneve|wg|flannel|cali|ov\d|gre|xfrm|ipsec|vti)")
_LARGEST = 65535  # of a device whose MTU no file says: the kernel makes it fit

_NETPLAN_KINDS = {
    "ethernets": "hardware",
    "wifis": "hardware",
    "modems": "hardware",
    "bonds": "bond",
    "bridges": "bridge",
    "vlans": "vlan",
    "dummy-devices": "dummy",
    "virtual-ethernets": "veth",
    "vrfs": "vrf",
}
_NETPLAN_MODES = {"ip6ip6": "ip6tnl", "ipip6": "ip6tnl"}
_NM_MODES = {
    "1": "ipip",
    "2": "gre",
    "3": "sit",
    "5": "vti",
    "6": "ip6tnl",
    "7": "ip6tnl",
    "8": "ip6gre",
    "9": "vti6",
    "10": "gretap",
    "11": "ip6gretap",
}
_NM_TYPES = {"ethernet": "hardware", "802-3-ethernet": "hardware", "infiniband": "hardware", "wifi": "hardware"}


def canonical_file(path: str, text: str, evidence: Evidence) -> None:
    """Read a netplan file: links, tunnels, and their MTUs."""
    try:
        sources = list(documents(text, "netplan"))
    except ProblemError:
        return
    lines = text.splitlines()
    for source in sources:
        network = source.data.get("network") if isinstance(source.data, dict) else None
        for kind, members in network.items() if isinstance(network, dict) else ():
            for name, body in members.items() if isinstance(members, dict) else ():
                if isinstance(body, dict) and isinstance(name, str):
                    at = ("network", kind, name)
                    evidence.configured += list(_canonical(path, lines, source, kind, name, body, at))


def _canonical(
    path: str, lines: list[str], source: Source, kind: str, name: str, body: dict[str, Any], at: tuple[str, ...]
) -> Iterator[Configured]:
    mtu = str(body.get("mtu", ""))
    line = source.location((*at, "mtu") if mtu else at, on="key").line or 1
    made = _NETPLAN_KINDS.get(kind, "")
    if kind == "tunnels":
        mode = str(body.get("mode", ""))
        made = _NETPLAN_MODES.get(mode, mode)
    if not made:
        return
    data: dict[str, Any] = {k: str(body[k]) for k in ("local", "remote") if body.get(k)}
    key = body.get("keys", body.get("key"))
    key = key.get("output") if isinstance(key, dict) else key
    if key is not None and made != "wireguard":
        data["okey"] = key
    if made == "vxlan":
        port = body.get("port")
        data["port"] = port if isinstance(port, int) else KERNEL_VXLAN
    lower = str(body.get("link") or "")
    yield Configured(
        name=name,
        location=find_word(path, lines, line - 1, "mtu" if mtu else name),
        system="canonical",
        shown=f"{name}: mtu",
        change="set mtu and run netplan try",
        mtu=int(mtu[:9]) if mtu.isdecimal() else None,
        kind=made,
        data=data,
        lower=lower,
        addresses=tuple(_words(body, "addresses")),
        independent=made == "vxlan" and not lower,
    )
    for port in _words(body, "interfaces"):
        yield Configured(name=port, location=Location(path, line), system="canonical", master=name)


def _words(body: dict[str, Any], key: str) -> list[str]:
    found = body.get(key)
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


def keyfile(path: str, text: str, evidence: Evidence) -> None:
    """Read a NetworkManager profile."""
    lines = text.splitlines()
    section, keys, at = "", {}, {}
    for number, line in enumerate(lines):
        match = re.match(r"^[ \t]*\[([^\]]+)\]\s*$", line)
        section = match.group(1) if match else section
        key, sign, value = line.partition("=")
        if sign:
            keys[section, key.strip()] = value.strip()
            at[section, key.strip()] = number
    name = keys.get(("connection", "interface-name"), "")
    kind = keys.get(("connection", "type"), "")
    tunnel = kind == "ip-tunnel"
    made = _NM_MODES.get(keys.get((kind, "mode"), ""), "unknown") if tunnel else _NM_TYPES.get(kind, kind)
    places = [(s, "mtu") for s in ("wireguard", "ip-tunnel", "ethernet", "802-3-ethernet") if (s, "mtu") in keys]
    mtu = keys[places[0]] if places else ""
    data: dict[str, Any] = {k: v for k in ("local", "remote") if (v := keys.get((kind, k), ""))}
    if keys.get((kind, "output-key")):
        data["okey"] = keys[kind, "output-key"]
    if kind == "vxlan":
        port = keys.get((kind, "destination-port"), "")
        data["port"] = whole(port) or KERNEL_VXLAN
    if not name:
        return
    evidence.configured.append(
        Configured(
            name=name,
            location=find_word(path, lines, at[places[0]] if places else 0, "mtu" if places else ""),
            system="networkmanager",
            shown=f"{name} {places[0][0] if places else 'ethernet'}.mtu",
            change="set it and run `nmcli connection reload` and `nmcli device reapply`",
            mtu=int(mtu[:9]) or None if mtu.isdecimal() else None,
            kind=made,
            data=data,
            lower=keys.get((kind, "parent"), ""),
            independent=kind == "vxlan" and not keys.get((kind, "parent")),
        )
    )


def interfaces(path: str, text: str, evidence: Evidence) -> None:
    """Read /etc/network/interfaces."""
    lines = text.splitlines()
    for name, mtu, line in ifupdown.read(text):
        evidence.configured.append(
            Configured(
                name=name,
                location=find_word(path, lines, line, "mtu"),
                system="ifupdown",
                shown=f"{name} mtu",
                change="set mtu in the stanza, and `ip link set` it",
                mtu=mtu,
                kind="vlan" if ifupdown.carrier(name) else "",
                lower=ifupdown.carrier(name),
            )
        )
    for bridge, port, line in ifupdown.ports(text):
        evidence.configured.append(
            Configured(name=port, location=Location(path, line + 1), system="ifupdown", master=bridge)
        )


def devices(evidence: Evidence) -> None:
    """Add the devices and numbers that the files of each host make together."""
    _tunnels(evidence)
    units = {(host_of(c.location.path), c.unit): c.name for c in evidence.configured if c.unit and c.name}
    by_device: dict[tuple[str, str], list[Configured]] = {}
    for found in evidence.configured:
        name = found.name or units.get((host_of(found.location.path), found.unit), "")
        each = replace(found, name=name)
        if not name:
            if each.mtu:
                evidence.settings.append(_setting(each, None, f"{each.unit} is not among the inputs: give it"))
            continue
        by_device.setdefault((host_of(each.location.path), each.name), []).append(each)
    live = {(host_of(d.location.path), d.name): d for d in evidence.links if d.interface and not d.configured}
    for place in sorted(by_device):
        _device(place, by_device[place], live.get(place), evidence)
    _name_files(by_device, evidence)


def _name_files(by_device: dict[tuple[str, str], list[Configured]], evidence: Evidence) -> None:
    """Name the file that makes a running device in what is to be changed, where it is among the inputs."""
    for index, setting in enumerate(evidence.settings):
        files = by_device.get((host_of(setting.location.path), setting.device), []) if setting.running else []
        said = next((c for c in files if c.mtu), next((c for c in files if c.kind), None))
        if said is not None and setting.change.endswith(MAKES):
            where = printable(said.location.path or "")
            evidence.settings[index] = replace(setting, change=f"{setting.change} ({where})")


def _tunnels(evidence: Evidence) -> None:
    """Complete tunnel devices whose options were not printed by what a list of tunnels says of them."""
    known = {(host_of(path), name): (kind, data) for path, name, kind, data in evidence.tunnels}
    for index, device in enumerate(evidence.links):
        said = known.get((host_of(device.location.path), device.name))
        if said is not None and device.interface is not None and device.interface.unsaid:
            evidence.links[index] = replace(device, kind=said[0], interface=with_options(device.interface, *said))


def _device(place: tuple[str, str], found: list[Configured], live: Device | None, evidence: Evidence) -> None:
    name = place[1]
    kind = next((c.kind for c in found if c.kind), "")
    running = live.interface if live is not None else None
    if not kind and running is not None:
        kind = running.kind or ("hardware" if running.role == "link" else "")
    sized = sorted((c for c in found if c.mtu), key=lambda c: (not c.kind, str(c.location)))
    if not kind and _VIRTUAL.match(name):
        evidence.settings += [
            _setting(c, None, "the file that makes this device is not among the inputs") for c in sized
        ]
        return
    if not kind and not sized:
        return
    entry: dict[str, Any] = {
        "ifname": name,
        "mtu": sized[-1].mtu if sized else _LARGEST,
        "link": next((c.lower for c in found if c.lower), ""),
        "master": next((c.master for c in found if c.master), ""),
        "addr_info": [_address(a) for c in found for a in c.addresses],
    }
    if kind not in ("", "hardware"):
        entry["linkinfo"] = {"info_kind": kind, "info_data": next((c.data for c in found if c.data), {})}
    made = interface(entry)
    if made is None:
        return
    if made.role in ("tunnel", "policy", "frame", "unknown"):
        evidence.settings += [_setting(c, made) for c in sized]
        if not sized and any(c.independent for c in found) and not made.lower and kind == "vxlan":
            first = next(c for c in found if c.independent)
            evidence.settings.append(_setting(first, made, default=1500))
    elif not sized and made.role == "link" and not kind:
        return
    if sized or made.role not in ("link", "bridge", "nothing") or made.lower:
        where = sized[-1].location if sized else found[0].location
        evidence.links.append(
            Device(
                name=name,
                mtu=made.mtu,
                kind=made.kind,
                lower=made.lower,
                location=where,
                configured=True,
                interface=made,
            )
        )


def _address(text: str) -> dict[str, Any]:
    bare, _, length = text.partition("/")
    bits = whole(length)
    return {"local": bare} if bits is None else {"local": bare, "prefixlen": bits}


def _setting(each: Configured, made: Interface | None, why: str = "", default: int | None = None) -> Setting:
    return Setting(
        system=each.system,
        field=each.shown,
        location=each.location,
        value=each.mtu or default,
        semantics="device",
        encap=made.kind if made else "unknown",
        family=made.family if made else None,
        port=made.port if made else None,
        device=each.name,
        unjudged=why or (made.why if made and made.role == "unknown" else ""),
        change=each.change,
        note="" if each.mtu else f"not set: without a carrier the kernel makes it {default}",
    )
