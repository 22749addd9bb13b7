"""Cilium. ``MTU`` is the underlay's: the pod's device keeps it, the pod's default route gets what is left.

Cilium subtracts its tunnel (50, 70 over IPv6) and, with its own IPsec, 77 more for the default key; ``verify`` must
therefore read the route in the pod, not the link.
"""

from __future__ import annotations

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    BuiltinIpsec,
    Clue,
    CniRequest,
    Family,
    ManualStep,
    Overhead,
    OverheadTable,
    Setting,
    whole,
)
from netplan.cni.kubernetes import dump, rollout
from netplan.cni.yaml_document import Piece

# pkg/mtu/mtu.go: what the default route of a pod loses
TAKES: OverheadTable = {
    ("none", "ipv4"): 0,
    ("none", "ipv6"): 0,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("geneve", "ipv4"): 50,
    ("geneve", "ipv6"): 70,
}
IPSEC_TAKES = 77  # constant for a 16-byte authentication key, whatever the cipher
WIREGUARD_TAKES = 80
LARGEST = 65520
_WHY = "it installs XFRM policies and states of its own that match all traffic between nodes"


def values(request: CniRequest) -> dict[str, object]:
    """Return the Helm values that a plan sets."""
    found: dict[str, object] = {
        "MTU": ADAPTER.field_value(request),
        "routingMode": "native" if request.encap == "none" else "tunnel",
        "underlayProtocol": request.family,
        "pmtuDiscovery": {"enabled": True},
    }
    if request.encap != "none":
        found["tunnelProtocol"] = request.encap
        found["tunnelPort"] = request.port or 0
    return found


def _render(request: CniRequest) -> list[Artifact]:
    return [
        Artifact(path="cilium/values.yaml", text=dump(values(request)), patch="values", schema="cilium/values"),
    ]


def _steps(_network: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(
            stage="config",
            text="upgrade the Helm release with the values added",
            command="helm upgrade cilium cilium/cilium -n kube-system --reuse-values -f cilium/values.yaml",
        ),
        rollout("daemonset", "kube-system", "cilium"),
        ManualStep(
            stage="check",
            text="read the default route inside a pod: its mtu is the planned one (1.16 and older: restart the pods)",
            command="kubectl exec -n NAMESPACE POD -- ip route show default",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the ConfigMap cilium-config, or Helm values."""
    if piece.kind == "ConfigMap" and piece.name == "cilium-config":
        data = piece.sub("data")
        tunnel = data.text("tunnel-protocol") or data.text("tunnel")
        native = data.text("routing-mode") == "native" or tunnel == "disabled"
        family: Family = "ipv6" if data.text("underlay-protocol") == "ipv6" else "ipv4"
        ipsec, wireguard = data.text("enable-ipsec") == "true", data.text("enable-wireguard") == "true"
        return _found(data, "mtu", "none" if native else tunnel or "vxlan", family, ipsec, wireguard)
    if is_values(piece):
        native = piece.text("routingMode") == "native"
        family = "ipv6" if piece.text("underlayProtocol") == "ipv6" else "ipv4"
        on, kind = piece.get("encryption", "enabled") is True, piece.text("encryption", "type") or "ipsec"
        encap = "none" if native else piece.text("tunnelProtocol") or "vxlan"
        return _found(piece, "MTU", encap, family, on and kind == "ipsec", on and kind == "wireguard")
    return []


def is_values(piece: Piece) -> bool:
    """Tell whether this mapping is a Helm values file of Cilium."""
    if not isinstance(piece.data, dict) or piece.kind:
        return False
    own = {"tunnelProtocol", "routingMode", "kubeProxyReplacement", "underlayProtocol", "ipv4NativeRoutingCIDR"}
    return bool(own & piece.data.keys()) or (
        "MTU" in piece.data and bool({"ipam", "cni", "hubble"} & piece.data.keys())
    )


def _found(
    piece: Piece, key: str, encap: str, family: Family, ipsec: bool, wireguard: bool, system: str = "cilium"
) -> list[Setting | Clue]:
    number = whole(piece.get(key)) or None
    # VXLAN lies inside ESP tunnel mode since 1.18; before, ESP lay inside the overlay
    own = BuiltinIpsec(suite="aes128gcm16", mode="tunnel") if ipsec else None
    constant = (IPSEC_TAKES if ipsec else 0) + (WIREGUARD_TAKES if wireguard else 0)
    # of the tunnel alone, whatever else the encapsulation is called below
    overhead = Overhead(otherwise=TAKES.get((encap, family)), extra=constant)
    location = piece.location(key)
    found: list[Setting | Clue] = [
        Setting(
            system=system,
            field=key,
            location=location,
            value=number,
            semantics="underlay",
            encap=encap if not wireguard else "wireguard" if encap == "none" else f"{encap}+wireguard",
            family=family,
            own=own,
            overhead=overhead,
            automatic=overhead,
            change=f"set {key} (the underlay's size as Cilium shall see it) and restart ds/cilium",
        )
    ]
    if ipsec:
        found.append(Clue(system=system, location=piece.location(), own=own, refuse=_WHY))
    return found


ADAPTER = Adapter(
    name="cilium",
    title="Cilium",
    semantics="underlay",
    field="Helm value MTU (ConfigMap cilium-config: mtu)",
    overhead=Overhead(TAKES),
    automatic=Overhead(TAKES),
    goes_live="Helm upgrade, then restart ds/cilium",
    pods_keep=False,
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
    largest=LARGEST,
    unverified="what it subtracts for its own WireGuard: 80 in the versions read, 95 in newer text",
)
