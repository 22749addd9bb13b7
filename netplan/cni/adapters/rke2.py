"""RKE2. Its charts are set through a ``HelmChartConfig``: Helm values as text inside an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netplan.cni.adapter import Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, whole
from netplan.cni.adapters import calico, canal, cilium, flannel
from netplan.cni.kubernetes import dump, loaded, merged, patch, recreate_pods, rollout
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS

CANAL_DEFAULT = 1450


def _config(chart: str, changes: dict[str, Any], request: CniRequest) -> list[Artifact]:
    values = merged(loaded(request.existing.get("valuesContent")), changes)
    body = {"spec": {"valuesContent": dump(values)}}
    return [
        patch(
            f"rke2/{chart}-config.yaml",
            body,
            f"HelmChartConfig/kube-system/{chart}",
            "rke2/helmchartconfig",
            api="helm.cattle.io/v1",
            how="object",
        )
    ]


def _calico(request: CniRequest) -> list[Artifact]:
    return _config("rke2-calico", {"installation": {"calicoNetwork": {"mtu": request.pod_mtu}}}, request)


def _cilium(request: CniRequest) -> list[Artifact]:
    return _config("rke2-cilium", dict(cilium.values(request)), request)


def _flannel(request: CniRequest) -> list[Artifact]:
    return _config("rke2-flannel", {"flannel": {"mtu": FLANNEL.field_value(request)}}, request)


def _canal(request: CniRequest) -> list[Artifact]:
    return _config("rke2-canal", {"calico": {"vethuMTU": request.pod_mtu}}, request)


def _steps(name: str, daemonset: str, namespace: str) -> Callable[[CniRequest], list[ManualStep]]:
    def steps(request: CniRequest) -> list[ManualStep]:
        found = [
            ManualStep(stage="config", text="apply the HelmChartConfig; the helm controller upgrades the chart"),
            rollout("daemonset", namespace, daemonset),
            recreate_pods(),
        ]
        adapter = {"rke2-flannel": FLANNEL, "rke2-canal": CANAL}.get(name)
        return found + (flannel.device_steps(adapter, request) if adapter else [])

    return steps


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read a HelmChartConfig or HelmChart of one of the charts."""
    if piece.kind not in ("HelmChartConfig", "HelmChart") or not piece.name.startswith("rke2-"):
        return []
    values = piece.nested("spec", "valuesContent")
    if values is None:
        return []
    if piece.name == "rke2-calico":
        return calico.installation(values, "installation", system="rke2-calico") if values.has("installation") else []
    if piece.name == "rke2-cilium":
        return [_renamed(f) for f in cilium.audit(values)] if cilium.is_values(values) or values.has("MTU") else []
    if piece.name == "rke2-flannel":
        number = whole(values.get("flannel", "mtu")) or None
        takes = flannel.TAKES["vxlan", "ipv4"]
        return [_setting("rke2-flannel", values, ("flannel", "mtu"), number, takes)]
    if piece.name == "rke2-canal":
        # the chart's default is 1450 whatever the link is
        number = whole(values.get("calico", "vethuMTU")) or CANAL_DEFAULT
        return [_setting("rke2-canal", values, ("calico", "vethuMTU"), number, 0)]
    return []


def _setting(system: str, values: Piece, at: tuple[str, str], number: int | None, takes: int) -> Setting:
    field = ".".join(at)
    return Setting(
        system=system,
        field=f"valuesContent {field}",
        location=values.location(*at),
        value=number,
        semantics="underlay" if takes else "pod",
        encap="vxlan",
        port=NETWORKS[system].overlays["vxlan"].port,
        overhead=Overhead(otherwise=takes),
        automatic=Overhead(otherwise=flannel.TAKES["vxlan", "ipv4"]),
        change=f"set {field} in valuesContent and restart the DaemonSet",
    )


def _renamed(found: Setting | Clue) -> Setting | Clue:
    if isinstance(found, Clue):
        return Clue(
            system="rke2-cilium", location=found.location, own=found.own, refuse=found.refuse, encap=found.encap
        )
    values = {name: getattr(found, name) for name in Setting.__slots__}
    return Setting(**{**values, "system": "rke2-cilium"})


def _adapter(chart: str, like: Adapter, field: str, render: Any, daemonset: str, **changes: Any) -> Adapter:
    facts: dict[str, Any] = {
        "semantics": like.semantics,
        "overhead": like.overhead,
        "automatic": like.automatic,
        "pods_keep": like.pods_keep,
        "brings_ipsec": like.brings_ipsec,
        "largest": like.largest,
    }
    return Adapter(
        name=f"rke2-{chart}",
        title=f"RKE2 with {like.title}",
        field=f"HelmChartConfig rke2-{chart}: {field}",
        goes_live=f"the helm controller, then restart ds/{daemonset}",
        render=render,
        steps=_steps(f"rke2-{chart}", daemonset, "calico-system" if chart == "calico" else "kube-system"),
        audit=audit,
        **{**facts, **changes},
    )


_VXLAN_ONLY = {key: takes for key, takes in flannel.TAKES.items() if key[0] == "vxlan"}
CALICO = _adapter("calico", calico.OPERATOR, "installation.calicoNetwork.mtu", _calico, "calico-node")
CILIUM = _adapter("cilium", cilium.ADAPTER, "MTU", _cilium, "cilium")
FLANNEL = _adapter(
    "flannel",
    flannel.ADAPTER,
    "flannel.mtu",
    _flannel,
    "kube-flannel-ds",
    overhead=Overhead(_VXLAN_ONLY),
    automatic=Overhead(_VXLAN_ONLY),
    unverified="that flannel.mtu of the chart becomes Backend.MTU is inferred from the chart's template",
)
CANAL = _adapter(
    "canal",
    canal.ADAPTER,
    "calico.vethuMTU",
    _canal,
    "rke2-canal",
    overhead=Overhead(dict.fromkeys(_VXLAN_ONLY, 0)),
    automatic=None,
)
