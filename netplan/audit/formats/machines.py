"""Networks of virtual machines and single hosts: Proxmox SDN, Incus and LXD, k3s' and RKE2's own files.

Read on 28 Nov 2026: pve-network ecf98c5 (VxlanPlugin.pm, EvpnPlugin.pm), lxc/incus be7afc5 (7.3.0) and canonical/lxd
a83edf2 (6.9; driver_ovn.go getOptimalBridgeMTU), k3s pkg/agent/flannel/setup.go, rancher/rke2 6ce1a80.
"""

from __future__ import annotations

import re

from netplan.audit.formats.listed import lines_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import Clue, Family, Overhead, Setting, whole
from netplan.cni.adapters.flannel import BACKENDS
from netplan.cni.adapters.rke2 import CANAL_DEFAULT
from netplan.cni.yaml_document import Piece, find_word
from netplan.model.cni_facts import KERNEL_VXLAN, PORTS

PROXMOX_MTU = 1450
INCUS_OVN_MTU = {"ipv4": 1442, "ipv6": 1422}
INCUS_TUNNEL_MTU = 1400
_ZONE = re.compile(r"^(vxlan|evpn|simple|vlan|qinq|faucet):\s+(\S+)\s*$")


def is_proxmox_zones(text: str) -> bool:
    """Tell whether this is /etc/pve/sdn/zones.cfg."""
    return any(_ZONE.match(line) for line in lines_of(text[:65536])) and bool(re.search(r"^\t\S", text, re.M))


def proxmox_zones(path: str, text: str, evidence: Evidence) -> str | None:
    """Read VXLAN and EVPN zones: the guests' MTU, which is 1450 where the zone doesn't say."""
    lines = lines_of(text)
    zone: tuple[str, str, int] | None = None
    keys: dict[str, tuple[str, int]] = {}
    for number, line in enumerate([*lines, "end: x"]):
        head = _ZONE.match(line)
        if head or number == len(lines):
            if zone and zone[0] in ("vxlan", "evpn"):
                evidence.settings.append(_zone(path, lines, zone, keys))
            zone, keys = ((head.group(1), head.group(2), number) if head else None), {}
        elif line[:1].isspace() and line.split():
            word, _, value = line.strip().partition(" ")
            keys[word] = (value.strip(), number)
    return None


def _zone(path: str, lines: list[str], zone: tuple[str, str, int], keys: dict[str, tuple[str, int]]) -> Setting:
    kind, name, line = zone
    value, at = keys.get("mtu", ("", line))
    number = whole(value)
    family: Family = "ipv6" if ":" in keys.get("peers", ("", 0))[0] else "ipv4"
    return Setting(
        system="proxmox",
        field=f"{kind} zone {name}: mtu",
        location=find_word(path, lines, at, "mtu" if number else name),
        value=number or PROXMOX_MTU,
        semantics="pod",
        encap="vxlan",
        family=family,
        port=whole(keys.get("vxlan-port", ("", 0))[0]) or PORTS["vxlan"],
        far=tuple(re.split(r"[\s,;]+", keys["peers"][0])) if "peers" in keys else (),
        change="set mtu of the zone (pvesh set /cluster/sdn/zones/ZONE --mtu), apply, and renew the guests' addresses",
        note="" if number else "not set: Proxmox takes 1450 unless the interface's mtu is in its configuration",
    )


def incus(piece: Piece) -> list[Setting | Clue]:
    """Read ``incus network show`` (LXD: ``lxc network show``): OVN networks and bridges with a tunnel."""
    if piece.kind or not piece.has("config", "name", "type") or not isinstance(piece.get("config"), dict):
        return []
    name, kind = piece.text("name"), piece.text("type")
    number = whole(piece.get("config", "bridge.mtu"))
    config = piece.get("config")
    tunnels = [v for k, v in config.items() if re.fullmatch(r"tunnel\.[^.]+\.protocol", str(k))]
    if kind == "ovn":
        encap, default = "geneve:8", INCUS_OVN_MTU["ipv4"]
        note = "not set: 1442, or 1500 where the link has 1558 and more"
    elif kind == "bridge" and tunnels:
        encap, default = {"gre": "gretap"}.get(str(tunnels[0]), str(tunnels[0])), INCUS_TUNNEL_MTU
        note = "not set: 1400 for a bridge with a tunnel"
    else:
        return []
    return [
        Setting(
            system="incus",
            field=f"{name}: bridge.mtu",
            location=piece.location("config", "bridge.mtu" if number else "config"),
            value=number,
            semantics="pod",
            encap=encap,
            port=KERNEL_VXLAN if encap == "vxlan" else None,
            default=default,
            change=f"incus network set {name} bridge.mtu",
            note="" if number else note,
        )
    ]


def k3s(piece: Piece) -> list[Setting | Clue]:
    """Read k3s' config.yaml: which backend flannel has; and RKE2's: which network."""
    if piece.kind or not isinstance(piece.data, dict):
        return []
    backend = piece.text("flannel-backend")
    if backend or "flannel-iface" in piece.data:
        kind = {"wireguard-native": "wireguard", "": "vxlan"}.get(backend, backend)
        if kind not in BACKENDS or piece.has("flannel-conf"):
            return []
        encap, takes, _ = BACKENDS[kind]
        automatic = Overhead(otherwise=takes)
        where = "flannel-backend" if backend else "flannel-iface"
        return [
            Setting(
                system="k3s",
                field="flannel-backend",
                location=piece.location(where),
                value=None,
                semantics="underlay",
                encap=encap,
                family="ipv4",
                port=KERNEL_VXLAN if encap == "vxlan" else None,
                automatic=automatic,
                may_be_set=False,
                bearer=piece.text("flannel-iface"),
                change="k3s has no MTU: give --flannel-conf with Backend.MTU and --flannel-cni-conf with delegate.mtu",
            )
        ]
    if piece.get("cni") == "canal" and piece.data.keys() & {"write-kubeconfig-mode", "server", "token", "tls-san"}:
        return [
            Setting(
                system="rke2-canal",
                field="cni: canal",
                location=piece.location("cni"),
                value=CANAL_DEFAULT,
                semantics="pod",
                encap="vxlan",
                port=KERNEL_VXLAN,
                change="add a HelmChartConfig rke2-canal with calico.vethuMTU and flannel.mtu",
                note="the chart's constant",
            )
        ]
    return []
