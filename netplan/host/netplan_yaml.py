"""Canonical netplan: a file of its own, because netplan merges the keys of one interface over all files.

``match`` by hardware address where it is known: an MTU on a device that is matched by name only is not reliable with
networkd. Nothing to do with this program's own import name.
"""

from __future__ import annotations

from typing import Any

import yaml

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
    """Return every ``mtu`` of a netplan file."""
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    found: list[tuple[str, int, int]] = []
    for name, network in _pairs(node):
        if name.value != "network":
            continue
        for kind, devices in _pairs(network):
            if kind.value not in _TYPES:
                continue
            for device, body in _pairs(devices):
                for key, value in _pairs(body):
                    if key.value == "mtu" and isinstance(value, yaml.ScalarNode) and value.value.isdigit():
                        found.append((str(device.value), int(value.value[:9]), key.start_mark.line))
    return found


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return [(key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode)]
