"""The self-managed overlay: one VXLAN device a node, or one device a peer (Geneve, GRE, IP in IP), by systemd-networkd.

The kernel's Geneve device has a single remote, and networkd has no route-based encapsulation, so Geneve needs a
device for each peer. Addressing follows flannel: the overlay address of a node is the network address of its pod
subnet, and a peer's pod subnet is routed to that address on link.

A VXLAN of up to :data:`FLOODED` peers learns who is where: networkd's files list all peers, and each ARP request goes
to all of them. Larger ones have a table instead, the same file on every node, that ``overlay.sh`` loads in batches: a
MAC address of ours, a permanent neighbour, one forwarding entry and two routes a peer (docs/decisions/0126).
Checked against systemd 252 (systemd.netdev(5), systemd.network(5)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from netplan.model.ids import mac_address, peer_device
from netplan.problems import DefectError, present
from netplan.templates.render import environment, render
from netplan.templates.slots import Slot, filled

OverlayType = Literal["vxlan", "geneve", "gre", "ipip"]
FLOODED = (
    128  # peers; an ARP request is as many encrypted packets, and networkd takes 1,024 [BridgeFDB] sections a file
)
TABLE = "etc/ipsecplan/overlay"
SCRIPT = "usr/local/lib/ipsecplan/overlay.sh"
UNITS = {
    "etc/systemd/system/ipsecplan-overlay.service": "systemd/ipsecplan-overlay.service.j2",
    "etc/systemd/system/systemd-networkd.service.d/ipsecplan-overlay.conf": "systemd/networkd-ipsecplan.conf.j2",
}


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


def tabled(overlay: Overlay, hosts: int) -> bool:
    """Tell whether an overlay of so many hosts has a table instead of networkd's lists."""
    return overlay.type == "vxlan" and hosts - 1 > FLOODED


class OverlayFiles:
    """Writes the files of the overlay of one cluster; ``hosts`` are all its nodes.

    What a peer contributes to a file is rendered once, and a node's file is all of that without its own part.
    ``prefix`` decides who wins when a device is described twice: networkd takes the first file in name order.
    """

    def __init__(self, overlay: Overlay, hosts: Sequence[Endpoint], *, prefix: str = "10-ipsecplan") -> None:
        self._overlay, self._hosts, self._prefix = overlay, hosts, prefix
        self._place = {host.id: place for place, host in enumerate(hosts)}
        self.common: dict[str, str] = {}
        self._floods, self._routes = "", ""
        self._flood_at, self._route_at = [0], [0]
        self._shared: dict[str, str] = {}
        if tabled(overlay, len(hosts)):
            self.common = {f"{TABLE}/hosts": _table(hosts), SCRIPT: script(), **units()}
        elif overlay.type == "vxlan":
            self._list()

    def _list(self) -> None:
        """Make networkd's sections of all hosts, and where those of each begin."""
        peer = {name: Slot(name) for name in ("address", "overlay_address", "pod_cidr")}
        flood, route = (render(f"networkd/{name}.network.j2", peer=peer) for name in ("flood", "route"))
        for host in self._hosts:
            own = {name: str(getattr(host, name)) for name in peer}
            self._floods += "".join(filled(flood, own))
            self._routes += "".join(filled(route, own))
            self._flood_at.append(len(self._floods))
            self._route_at.append(len(self._routes))

    def of(self, node: str) -> dict[str, str]:
        """Return path -> text of a node's (an id) own files; those in ``common`` are the same on all nodes."""
        local = self._hosts[self._place[node]]
        folder = f"etc/systemd/network/{self._prefix}"
        if self._overlay.type != "vxlan":
            files: dict[str, str] = {}
            for peer in self._hosts:
                if peer.id != node:
                    name = peer_device(self._overlay.type, peer.id)
                    netdev, network = self._device(name, local, peer)
                    routes = "".join(filled(render("networkd/route.network.j2", peer=peer), {}))
                    files |= {f"{folder}-{name}.netdev": netdev, f"{folder}-{name}.network": network + routes}
            return files
        name = self._overlay.device
        netdev, network = self._device(name, local, None)
        files = {f"{folder}-{name}.netdev": netdev, f"{folder}-{name}.network": network}
        if self.common:
            files[f"{TABLE}/device"] = f"{name} {local.overlay_address}\n"
        else:
            at = self._place[node]
            files[f"{folder}-{name}.network"] += _but(self._floods, self._flood_at, at) + _but(
                self._routes, self._route_at, at
            )
        return files

    def _device(self, name: str, local: Endpoint, peer: Endpoint | None) -> tuple[str, str]:
        """Return the ``.netdev`` of a device, and its ``.network`` as far as it names no peers."""
        family = "ipv6" if ":" in local.address else "ipv4"
        own = {
            "address": local.address,
            "overlay_address": local.overlay_address,
            "mac": mac_address(local.overlay_address),
            "device": name,
            "remote": peer.address if peer else "",
        }
        if family not in self._shared:
            slots = {word: Slot(word) for word in own}
            context: dict[str, Any] = {
                "overlay": self._overlay,
                "kind": kind(self._overlay.type, family),
                "tabled": bool(self.common),
                **slots,
            }
            for word in ("netdev", "network"):
                self._shared[f"{family} {word}"] = render(f"networkd/overlay.{word}.j2", **context)
            self._shared[family] = family
        netdev, network = ("".join(filled(self._shared[f"{family} {word}"], own)) for word in ("netdev", "network"))
        return netdev, network


def _but(text: str, begins: Sequence[int], at: int) -> str:
    """Return a text of many parts without one of them."""
    return text[: begins[at]] + text[begins[at + 1] :]


def _table(hosts: Sequence[Endpoint]) -> str:
    """Return the table: a line a host of underlay address and pod subnet, whose first address is the overlay's."""
    if any(host.pod_cidr.partition("/")[0] != host.overlay_address for host in hosts):
        raise DefectError("an overlay address is not the first of its pod subnet")
    return "".join(f"{host.address} {host.pod_cidr}\n" for host in hosts)


def networkd_files(
    overlay: Overlay, local: Endpoint, peers: Sequence[Endpoint], *, prefix: str = "10-ipsecplan"
) -> dict[str, str]:
    """Return file name -> text of networkd's files of one node."""
    made = OverlayFiles(overlay, [local, *peers], prefix=prefix).of(local.id)
    folder = "etc/systemd/network/"
    return {path.removeprefix(folder): text for path, text in made.items() if path.startswith(folder)}


def script() -> str:
    """Return the shell script that loads the table, which is no template."""
    return present(environment().loader, "the templates' loader").get_source(environment(), "node/overlay.sh")[0]


def units() -> dict[str, str]:
    """Return path -> text of what has systemd load the table."""
    return {path: render(template) for path, template in UNITS.items()}
