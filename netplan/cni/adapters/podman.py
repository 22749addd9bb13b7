"""Podman with netavark. The option ``mtu`` (text) is the container's; without it, the default route's link decides."""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import EXACT, Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, same, whole
from netplan.cni.kubernetes import compact, loaded, merged
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS

TAKES = same(("none", "vxlan", "geneve"))


def _render(request: CniRequest) -> list[Artifact]:
    name = request.options.get("name", "pods")
    subnets = [{"subnet": cidr, "gateway": _gateway(cidr)} for cidr in request.pod_cidrs[:1]]
    fresh: dict[str, Any] = {
        "name": name,
        "driver": "bridge",
        "network_interface": request.options.get("bridge", NETWORKS["podman"].bridge),
        "subnets": subnets,
        "ipv6_enabled": any(":" in cidr for cidr in request.pod_cidrs),
        "internal": False,
        "dns_enabled": True,
        "ipam_options": {"driver": "host-local"},
    }
    body = merged(loaded(request.existing.get(f"{name}.json")) or fresh, {"options": {"mtu": str(request.pod_mtu)}})
    path = f"etc/containers/networks/{name}.json"
    return [Artifact(path=path, text=compact(body), schema="podman/network")]


def _gateway(cidr: str) -> str:
    import ipaddress

    return str(ipaddress.ip_network(cidr, strict=False)[1])


def _steps(request: CniRequest) -> list[ManualStep]:
    name = request.options.get("name", "pods")
    return [
        ManualStep(stage="config", text="install the network's file", where="node"),
        ManualStep(
            stage="pods",
            text="recreate the network's bridge and restart the containers on it",
            command=f"podman network reload --all && podman ps --filter network={name}",
            where="node",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read a netavark network file, or ``podman network inspect``."""
    if piece.kind or not piece.has("driver", "network_interface") or not piece.has("name"):
        return []
    number = whole(piece.get("options", "mtu")) or None
    return [
        Setting(
            system="podman",
            field="options.mtu",
            location=piece.location("options", "mtu"),
            value=number,
            semantics="pod",
            encap="",
            automatic=EXACT,
            change="set options.mtu (text in quotes), recreate the network and restart its containers",
        )
    ]


ADAPTER = Adapter(
    name="podman",
    title="Podman (netavark)",
    semantics="pod",
    field="/etc/containers/networks/NAME.json options.mtu",
    overhead=Overhead(TAKES),
    automatic=Overhead(TAKES),
    goes_live="recreate the network, restart its containers",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
)
