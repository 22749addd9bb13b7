"""Multus: second interfaces of pods. A NetworkAttachmentDefinition is a CNI configuration as JSON in a string, which
no schema looks into; without ``mtu`` in it the interface has 1500, whatever lies under it."""

from __future__ import annotations

import json

from netplan.cni.adapter import Adapter, Artifact, Clue, CniRequest, ManualStep, Setting
from netplan.cni.adapters import conflist
from netplan.cni.kubernetes import patch
from netplan.cni.present import first, target
from netplan.cni.yaml_document import Piece

_MAIN = ("bridge", "ptp", "macvlan", "ipvlan", "vlan")


def _kind(request: CniRequest) -> str:
    return request.options.get("attach", "bridge" if request.encap != "none" else "macvlan")


def _render(request: CniRequest) -> list[Artifact]:
    given = first(request, "NetworkAttachmentDefinition", request.options.get("name", ""))
    name, namespace = request.options.get("name", "second"), request.options.get("namespace", "default")
    goal = target(given, request, f"NetworkAttachmentDefinition/{namespace}/{name}")
    present = given.nested("spec", "config") if given else None
    if present is not None and isinstance(present.data, dict):
        config = conflist.with_mtu(present.data, request.pod_mtu)
    else:
        config = conflist.conflist(_kind(request), request)
    body = {"spec": {"config": json.dumps(config, indent=2)}}
    api, path = "k8s.cni.cncf.io/v1", f"multus/{goal.rpartition('/')[2]}.yaml"
    return [patch(path, body, goal, "multus/nad", api=api, how="object")]


def _steps(_network: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(stage="config", text="apply the NetworkAttachmentDefinition"),
        ManualStep(stage="pods", text="recreate the pods that name it in k8s.v1.cni.cncf.io/networks"),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the configuration inside a NetworkAttachmentDefinition."""
    if piece.kind != "NetworkAttachmentDefinition":
        return []
    config = piece.nested("spec", "config")
    if config is None:
        return []
    members = config.items("plugins") or [config]
    found = conflist.audit(config)
    if found or any(m.text("type") not in _MAIN for m in members[:1]):
        return [_named(f, piece.name) for f in found]
    kind = members[0].text("type")
    return [
        Setting(
            system="multus",
            field=f"{piece.name}: mtu",
            location=piece.location("spec", "config"),
            value=conflist.KERNEL_DEFAULT,
            semantics="pod",
            encap="none" if kind in conflist.PAST_THE_HOST else "",
            change="add mtu to the configuration and recreate the pods",
            note="no mtu: the interface gets the kernel's 1500",
        )
    ]


def _named(found: Setting | Clue, name: str) -> Setting | Clue:
    if isinstance(found, Clue):
        return found
    values = {key: getattr(found, key) for key in Setting.__slots__}
    return Setting(**{**values, "system": "multus", "field": f"{name}: {found.field}"})


ADAPTER = Adapter(
    name="multus",
    title="Multus",
    semantics="pod",
    field="NetworkAttachmentDefinition spec.config: mtu of the plugin",
    overhead=conflist.BRIDGE.overhead,
    automatic=None,
    goes_live="when the next pod is added",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    rules=lambda network: (conflist.MACVLAN.rules or (lambda _n: []))(network) if _kind(network) == "macvlan" else [],
)
