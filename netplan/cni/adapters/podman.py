"""Podman with netavark. The option ``mtu`` (text) is the container's; without it, the default route's link decides."""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Encap,
    Family,
    Hint,
    Network,
    Setting,
    Step,
    fixed,
    minus,
    plus,
    whole,
)
from netplan.cni.kubernetes import compact, loaded, merged
from netplan.cni.yaml_document import Piece

TAKES: dict[tuple[Encap, Family], int] = {
    (encap, family): 0 for encap in ("none", "vxlan", "geneve") for family in ("ipv4", "ipv6")
}


def _render(network: Network) -> list[Artifact]:
    name = network.options.get("name", "pods")
    subnets = [{"subnet": cidr, "gateway": _gateway(cidr)} for cidr in network.pod_cidrs[:1]]
    fresh: dict[str, Any] = {
        "name": name,
        "driver": "bridge",
        "network_interface": network.options.get("bridge", "podman1"),
        "subnets": subnets,
        "ipv6_enabled": any(":" in cidr for cidr in network.pod_cidrs),
        "internal": False,
        "dns_enabled": True,
        "ipam_options": {"driver": "host-local"},
    }
    body = merged(loaded(network.existing.get(f"{name}.json")) or fresh, {"options": {"mtu": str(network.pod_mtu)}})
    path = f"etc/containers/networks/{name}.json"
    return [Artifact(path=path, text=compact(body), schema="podman/network")]


def _gateway(cidr: str) -> str:
    import ipaddress

    return str(ipaddress.ip_network(cidr, strict=False)[1])


def _steps(network: Network) -> list[Step]:
    name = network.options.get("name", "pods")
    return [
        Step(stage="config", text="install the network's file", where="node"),
        Step(
            stage="pods",
            text="recreate the network's bridge and restart the containers on it",
            command=f"podman network reload --all && podman ps --filter network={name}",
            where="node",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
    """Read a netavark network file, or ``podman network inspect``."""
    if piece.kind or not piece.has("driver", "network_interface") or not piece.has("name"):
        return []
    number = whole(piece.get("options", "mtu")) or None
    return [
        Setting(
            system="podman",
            field="options.mtu",
            place=piece.place("options", "mtu"),
            value=number,
            semantics="pod",
            encap="",
            ends=fixed(number) if number else minus(0),
            wanted=plus(),
            change="set options.mtu (text in quotes), recreate the network and restart its containers",
        )
    ]


ADAPTER = Adapter(
    name="podman",
    title="Podman (netavark)",
    checked_against="netavark 9a10e462",
    semantics="pod",
    field="/etc/containers/networks/NAME.json options.mtu",
    takes=TAKES,
    automatic=TAKES,
    goes_live="recreate the network, restart its containers",
    pods_keep=True,
    ports=(),
    render=_render,
    steps=_steps,
    audit=audit,
)
