"""Systems that are judged but not rendered: Submariner, OpenStack Neutron; what KubeSpan carries."""

from __future__ import annotations

import configparser
import re
from dataclasses import replace

from netplan.audit.formats.cluster_objects import KUBESPAN_MTU
from netplan.audit.model import Device, Evidence
from netplan.cni.adapter import BuiltinIpsec, Clue, Family, Overhead, Setting, whole
from netplan.cni.yaml_document import Piece, find_word
from netplan.path.model import Interface

BETWEEN_CLUSTERS = "the path between the clusters is taken to carry what the host's link does; give --mtu"
_NO_CABLE = "the cable between the clusters is not among the inputs: give the Submariner object"
# Submariner: pkg/routeagent_driver/handlers/mtu and handlers/ovn
_SUBMARINER_TAKES = {"libreswan": 120, "wireguard": 120, "vxlan": 50}
_SUBMARINER_OVN_MSS = 1398
# pkg/cable/vxlan and pkg/routeagent_driver: UDP ports of the cable between clusters and of the device within one
_SUBMARINER_CABLE, _SUBMARINER_INSIDE = 4500, 4800
# neutron ml2 type drivers: IPv4 header, then by type
_NEUTRON_IP = 20
_NEUTRON_TAKES = {"vxlan": 30, "gre": 22}
_NEUTRON_GENEVE = 30
NEUTRON_PHYSNET = 1500  # neutron/conf/common.py, global_physnet_mtu


def submariner(piece: Piece) -> list[Setting | Clue]:
    """Read the Submariner object: the MSS that its cable driver clamps to, or an annotation that says it."""
    if piece.kind in ("Node", "Gateway"):
        at: tuple[str, ...] = ("metadata", "annotations", "submariner.io/tcp-clamp-mss")
        number = whole(piece.get(*at))
        return [_annotated(piece, at, number)] if number else []
    if piece.kind != "Submariner":
        return []
    driver = piece.text("spec", "cableDriver") or "libreswan"
    nat = piece.get("spec", "natEnabled") is not False
    own = BuiltinIpsec(suite="aes256gcm16", mode="tunnel", nat_t=nat) if driver == "libreswan" else None
    encap = {"vxlan": "vxlan", "wireguard": "wireguard"}.get(driver, "none")
    if "ovn" in piece.text("status", "networkPlugin").lower() and driver == "libreswan":
        at = ("status", "networkPlugin")
        fixed = _mss(piece, at, "MSS of the OVN gateway (fixed)", None, encap, own, 0, constant=_SUBMARINER_OVN_MSS)
        return [fixed, Clue(system="submariner", location=piece.location("spec"), encap=encap, own=own)]
    if driver not in _SUBMARINER_TAKES:
        return []
    takes = _SUBMARINER_TAKES[driver]
    cable = Clue(system="submariner", location=piece.location("spec"), encap=encap, own=own)
    return [_mss(piece, ("spec", "cableDriver"), f"MSS with cable {driver}", None, encap, own, takes), cable]


def _annotated(piece: Piece, at: tuple[str, ...], number: int) -> Setting:
    """The MSS of an annotation: it is the cable's, which another object names (see :func:`submariner_devices`)."""
    return replace(_mss(piece, at, at[-1], number, "", None, 0), unjudged=_NO_CABLE)


def _mss(
    piece: Piece,
    at: tuple[str, ...],
    shown: str,
    number: int | None,
    encap: str,
    own: BuiltinIpsec | None,
    takes: int,
    *,
    constant: int | None = None,
) -> Setting:
    return Setting(
        system="submariner",
        field=shown,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap=encap,
        own=own,
        automatic=Overhead(otherwise=takes),
        default=constant,
        measure="mss",
        change="annotate the gateway nodes with submariner.io/tcp-clamp-mss and restart the route agents",
        note="UDP and QUIC are not clamped",
        assumes=BETWEEN_CLUSTERS,
    )


def submariner_devices(evidence: Evidence) -> None:
    """Tell Submariner's cable between clusters from its device within one, by the ports that it gives them."""
    if not any(s.system == "submariner" for s in evidence.settings):
        return
    cable = any(c.system == "submariner" for c in evidence.clues)
    for index, setting in enumerate(evidence.settings):
        if cable and setting.unjudged == _NO_CABLE:
            evidence.settings[index] = replace(setting, unjudged="")
        if setting.encap == "vxlan" and setting.device and setting.port == _SUBMARINER_INSIDE:
            evidence.settings[index] = replace(setting, inside=True)
        elif setting.encap == "vxlan" and setting.device and setting.port == _SUBMARINER_CABLE:
            evidence.settings[index] = replace(setting, assumes=BETWEEN_CLUSTERS)


