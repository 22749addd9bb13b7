"""RKE2. Its charts are set through a ``HelmChartConfig``: Helm values as text inside an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netplan.cni.adapter import Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, whole
from netplan.cni.adapters import calico, canal, cilium, flannel
from netplan.cni.kubernetes import dump, loaded, merged, patch, recreate_pods, rollout
from netplan.cni.present import first, roots, target
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

CANAL_DEFAULT = 1450


def _given(chart: str, request: CniRequest) -> tuple[Piece | None, dict[str, Any]]:
    """The HelmChartConfig of a chart that was given, and its values."""
    given = first(request, "HelmChartConfig", chart)
    text = given.text("spec", "valuesContent") if given else request.existing.get("valuesContent", "")
    return given, loaded(text)


def _config(chart: str, changes: dict[str, Any], request: CniRequest) -> list[Artifact]:
    given, values = _given(chart, request)
    body = {"spec": {"valuesContent": dump(merged(values, changes))}}
    goal = target(given, request, f"HelmChartConfig/kube-system/{chart}")
    path = f"rke2/{chart}-config.yaml"
    return [patch(path, body, goal, "rke2/helmchartconfig", api="helm.cattle.io/v1", how="object")]


def _calico(request: CniRequest) -> list[Artifact]:
    return _config("rke2-calico", {"installation": {"calicoNetwork": {"mtu": request.pod_mtu}}}, request)


def _cilium(request: CniRequest) -> list[Artifact]:
    given, values = _given("rke2-cilium", request)
    root = (given.nested("spec", "valuesContent") if given else None) or next(iter(roots(request.existing)), None)
    known = root if values and root is not None and cilium.is_values(root) else None
    return _config("rke2-cilium", {"MTU": cilium.number(request, known, CILIUM)}, request)


def _flannel(request: CniRequest) -> list[Artifact]:
    return _config("rke2-flannel", {"flannel": {"mtu": _underlay("rke2-flannel", request)}}, request)


def _canal(request: CniRequest) -> list[Artifact]:
    # two numbers: the pod's, and the underlay's of flannel's backend, which makes flannel.1
    numbers = {"calico": {"vethuMTU": request.pod_mtu}, "flannel": {"mtu": _underlay("rke2-canal", request)}}
    return _config("rke2-canal", numbers, request)


def _underlay(chart: str, request: CniRequest) -> int:
    """Flannel's number for the backend that the chart's values name; the charts' default is vxlan."""
    _, values = _given(chart, request)
    section = values.get("flannel")
    kind = str(section.get("backend") or "vxlan") if isinstance(section, dict) else "vxlan"
    _, takes, _ = flannel.BACKENDS.get(kind, flannel.BACKENDS["vxlan"])
    return request.pod_mtu + takes


def _rules(chart: str) -> Callable[[CniRequest], list[Problem]]:
    def rules(request: CniRequest) -> list[Problem]:
        if first(request, "HelmChartConfig", chart) or request.existing.get("valuesContent"):
            return []
        message = f"the HelmChartConfig is written whole: where {chart} has one, give it with --existing to keep it"
        return [Problem(code="IPP905", severity="warning", message=message)]

    return rules


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
        return [_setting("rke2-flannel", values, ("flannel", "mtu"), number, "pod and device")]
    if piece.name == "rke2-canal":
        # the chart's default is 1450 whatever the link is
        number = whole(values.get("calico", "vethuMTU")) or CANAL_DEFAULT
        found: list[Setting | Clue] = [_setting("rke2-canal", values, ("calico", "vethuMTU"), number, "")]
        number = whole(values.get("flannel", "mtu"))
        return found + ([_setting("rke2-canal", values, ("flannel", "mtu"), number, "device")] if number else [])
    return []


def _setting(system: str, values: Piece, at: tuple[str, str], number: int | None, subtracts: str) -> Setting:
    """A number of a chart; ``subtracts`` says what flannel makes of it after subtracting, empty: it is the pod's."""
    field = ".".join(at)
    kind = values.text("flannel", "backend") or "vxlan"
    encap, takes, _ = flannel.BACKENDS.get(kind, flannel.BACKENDS["vxlan"])
    return Setting(
        system=system,
        field=f"valuesContent {field}",
        location=values.location(*at),
        value=number,
        semantics="underlay" if subtracts else "pod",
        encap=encap,
        port=NETWORKS[system].overlays["vxlan"].port if encap == "vxlan" else None,
        overhead=Overhead(otherwise=takes if subtracts else 0),
        automatic=Overhead(otherwise=takes),
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
        rules=_rules(f"rke2-{chart}"),
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
)
CANAL = _adapter(
    "canal",
    canal.ADAPTER,
    "calico.vethuMTU, and flannel.mtu (underlay)",
    _canal,
    "rke2-canal",
    overhead=Overhead(dict.fromkeys(_VXLAN_ONLY, 0)),
    automatic=None,
)
