"""Multus: second interfaces of pods. A NetworkAttachmentDefinition is a CNI configuration as JSON in a string, which
no schema looks into; without ``mtu`` in it the interface has 1500, whatever lies under it."""

from __future__ import annotations

import json

from netplan.cni.adapter import Adapter, Artifact, Hint, Network, Setting, Step, fixed, plus
from netplan.cni.adapters import conflist
from netplan.cni.kubernetes import patch
from netplan.cni.yaml_document import Piece

_MAIN = ("bridge", "ptp", "macvlan", "ipvlan", "vlan")


def _kind(network: Network) -> str:
    return network.options.get("attach", "bridge" if network.encap != "none" else "macvlan")


def _render(network: Network) -> list[Artifact]:
    name, namespace = network.options.get("name", "second"), network.options.get("namespace", "default")
    config = conflist.conflist(_kind(network), network)
    body = {"spec": {"config": json.dumps(config, indent=2)}}
    return [
        patch(
            f"multus/{name}.yaml",
            body,
            f"NetworkAttachmentDefinition/{namespace}/{name}",
            "multus/nad",
            api="k8s.cni.cncf.io/v1",
            how="object",
        )
    ]


def _steps(_network: Network) -> list[Step]:
    return [
        Step(stage="config", text="apply the NetworkAttachmentDefinition"),
        Step(stage="pods", text="recreate the pods that name it in k8s.v1.cni.cncf.io/networks"),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
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
            place=piece.place("spec", "config"),
            value=conflist.KERNEL_DEFAULT,
            semantics="pod",
            encap="none" if kind in conflist.PAST_THE_HOST else "",
            ends=fixed(conflist.KERNEL_DEFAULT),
            wanted=plus(),
            change="add mtu to the configuration and recreate the pods",
            note="no mtu: the interface gets the kernel's 1500",
        )
    ]


def _named(found: Setting | Hint, name: str) -> Setting | Hint:
    if isinstance(found, Hint):
        return found
    values = {key: getattr(found, key) for key in Setting.__slots__}
    return Setting(**{**values, "system": "multus", "field": f"{name}: {found.field}"})


ADAPTER = Adapter(
    name="multus",
    title="Multus",
    checked_against="network-attachment-definition-client 46fcc411; plugins as for CNI",
    semantics="pod",
    field="NetworkAttachmentDefinition spec.config: mtu of the plugin",
    takes=conflist.BRIDGE.takes,
    automatic=None,
    goes_live="when the next pod is added",
    pods_keep=True,
    ports=(),
    render=_render,
    steps=_steps,
    audit=audit,
    rules=lambda network: (conflist.MACVLAN.rules or (lambda _n: []))(network) if _kind(network) == "macvlan" else [],
)
