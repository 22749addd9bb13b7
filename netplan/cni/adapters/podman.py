"""Podman with netavark. The option ``mtu`` (text) is the container's; without it, the default route's link decides."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from netplan.cni.adapter import EXACT, Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, same, whole
from netplan.cni.kubernetes import compact, merged
from netplan.cni.present import mappings
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

TAKES = same(("none", "vxlan", "geneve"))


def _given(request: CniRequest) -> dict[str, Any]:
    """The network that was given, as a file or as ``podman network inspect`` prints it."""
    known = mappings(request, "name", "driver", "network_interface")
    name = request.options.get("name")
    found = next((n for n in known if n["name"] == name), None) if name else next(iter(known), None)
    return {key: value for key, value in (found or {}).items() if key != "containers"}


def _name(request: CniRequest) -> str:
    return str(_given(request).get("name") or request.options.get("name", "pods"))


def _render(request: CniRequest) -> list[Artifact]:
    given, name = _given(request), _name(request)
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
    body = merged(given or fresh, {"options": {"mtu": str(request.pod_mtu)}})
    if not re.fullmatch(r"[0-9a-f]{64}", str(body.get("id", ""))):
        # podman skips a file without one; any 64 hexadecimal digits do (measured with 5.8.6 and 6.1.1)
        body = {"name": name, "id": hashlib.sha256(f"ipsecplan {name}".encode()).hexdigest(), **body}
    return [
        Artifact(path=f"etc/containers/networks/{name}.json", text=compact(body), schema="podman/network"),
    ]


def _rules(request: CniRequest) -> list[Problem]:
    if _given(request):
        return []
    message = f"network {_name(request)} is written whole: where it exists, give its file with --existing to keep it"
    return [Problem(code="IPP905", severity="warning", message=message)]


def _gateway(cidr: str) -> str:
    import ipaddress

    return str(ipaddress.ip_network(cidr, strict=False)[1])


def _steps(request: CniRequest) -> list[ManualStep]:
    name = _name(request)
    return [
        ManualStep(stage="config", text="install the network's file", where="node"),
        ManualStep(
            stage="pods",
            text="the running containers and the bridge get the file's MTU; others when they start",
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
            six=piece.get("ipv6_enabled") is True,
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
    goes_live="podman network reload --all, or when a container starts",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    rules=_rules,
)
