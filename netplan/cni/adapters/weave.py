"""Weave Net: the original ended in 2021; its fork rajch/weave released 2.9.0 in December 2024, with the same default.

``WEAVE_MTU`` is the pod's. Its default 1376 is exact for its own ESP on a link of 1460; it never looks at the link.
"""

from __future__ import annotations

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
    containers,
    environment,
    whole,
)
from netplan.cni.kubernetes import patch, recreate_pods
from netplan.cni.present import first, target
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS

TAKES: OverheadTable = {("vxlan", "ipv4"): 0}
DEFAULT_MTU = 1376
OWN_ESP = "aes256gcm16"
PORT = NETWORKS["weave"].overlays["vxlan"].port
_WHY = f"its fast datapath installs XFRM policies and states of its own for UDP {PORT}"


def _render(request: CniRequest) -> list[Artifact]:
    container = {"name": "weave", "env": [{"name": "WEAVE_MTU", "value": str(request.pod_mtu)}]}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    path = "weave/weave-net.patch.yaml"
    goal = target(first(request, "DaemonSet", "weave-net"), request, "DaemonSet/kube-system/weave-net")
    return [patch(path, body, goal, "kubernetes/daemonset", api="apps/v1", how="strategic")]


def _steps(_network: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(
            stage="config",
            text="patch DaemonSet weave-net",
        ),
        ManualStep(stage="devices", text="recreate the bridge", command="weave reset", where="node"),
        recreate_pods(),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the DaemonSet weave-net."""
    if piece.kind != "DaemonSet" or piece.name != "weave-net":
        return []
    for container in containers(piece):
        if container.text("name") != "weave":
            continue
        entry = environment(container, "WEAVE_MTU")
        secret = any(e.text("name") == "WEAVE_PASSWORD" for e in container.items("env"))
        number = (whole(entry.data) if entry is not None else None) or DEFAULT_MTU
        where = entry.location() if entry is not None else container.location("name")
        own = BuiltinIpsec(suite=OWN_ESP) if secret else None
        found: list[Setting | Clue] = [
            Setting(
                system="weave",
                field="WEAVE_MTU",
                location=where,
                value=number,
                semantics="pod",
                encap="vxlan",
                own=own,
                port=PORT,
                change="set WEAVE_MTU of container weave, reset the bridge and recreate the pods",
            )
        ]
        return found + ([Clue(system="weave", location=where, own=own, refuse=_WHY)] if own else [])
    return []


ADAPTER = Adapter(
    name="weave",
    title="Weave Net",
    semantics="pod",
    field="WEAVE_MTU of DaemonSet weave-net",
    overhead=Overhead(TAKES),
    automatic=None,
    goes_live="the DaemonSet restarts; the bridge has to be reset",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
)
