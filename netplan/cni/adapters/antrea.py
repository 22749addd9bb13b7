"""Antrea. ``defaultMTU`` is the pod's. Left at 0, the agent subtracts its tunnel, and 38 with its own IPsec: enough
for AES-GCM, 4 too few behind NAT."""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    BuiltinIpsec,
    Clue,
    CniRequest,
    ManualStep,
    Overhead,
    OverheadTable,
    Setting,
    whole,
)
from netplan.cni.kubernetes import config_map, dump, live_link, loaded, merged, recreate_pods, rollout
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS

# pkg/agent/config/node_config.go
AUTOMATIC: OverheadTable = {
    ("none", "ipv4"): 0,
    ("none", "ipv6"): 0,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("geneve", "ipv4"): 50,
    ("geneve", "ipv6"): 70,
    ("gre", "ipv4"): 42,
    ("gretap+key", "ipv4"): 42,  # how audit calls it: the frame and the key are in the packet
}
TAKES = {key: 0 for key in AUTOMATIC if key[0] != "gretap+key"}
IPSEC_TAKES = 38
WIREGUARD: OverheadTable = {("wireguard", "ipv4"): 60, ("wireguard", "ipv6"): 80}
GATEWAY = NETWORKS["antrea"].overlays["geneve"].device  # whatever the tunnel is
OVS_ESP = "aes256gcm16"
_WHY = "its antrea-ipsec daemon starts a strongSwan of its own, which takes UDP 500 and 4500 from the hosts' charon"


def agent_conf(request: CniRequest, existing: dict[str, Any]) -> dict[str, Any]:
    """Return antrea-agent.conf with the plan's values; what it holds beside is kept."""
    changes: dict[str, Any] = {
        "defaultMTU": request.pod_mtu,
        "trafficEncapMode": "noEncap" if request.encap == "none" else "encap",
        "trafficEncryptionMode": "ipsec" if request.own_ipsec else "none",
    }
    if request.encap != "none":
        changes["tunnelType"] = request.encap
        changes["tunnelPort"] = request.port if request.encap != "gre" and request.port else 0
    return merged(existing, changes)


def _render(request: CniRequest) -> list[Artifact]:
    text = dump(agent_conf(request, loaded(request.existing.get("antrea-agent.conf"))))
    data = {"antrea-agent.conf": text}
    target = "ConfigMap/kube-system/antrea-config"
    return [config_map("antrea/antrea-config.patch.yaml", target, data, "antrea/config")]


def _steps(request: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(stage="config", text="patch ConfigMap antrea-config; defaultMTU and the conflist's mtu must agree"),
        rollout("daemonset", "kube-system", "antrea-agent"),
        recreate_pods("a new value applies to new pods only"),
        live_link(GATEWAY, request.pod_mtu, "the agent does it when it starts; set it where it has not"),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the ConfigMap antrea-config, or Helm values of the chart."""
    if piece.kind == "ConfigMap" and piece.name.startswith("antrea-config"):
        conf = piece.nested("data", "antrea-agent.conf")
        return _found(conf, piece) if conf else []
    if (not piece.kind and piece.has("trafficEncapMode")) or (not piece.kind and piece.has("defaultMTU", "tunnelType")):
        return _found(piece, piece)
    return []


def _found(conf: Piece, outer: Piece) -> list[Setting | Clue]:
    mode = conf.text("trafficEncapMode").lower() or "encap"
    kind = conf.text("tunnelType").lower() or "geneve"
    encap = "none" if mode in ("noencap", "networkpolicyonly") else {"gre": "gretap+key"}.get(kind, kind)
    encryption = conf.text("trafficEncryptionMode").lower()
    own = BuiltinIpsec(suite=OVS_ESP) if encryption == "ipsec" else None
    number = whole(conf.get("defaultMTU")) or None
    key = "defaultMTU" if conf.has("defaultMTU") else ""
    system, extra = "antrea", IPSEC_TAKES if own else 0

    found: list[Setting | Clue] = [
        Setting(
            system=system,
            field="defaultMTU",
            location=conf.location(key) if key else outer.location("data", "antrea-agent.conf"),
            value=number,
            semantics="pod",
            encap="wireguard" if encryption == "wireguard" else encap,
            own=own,
            port=whole(conf.get("tunnelPort")) or None,
            automatic=Overhead(WIREGUARD) if encryption == "wireguard" else Overhead(AUTOMATIC, extra=extra),
            change="set defaultMTU in antrea-agent.conf, restart ds/antrea-agent and recreate the pods",
        )
    ]
    if own:
        found.append(Clue(system=system, location=conf.location("trafficEncryptionMode"), own=own, refuse=_WHY))
    return found


ADAPTER = Adapter(
    name="antrea",
    title="Antrea",
    semantics="pod",
    field="antrea-agent.conf defaultMTU",
    overhead=Overhead(TAKES),
    automatic=Overhead({key: AUTOMATIC[key] for key in TAKES}),
    goes_live="restart ds/antrea-agent",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
)
