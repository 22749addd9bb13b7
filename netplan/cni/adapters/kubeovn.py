"""kube-ovn. ``--mtu`` of its agent and ``Subnet.spec.mtu`` are the pod's. Left empty it subtracts 100 (Geneve) or 50
(VXLAN) and nothing for its own IPsec: VXLAN with ``--enable-ovn-ipsec`` is 34 too large."""

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
    argument,
    containers,
    whole,
)
from netplan.cni.kubernetes import dump, patch, recreate_pods, rollout
from netplan.cni.yaml_document import Piece

# pkg/util/const.go, pkg/daemon/config.go
AUTOMATIC: OverheadTable = {
    ("geneve:8", "ipv4"): 100,
    ("geneve:8", "ipv6"): 120,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("stt", "ipv4"): 72,
    ("stt", "ipv6"): 92,
}
OVS_ESP = "aes256gcm16"
_WHY = "its OVN IPsec runs an IKE daemon of its own on every node, which takes UDP 500 and 4500"


def _render(request: CniRequest) -> list[Artifact]:
    kind = {"geneve:8": "geneve"}.get(request.encap, request.encap)
    values = {"networking": {"pods": {"mtu": request.pod_mtu}, "TUNNEL_TYPE": kind}}
    subnet = request.options.get("subnet", "ovn-default")
    return [
        Artifact(path="kube-ovn/values.yaml", text=dump(values), patch="values", schema="kube-ovn/values"),
        patch(
            "kube-ovn/subnet.patch.yaml",
            {"spec": {"mtu": request.pod_mtu}},
            f"Subnet//{subnet}",
            "kube-ovn/subnet",
            api="kubeovn.io/v1",
        ),
    ]


def _steps(_network: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(
            stage="config", text="upgrade the chart with the values, or edit --mtu of ds/kube-ovn-cni; patch Subnets"
        ),
        rollout("daemonset", "kube-system", "kube-ovn-cni"),
        recreate_pods(),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read Subnet, the DaemonSet kube-ovn-cni, the controller's arguments, and Helm values."""
    if piece.kind == "Subnet" and piece.api == "kubeovn.io":
        number = whole(piece.get("spec", "mtu"))
        return [_setting(piece, number, ("spec", "mtu"), "spec.mtu", "", None)] if number else []
    if piece.kind == "DaemonSet" and piece.name == "kube-ovn-cni":
        return [found for container in containers(piece) for found in _agent(container)]
    if piece.has("networking") and isinstance(piece.get("networking", "TUNNEL_TYPE"), str):
        own = BuiltinIpsec(suite=OVS_ESP) if piece.get("features", "enableOvnIpsec") is True else None
        own = BuiltinIpsec(suite=OVS_ESP) if piece.get("func", "ENABLE_OVN_IPSEC") is True else own
        encap = _encap(piece.text("networking", "TUNNEL_TYPE"))
        at = ("networking", "pods", "mtu")
        shown = at if piece.get(*at) is not None else ("networking", "TUNNEL_TYPE")
        found: list[Setting | Clue] = [_setting(piece, whole(piece.get(*at)), shown, "networking.pods.mtu", encap, own)]
        return found + ([Clue(system="kube-ovn", location=piece.location(), own=own, refuse=_WHY)] if own else [])
    return []


def _agent(container: Piece) -> list[Setting | Clue]:
    kind, mtu = argument(container, "--network-type"), argument(container, "--mtu")
    ipsec = argument(container, "--enable-ovn-ipsec")
    own = BuiltinIpsec(suite=OVS_ESP) if ipsec and ipsec[0] == "true" else None
    if not kind and not mtu:
        return []
    where = mtu[1] if mtu else kind[1] if kind else container
    encap = _encap(kind[0] if kind else "geneve")
    found: list[Setting | Clue] = [_setting(where, whole(mtu[0]) if mtu else None, (), "--mtu", encap, own)]
    return found + ([Clue(system="kube-ovn", location=where.location(), own=own, refuse=_WHY)] if own else [])


def _encap(kind: str) -> str:
    return {"geneve": "geneve:8"}.get(kind.lower(), kind.lower())


def _setting(
    piece: Piece, number: int | None, at: tuple[str, ...], field: str, encap: str, own: BuiltinIpsec | None
) -> Setting:
    number = number or None
    return Setting(
        system="kube-ovn",
        field=field,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap=encap,
        own=own,
        automatic=Overhead(AUTOMATIC),
        change=f"set {field}, restart ds/kube-ovn-cni and recreate the pods",
    )


ADAPTER = Adapter(
    name="kube-ovn",
    title="kube-ovn",
    semantics="pod",
    field="kube-ovn-cni --mtu, Subnet spec.mtu",
    overhead=Overhead(dict.fromkeys(AUTOMATIC, 0)),
    automatic=Overhead(AUTOMATIC),
    goes_live="restart ds/kube-ovn-cni",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
)
