"""Canonical netplan: a file of its own, because netplan merges the keys of one interface over all files.

``match`` by hardware address where it is known: an MTU on a device that is matched by name only is not reliable with
networkd. Nothing to do with this program's own import name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from netplan.inputs.yaml_source import Source, documents

_TYPES = ("ethernets", "bonds", "bridges", "vlans", "tunnels", "wifis", "dummy-devices", "vrfs", "virtual-ethernets")


def render(link: Any) -> dict[str, str]:
    """Return the file; ``link.unit`` is the interface's id in the existing files when it is not its name."""
    body: dict[str, Any] = {"mtu": link.mtu}
    if link.mac:
        body = {"match": {"macaddress": link.mac}, **body}
    if link.dhcp:
        body["dhcp4-overrides"] = {"use-mtu": False}
    kind = f"{link.family}s"
    document = {"network": {"version": 2, kind: {link.unit or link.name: body}}}
    return {"etc/netplan/90-ipsecplan.yaml": "# ipsecplan\n" + yaml.safe_dump(document, sort_keys=False)}


def apply(_link: Any) -> list[str]:
    """Return the commands that make it live; ``try`` rolls the change back unless it is confirmed."""
    return ["chmod 600 /etc/netplan/90-ipsecplan.yaml", "netplan generate", "netplan try --timeout 120"]


def read(text: str) -> list[tuple[str, int, int]]:
    """Return (device, MTU, line from 0) for every ``mtu`` of a netplan file. Raises ProblemError if it is no YAML."""
    return [found for source in documents(text, "netplan") for found in _mtus(source)]


def _mtus(source: Source) -> Iterator[tuple[str, int, int]]:
    network = source.data.get("network") if isinstance(source.data, dict) else None
    for kind, devices in network.items() if isinstance(network, dict) else ():
        if kind not in _TYPES or not isinstance(devices, dict):
            continue
        for device, body in devices.items():
            mtu = str(body.get("mtu")) if isinstance(body, dict) else ""
            line = source.location(("network", kind, device, "mtu"), on="key").line
            if mtu.isdecimal() and line is not None:
                yield device, int(mtu[:9]), line - 1
