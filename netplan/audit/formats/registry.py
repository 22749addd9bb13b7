"""Which of these formats takes which text, the surest signs first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netplan.audit import kernel_routes, linux
from netplan.audit.formats import (
    cisco,
    cluster_objects,
    distributions,
    dockerd,
    fortios,
    ifcfg,
    ifconfig,
    ip_text,
    ipsec_conf,
    ipsec_status,
    junos,
    machines,
    nmstate,
    routeros,
    rules_json,
    shown_sas,
    sysctl_values,
    sysfs,
    tools,
    tunnel_show,
    uci,
    vyos,
    wireguard,
)
from netplan.audit.formats.device_names import kind_of
from netplan.audit.model import Evidence
from netplan.cni.adapter import Clue, Setting
from netplan.cni.yaml_document import Piece

Reader = Callable[[str, str, Evidence], "str | None"]


def _devices(path: str, text: str, evidence: Evidence) -> str | None:
    linux.links(ip_text.devices(path, text), evidence)
    return None


def _routes(path: str, text: str, evidence: Evidence) -> str | None:
    kernel_routes.routes(ip_text.routes(path, text), evidence)
    return None


def _sysfs(path: str, text: str, evidence: Evidence) -> str | None:
    linux.links(sysfs.devices(path, text), evidence)
    return None


def _ifconfig(path: str, text: str, evidence: Evidence) -> str | None:
    found = ifconfig.devices(path, text)
    if not found.data:
        return "ifconfig that names no MTU"
    linux.links(found, evidence)
    return None


TEXTS: tuple[tuple[Callable[[str, str], bool], Reader], ...] = (
    (lambda _p, t: ip_text.is_devices(t), _devices),
    (lambda _p, t: ifconfig.is_ifconfig(t), _ifconfig),
    (lambda _p, t: shown_sas.is_sas(t), shown_sas.read),
    (lambda _p, t: wireguard.is_wg_quick(t), wireguard.wg_quick),
    (lambda _p, t: wireguard.is_wg_show(t), wireguard.wg_show),
    (lambda _p, t: uci.is_uci(t), uci.read),
    (lambda _p, t: junos.is_junos(t), junos.read),
    (lambda _p, t: vyos.is_vyos(t), vyos.read),
    (lambda _p, t: fortios.is_fortios(t), fortios.read),
    (lambda _p, t: cisco.is_ios(t), cisco.read),
    (lambda _p, t: routeros.is_routeros(t), routeros.read),
    (ipsec_conf.is_policy_group, ipsec_conf.policy_group),
    (lambda _p, t: ipsec_status.is_status(t), ipsec_status.read),
    (lambda _p, t: ipsec_conf.is_ipsec_conf(t), ipsec_conf.read),
    (lambda _p, t: ip_text.is_routes(t), _routes),
    (lambda _p, t: tunnel_show.is_tunnels(t), tunnel_show.read),
    (lambda _p, t: machines.is_proxmox_zones(t), machines.proxmox_zones),
    (tools.is_dropin, tools.dropin),
    (lambda _p, t: dockerd.is_dockerd(t), dockerd.read),
    (lambda _p, t: tools.is_nmcli(t), tools.nmcli),
    (lambda _p, t: tools.is_docker_info(t), tools.docker_info),
    (lambda _p, t: tools.is_ovs_show(t), tools.ovs_show),
    (lambda _p, t: sysfs.is_sysfs(t), _sysfs),
    (lambda _p, t: sysctl_values.is_values(t), sysctl_values.read),
    (ifcfg.is_ifcfg, ifcfg.read),
)

# objects of YAML or JSON
OBJECTS: tuple[Callable[[Piece], list[Setting | Clue]], ...] = (
    cluster_objects.talos,
    cluster_objects.gardener,
    cluster_objects.k0s,
    cluster_objects.kube_router,
    cluster_objects.user_defined_network,
    distributions.kubespray,
    distributions.rke1,
    distributions.kops,
    distributions.aws_vpc,
    distributions.kilo,
    distributions.liqo,
    machines.incus,
    machines.k3s,
    rules_json.clamps,
    tools.docker_info_json,
)

# documents that are read as a whole
WHOLE: tuple[tuple[Callable[[Any], bool], Callable[[Piece, Evidence], None]], ...] = (
    (tools.is_networkctl, tools.networkctl),
    (tools.is_ovs_table, tools.ovs_table),
    (nmstate.is_state, nmstate.read),
    (ifcfg.is_cloud, ifcfg.cloud),
)


def with_kinds(piece: Piece) -> Piece:
    """Return devices of ``ip -j`` without ``-d`` with the types that their names say."""
    if any("linkinfo" in d or "promiscuity" in d for d in piece.data):
        return piece
    told = [(d, kind_of(d)) for d in piece.data]
    data = [{**d, "linkinfo": {"info_kind": kind}} if kind else d for d, kind in told]
    return Piece(piece.doc, piece.at, data)
