"""The self-managed overlay as systemd-networkd files: one VXLAN device a node, or one Geneve device a peer.

The kernel's Geneve device has a single remote, and networkd has no route-based encapsulation, so Geneve needs a
device for each peer. Addressing follows flannel: the overlay address of a node is the network address of its pod
subnet, and a peer's pod subnet is routed to that address on link.
Checked against systemd 252 (systemd.netdev(5), systemd.network(5)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from netplan.model.ids import peer_device
from netplan.templates.render import render

OverlayType = Literal["vxlan", "geneve", "gre", "ipip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One node as its peers see it: underlay address, overlay address (both literals) and pod subnet (CIDR)."""

    id: str
    address: str
    overlay_address: str
    pod_cidr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """The overlay of the cluster. ``mtu`` is the IP MTU of its devices in bytes; ``device`` names the VXLAN device;
    ``why`` is the ledger of the MTU in one line, for people who open the file."""

    type: OverlayType
    vni: int
    port: int
    device: str
    mtu: int
    why: str = ""


def kind(overlay: OverlayType, family: str) -> str:
    """Return what Linux calls such a device: tunnels without a port have another name over IPv6."""
    return {"gre": "ip6gre", "ipip": "ip6tnl"}.get(overlay, overlay) if family == "ipv6" else overlay


def devices(overlay: Overlay, peers: Sequence[Endpoint]) -> list[tuple[str, tuple[Endpoint, ...]]]:
    """Return (device name, peers reached through it), in a stable order."""
    if overlay.type == "vxlan":
        return [(overlay.device, tuple(peers))]
    return [(peer_device(overlay.type, peer.id), (peer,)) for peer in peers]


def networkd_files(
    overlay: Overlay, local: Endpoint, peers: Sequence[Endpoint], *, prefix: str = "10-ipsecplan"
) -> dict[str, str]:
    """Return file name -> text of the ``.netdev`` and ``.network`` files of one node.

    The prefix decides who wins when a device is described twice: networkd takes the first file in name order.
    """
    files: dict[str, str] = {}
    for name, reached in devices(overlay, peers):
        family = "ipv6" if ":" in local.address else "ipv4"
        context: dict[str, Any] = {
            "overlay": overlay,
            "local": local,
            "peers": reached,
            "device": name,
            "kind": kind(overlay.type, family),
        }
        files[f"{prefix}-{name}.netdev"] = render("networkd/overlay.netdev.j2", **context)
        files[f"{prefix}-{name}.network"] = render("networkd/overlay.network.j2", **context)
    return files