def kubespan(piece: Piece, evidence: Evidence) -> None:
    """Read that KubeSpan takes all traffic to other nodes, whatever device the pods' network names."""
    span = piece if piece.kind == "KubeSpanConfig" else piece.sub("machine", "network", "kubespan")
    if isinstance(span.data, dict) and span.get("enabled") is True:
        where = span.location("enabled")
        number = whole(span.get("mtu")) or KUBESPAN_MTU
        evidence.catch_all.append((where, "kubespan"))
        evidence.links.append(
            Device(
                name="kubespan", mtu=number, kind="wireguard", location=where, configured=True, interface=_span(number)
            )
        )


def _span(mtu: int) -> Interface:
    return Interface(name="kubespan", mtu=mtu, kind="wireguard", role="tunnel", head=("udp", "wireguard"))


def is_neutron(text: str) -> bool:
    """Tell whether this is a Neutron configuration file."""
    return bool(re.search(r"^\[(ml2|ml2_type_\w+)\]", text, re.M)) or "global_physnet_mtu" in text


def neutron(path: str, text: str, evidence: Evidence) -> str | None:
    """Read neutron.conf and ml2_conf.ini: what tenant networks get."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, default_section="\0")
    try:
        parser.read_string(text)
    except AttributeError:  # configparser's own: a line that goes on with a key that has no value
        return "not an ini file: a line goes on with a key that has no value"
    except configparser.Error as error:
        return f"not an ini file: {str(error).splitlines()[0]}"

    def option(section: str, key: str) -> str:
        return (parser.get(section, key, fallback="") or "").strip()

    physical = whole(option("DEFAULT", "global_physnet_mtu"))
    path_mtu = whole(option("ml2", "path_mtu")) or 0
    kinds = [k.strip() for k in option("ml2", "tenant_network_types").split(",") if k.strip()]
    lines = text.splitlines()
    six = option("ml2", "overlay_ip_version") == "6"
    family: Family = "ipv6" if six else "ipv4"
    header = whole(option("ml2_type_geneve", "max_header_size")) or _NEUTRON_GENEVE
    ip = _NEUTRON_IP * (2 if six else 1)
    known = [m for m in (physical, path_mtu) if m]
    for kind in kinds:
        takes = {"geneve": header, **_NEUTRON_TAKES}.get(kind)
        if takes is None:
            continue
        key = "path_mtu" if path_mtu else "global_physnet_mtu" if physical else "tenant_network_types"
        line = next((i for i, t in enumerate(lines) if re.match(rf"\s*{key}\s*=", t)), 0)
        base = min(known) if known else None
        encap = {"geneve": "geneve:8" if header > _NEUTRON_GENEVE else "geneve", "gre": "gretap+key"}.get(kind, kind)
        evidence.settings.append(
            Setting(
                system="neutron",
                field=f"{key} ({kind} networks)",
                location=find_word(path, lines, line, key),
                value=base,
                semantics="underlay",
                encap=encap,
                family=family,
                overhead=Overhead(otherwise=ip + takes),
                default=NEUTRON_PHYSNET - ip - takes,
                note="" if base else "not set: Neutron starts from 1500, whatever the link is",
                change="set [ml2] path_mtu, restart neutron-server; existing networks keep their MTU until updated",
            )
        )
    return None


def neutron_network(piece: Piece) -> list[Setting | Clue]:
    """Read a network of Neutron's API, as ``openstack network show -f json`` prints it."""
    inner = piece.sub("network")
    for net in (piece, inner) if isinstance(inner.data, dict) else (piece,):
        kind, number = net.text("provider:network_type"), whole(net.get("mtu"))
        if number and kind in ("geneve", *_NEUTRON_TAKES):
            # OVN's geneve has 8 bytes of options, for which Neutron leaves room
            encap = {"geneve": "geneve:8", "gre": "gretap+key"}.get(kind, kind)
            return [
                Setting(
                    system="neutron",
                    field=f"network {net.text('name') or net.text('id')}: mtu",
                    location=net.location("mtu"),
                    value=number,
                    semantics="pod",
                    encap=encap,
                    change="openstack network set --mtu, then renew the guests' leases; [ml2] path_mtu is for new ones",
                )
            ]
    return []
