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
from netplan.cni.present import first, namespace_of, objects, roots, workload_patch
from netplan.cni.yaml_document import Piece
from netplan.problems import Problem

# pkg/util/const.go, pkg/daemon/config.go
AUTOMATIC: OverheadTable = {
    ("geneve:8", "ipv4"): 100,
    ("geneve:8", "ipv6"): 120,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("stt", "ipv4"): 72,
    ("stt", "ipv6"): 92,
}
# networks of type vlan have no tunnel, and the same 100 are subtracted
_AUDITED: OverheadTable = {**AUTOMATIC, ("none", "ipv4"): 100, ("none", "ipv6"): 120}
OVS_ESP = "aes256gcm16"
_WHY = "its OVN IPsec runs an IKE daemon of its own on every node, which takes UDP 500 and 4500"


def _render(request: CniRequest) -> list[Artifact]:
    made: list[Artifact] = []
    for workload in objects(request, "DaemonSet", "kube-ovn-cni"):
        changes = [c for container in containers(workload) if (c := _arguments(container, request.pod_mtu))]
        made += [workload_patch("kube-ovn/kube-ovn-cni.patch.yaml", workload, changes)] if changes else []
    if not made and not any(is_first_chart(v) for v in roots(request.existing)):
        values = dump({"networking": {"pods": {"mtu": request.pod_mtu}}})
        made.append(Artifact(path="kube-ovn/values.yaml", text=values, patch="values", schema="kube-ovn/values"))
    subnets = [piece.name for piece in objects(request, "Subnet") if piece.api == "kubeovn.io"]
    for subnet in subnets or [request.options.get("subnet", "ovn-default")]:
        path = f"kube-ovn/{'subnet' if len(subnets) < 2 else subnet}.patch.yaml"
        mtu = {"spec": {"mtu": request.pod_mtu}}
        made.append(patch(path, mtu, f"Subnet//{subnet}", "kube-ovn/subnet", api="kubeovn.io/v1"))
    return made


def _arguments(container: Piece, mtu: int) -> dict[str, object] | None:
    """The container with its arguments and another ``--mtu``: a patch replaces the list of arguments whole."""
    words = [word.data for word in container.items("args") if isinstance(word.data, str)]
    if not words or not (argument(container, "--network-type") or argument(container, "--mtu")):
        return None
    kept = [word for word in words if not word.startswith("--mtu=")]
    return {"name": container.text("name"), "args": [*kept, f"--mtu={mtu}"]}


def is_first_chart(piece: Piece) -> bool:
    """Tell whether these are values of the first chart, which has no value for the MTU."""
    return not piece.kind and isinstance(piece.get("networking", "TUNNEL_TYPE"), str)


def _rules(request: CniRequest) -> list[Problem]:
    if not any(is_first_chart(v) for v in roots(request.existing)) or objects(request, "DaemonSet", "kube-ovn-cni"):
        return []
    message = "the first chart has no value for the MTU: left are the arguments of ds/kube-ovn-cni"
    hint = "edit --mtu there, or give the DaemonSet with --existing"
    return [Problem(code="IPP905", severity="warning", message=message, hint=hint)]


def _steps(request: CniRequest) -> list[ManualStep]:
    namespace = namespace_of(first(request, "DaemonSet", "kube-ovn-cni"), request, "kube-system")
    text = "upgrade the chart (kube-ovn-v2) with the values; the first chart has none: edit --mtu of ds/kube-ovn-cni"
    return [
        ManualStep(stage="config", text=f"{text}; patch Subnets"),
        rollout("daemonset", namespace, "kube-ovn-cni"),
        recreate_pods(),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read Subnet, the DaemonSet kube-ovn-cni, the controller's arguments, and Helm values."""
    if piece.kind == "Subnet" and piece.api == "kubeovn.io":
        number = whole(piece.get("spec", "mtu"))
        return [_setting(piece, number, ("spec", "mtu"), "spec.mtu", "", None)] if number else []
    if piece.kind == "DaemonSet" and piece.name == "kube-ovn-cni":
        return [found for container in containers(piece) for found in _agent(container)]
    if not piece.kind and (is_first_chart(piece) or is_second_chart(piece)):
        own = BuiltinIpsec(suite=OVS_ESP) if piece.get("features", "enableOvnIpsec") is True else None
        own = BuiltinIpsec(suite=OVS_ESP) if piece.get("func", "ENABLE_OVN_IPSEC") is True else own
        word = "TUNNEL_TYPE" if is_first_chart(piece) else "tunnelType"
        encap = _encap(piece.text("networking", word) or "geneve")
        at = ("networking", "pods", "mtu")
        shown = at if piece.get(*at) is not None else ("networking", word)
        found: list[Setting | Clue] = [_setting(piece, whole(piece.get(*at)), shown, "networking.pods.mtu", encap, own)]
        return found + ([Clue(system="kube-ovn", location=piece.location(), own=own, refuse=_WHY)] if own else [])
    return []


def is_second_chart(piece: Piece) -> bool:
    """Tell whether these are values of the chart kube-ovn-v2."""
    told = isinstance(piece.get("networking", "tunnelType"), str)
    return told or piece.get("networking", "pods", "mtu") is not None


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
    return {"geneve": "geneve:8", "vlan": "none"}.get(kind.lower(), kind.lower())


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
        automatic=Overhead(_AUDITED),
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
    rules=_rules,
    brings_ipsec=_WHY,
)
