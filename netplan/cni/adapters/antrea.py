"""Antrea. ``defaultMTU`` is the pod's. Left at 0, the agent subtracts its tunnel, and 38 with its own IPsec: enough
for AES-GCM, 4 too few behind NAT."""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Encap,
    Family,
    Hint,
    Network,
    Own,
    Setting,
    Step,
    fixed,
    less,
    plus,
    whole,
)
from netplan.cni.kubernetes import config_map, dump, live_link, loaded, merged, recreate_pods, rollout
from netplan.cni.yaml_document import Piece

# pkg/agent/config/node_config.go
AUTOMATIC: dict[tuple[Encap, Family], int] = {
    ("none", "ipv4"): 0,
    ("none", "ipv6"): 0,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("geneve", "ipv4"): 50,
    ("geneve", "ipv6"): 70,
    ("gre", "ipv4"): 42,
}
IPSEC_TAKES = 38
WIREGUARD_TAKES = {"ipv4": 60, "ipv6": 80}
OVS_ESP = "aes256gcm16"
_WHY = "its antrea-ipsec daemon starts a strongSwan of its own, which takes UDP 500 and 4500 from the hosts' charon"


def agent_conf(network: Network, existing: dict[str, Any]) -> dict[str, Any]:
    """Return antrea-agent.conf with the plan's values; what it holds beside is kept."""
    changes: dict[str, Any] = {
        "defaultMTU": network.pod_mtu,
        "trafficEncapMode": "noEncap" if network.encap == "none" else "encap",
        "trafficEncryptionMode": "ipsec" if network.own_ipsec else "none",
    }
    if network.encap != "none":
        changes["tunnelType"] = network.encap
        changes["tunnelPort"] = network.port if network.encap != "gre" and network.port else 0
    return merged(existing, changes)


def _render(network: Network) -> list[Artifact]:
    text = dump(agent_conf(network, loaded(network.existing.get("antrea-agent.conf"))))
    data = {"antrea-agent.conf": text}
    target = "ConfigMap/kube-system/antrea-config"
    return [config_map("antrea/antrea-config.patch.yaml", target, data, "antrea/config")]


def _steps(network: Network) -> list[Step]:
    return [
        Step(stage="config", text="patch ConfigMap antrea-config; defaultMTU and the conflist's mtu must agree"),
        rollout("daemonset", "kube-system", "antrea-agent"),
        recreate_pods("a new value applies to new pods only"),
        live_link("antrea-gw0", network.pod_mtu, "the agent does it when it starts; set it where it has not"),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
    """Read the ConfigMap antrea-config, or Helm values of the chart."""
    if piece.kind == "ConfigMap" and piece.name.startswith("antrea-config"):
        conf = piece.nested("data", "antrea-agent.conf")
        return _found(conf, piece) if conf else []
    if (not piece.kind and piece.has("trafficEncapMode")) or (not piece.kind and piece.has("defaultMTU", "tunnelType")):
        return _found(piece, piece)
    return []


def _found(conf: Piece, outer: Piece) -> list[Setting | Hint]:
    mode = conf.text("trafficEncapMode").lower() or "encap"
    kind = conf.text("tunnelType").lower() or "geneve"
    encap = "none" if mode in ("noencap", "networkpolicyonly") else {"gre": "gretap+key"}.get(kind, kind)
    table: Encap | str = "gre" if encap == "gretap+key" else encap
    encryption = conf.text("trafficEncryptionMode").lower()
    own = Own(suite=OVS_ESP) if encryption == "ipsec" else None
    number = whole(conf.get("defaultMTU")) or None
    key = "defaultMTU" if conf.has("defaultMTU") else ""
    system = "antrea"

    def automatic(link: int, _encap: str, family: str) -> int | None:
        if encryption == "wireguard":
            return link - WIREGUARD_TAKES.get(family, WIREGUARD_TAKES["ipv6"])
        return less(AUTOMATIC, IPSEC_TAKES if own else 0)(link, table, family)

    found: list[Setting | Hint] = [
        Setting(
            system=system,
            field="defaultMTU",
            place=conf.place(key) if key else outer.place("data", "antrea-agent.conf"),
            value=number,
            semantics="pod",
            encap="wireguard" if encryption == "wireguard" else encap,
            own=own,
            port=whole(conf.get("tunnelPort")) or None,
            ends=fixed(number) if number else automatic,
            wanted=plus(),
            change="set defaultMTU in antrea-agent.conf, restart ds/antrea-agent and recreate the pods",
        )
    ]
    if own:
        found.append(Hint(system=system, place=conf.place("trafficEncryptionMode"), own=own, refuse=_WHY))
    return found


ADAPTER = Adapter(
    name="antrea",
    title="Antrea",
    checked_against="Antrea fc70f2bb",
    semantics="pod",
    field="antrea-agent.conf defaultMTU",
    takes=dict.fromkeys(AUTOMATIC, 0),
    automatic=AUTOMATIC,
    goes_live="restart ds/antrea-agent",
    pods_keep=True,
    ports=("UDP 6081 (Geneve)", "UDP 4789 (VXLAN)", "IP protocol 47 (GRE)", "TCP 10349 to 10351", "UDP 10351"),
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
)
