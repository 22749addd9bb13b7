"""Antrea. ``defaultMTU`` is the pod's. Left at 0, the agent subtracts its tunnel, and 38 with its own IPsec: enough
for AES-GCM, 4 too few behind NAT."""

from __future__ import annotations

import re

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
from netplan.cni.kubernetes import config_map, dump, live_link, loaded, recreate_pods, rollout
from netplan.cni.present import first, namespace_of, numbers_in, target, text, with_number
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
    ("stt", "ipv4"): 0,  # still accepted, and nothing is subtracted
    ("stt", "ipv6"): 20,
    ("gretap+key", "ipv4"): 42,  # how audit calls it: the frame and the key are in the packet
}
TAKES = {key: 0 for key in AUTOMATIC if key[0] not in ("gretap+key", "stt")}
IPSEC_TAKES = 38
WIREGUARD: OverheadTable = {("wireguard", "ipv4"): 60, ("wireguard", "ipv6"): 80}
GATEWAY = NETWORKS["antrea"].overlays["geneve"].device  # whatever the tunnel is
OVS_ESP = "aes256gcm16"
_WHY = "its antrea-ipsec daemon starts a strongSwan of its own, which takes UDP 500 and 4500 from the hosts' charon"


_LINE = re.compile(r"^#?[ ]?defaultMTU:.*$", re.MULTILINE)


def agent_conf(existing: str, mtu: int) -> str:
    """Return antrea-agent.conf with another ``defaultMTU``; every other line is kept, comments too."""
    line = f"defaultMTU: {mtu}"
    if _LINE.search(existing):
        # the last one that is no comment counts; a commented one is used where there is no other
        active = re.compile(r"^defaultMTU:.*$", re.MULTILINE)
        return active.sub(line, existing) if active.search(existing) else _LINE.sub(line, existing, count=1)
    return f"{existing.rstrip()}\n{line}\n" if existing.strip() else f"{line}\n"


def _render(request: CniRequest) -> list[Artifact]:
    given = first(request, "ConfigMap", "antrea-config")
    conf = text(request, given, "antrea-agent.conf")
    if not conf:  # a patch would replace the whole file, encryption and all; the chart's value is the MTU alone
        values = dump({"defaultMTU": request.pod_mtu})
        return [Artifact(path="antrea/values.yaml", text=values, patch="values", schema="antrea/agent")]
    loaded(conf)  # its limits hold before it is copied
    data = {"antrea-agent.conf": agent_conf(conf, request.pod_mtu)}
    cni = text(request, given, "antrea-cni.conflist")
    if numbers_in(cni):
        data["antrea-cni.conflist"] = with_number(cni, request.pod_mtu)
    goal = target(given, request, "ConfigMap/kube-system/antrea-config")
    return [config_map("antrea/antrea-config.patch.yaml", goal, data, "antrea/config")]


def _steps(request: CniRequest) -> list[ManualStep]:
    given = first(request, "ConfigMap", "antrea-config")
    namespace = namespace_of(given, request, "kube-system")
    helm = any(artifact.patch == "values" for artifact in _render(request))
    config = ManualStep(stage="config", text="patch ConfigMap antrea-config; the conflist's mtu must agree")
    upgrade = ManualStep(
        stage="config",
        text="upgrade the Helm release with the value added; of a manifest's install give the ConfigMap (--existing)",
        command=f"helm upgrade antrea antrea/antrea -n {namespace} --reuse-values -f antrea/values.yaml",
    )
    return [
        upgrade if helm else config,
        rollout("daemonset", namespace, "antrea-agent"),
        recreate_pods("a new value applies to new pods only"),
        live_link(GATEWAY, request.pod_mtu, "the agent does it when it starts; set it where it has not"),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the ConfigMap antrea-config, or Helm values of the chart."""
    if piece.kind == "ConfigMap" and piece.name.startswith("antrea-config"):
        conf = piece.nested("data", "antrea-agent.conf")
        return _found(conf, piece) if conf else []
    if not piece.kind and (piece.has("trafficEncapMode") or piece.has("defaultMTU")):
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
