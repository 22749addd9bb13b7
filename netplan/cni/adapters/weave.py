"""Weave Net, whose last release was in 2021: read and set, nothing new is built on it.

``WEAVE_MTU`` is the pod's. Its default 1376 is exact for its own ESP on a link of 1460; it never looks at the link.
"""

from __future__ import annotations

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
    containers,
    environment,
    fixed,
    plus,
    whole,
)
from netplan.cni.kubernetes import patch, recreate_pods
from netplan.cni.yaml_document import Piece

TAKES: dict[tuple[Encap, Family], int] = {("vxlan", "ipv4"): 0}
DEFAULT_MTU = 1376
OWN_ESP = "aes256gcm16"
_WHY = "its fast datapath installs XFRM policies and states of its own for UDP 6784"


def _render(network: Network) -> list[Artifact]:
    container = {"name": "weave", "env": [{"name": "WEAVE_MTU", "value": str(network.pod_mtu)}]}
    body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    path = "weave/weave-net.patch.yaml"
    made = patch(path, body, "DaemonSet/kube-system/weave-net", "weave/daemonset", api="apps/v1", how="strategic")
    return [made]


def _steps(_network: Network) -> list[Step]:
    return [
        Step(
            stage="config",
            text="patch DaemonSet weave-net",
        ),
        Step(stage="devices", text="recreate the bridge", command="weave reset", where="node"),
        recreate_pods(),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
    """Read the DaemonSet weave-net."""
    if piece.kind != "DaemonSet" or piece.name != "weave-net":
        return []
    for container in containers(piece):
        if container.text("name") != "weave":
            continue
        entry = environment(container, "WEAVE_MTU")
        secret = any(e.text("name") == "WEAVE_PASSWORD" for e in container.items("env"))
        number = (whole(entry.data) if entry is not None else None) or DEFAULT_MTU
        where = entry.place() if entry is not None else container.place("name")
        own = Own(suite=OWN_ESP) if secret else None
        found: list[Setting | Hint] = [
            Setting(
                system="weave",
                field="WEAVE_MTU",
                place=where,
                value=number,
                semantics="pod",
                encap="vxlan",
                own=own,
                port=6784,
                ends=fixed(number),
                wanted=plus(),
                change="set WEAVE_MTU of container weave, reset the bridge and recreate the pods",
            )
        ]
        return found + ([Hint(system="weave", place=where, own=own, refuse=_WHY)] if own else [])
    return []


ADAPTER = Adapter(
    name="weave",
    title="Weave Net",
    checked_against="Weave Net 2.8.1 (8c847638, archived)",
    semantics="pod",
    field="WEAVE_MTU of DaemonSet weave-net",
    takes=TAKES,
    automatic=None,
    goes_live="the DaemonSet restarts; the bridge has to be reset",
    pods_keep=True,
    ports=("TCP 6783", "UDP 6783, 6784", "ESP"),
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
)
