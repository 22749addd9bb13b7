"""Cilium. ``MTU`` is the underlay's: the pod's device keeps it, the pod's default route gets what is left.

Cilium subtracts its tunnel (50, 70 over IPv6) and, with its own IPsec, 77 more for the default key; ``verify`` must
therefore read the route in the pod, not the link.
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
    fixed,
    less,
    more,
    whole,
)
from netplan.cni.kubernetes import dump, rollout
from netplan.cni.yaml_document import Piece

# pkg/mtu/mtu.go: what the default route of a pod loses
TAKES: dict[tuple[Encap, Family], int] = {
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


def values(network: Network) -> dict[str, object]:
    """Return the Helm values that a plan sets."""
    found: dict[str, object] = {
        "MTU": ADAPTER.field_value(network),
        "routingMode": "native" if network.encap == "none" else "tunnel",
        "underlayProtocol": network.family,
        "pmtuDiscovery": {"enabled": True},
    }
    if network.encap != "none":
        found["tunnelProtocol"] = network.encap
        found["tunnelPort"] = network.port or 0
    return found


def _render(network: Network) -> list[Artifact]:
    return [
        Artifact(path="cilium/values.yaml", text=dump(values(network)), patch="values", schema="cilium/values"),
    ]


def _steps(_network: Network) -> list[Step]:
    return [
        Step(
            stage="config",
            text="upgrade the Helm release with the values added",
            command="helm upgrade cilium cilium/cilium -n kube-system --reuse-values -f cilium/values.yaml",
        ),
        rollout("daemonset", "kube-system", "cilium"),
        Step(
            stage="check",
            text="read the default route inside a pod: its mtu is the planned one (1.16 and older: restart the pods)",
            command="kubectl exec -n NAMESPACE POD -- ip route show default",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
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
) -> list[Setting | Hint]:
    number = whole(piece.get(key)) or None
    # VXLAN lies inside ESP tunnel mode since 1.18; before, ESP lay inside the overlay
    own = Own(suite="aes128gcm16", mode="tunnel") if ipsec else None
    constant = (IPSEC_TAKES if ipsec else 0) + (WIREGUARD_TAKES if wireguard else 0)
    ends = less(TAKES, constant)
    place = piece.place(key)
    found: list[Setting | Hint] = [
        Setting(
            system=system,
            field=key,
            place=place,
            value=number,
            semantics="underlay",
            encap=encap if not wireguard else "wireguard" if encap == "none" else f"{encap}+wireguard",
            family=family,
            own=own,
            ends=fixed(ends(number, encap, family)) if number else lambda size, _e, _f: ends(size, encap, family),
            wanted=lambda size, _e, _f: more(TAKES, constant)(size, encap, family),
            change=f"set {key} (the underlay's size as Cilium shall see it) and restart ds/cilium",
        )
    ]
    if ipsec:
        found.append(Hint(system=system, place=piece.place(), own=own, refuse=_WHY))
    return found


ADAPTER = Adapter(
    name="cilium",
    title="Cilium",
    checked_against="Cilium chart 1.20.0; pkg/mtu/mtu.go",
    semantics="underlay",
    field="Helm value MTU (ConfigMap cilium-config: mtu)",
    takes=TAKES,
    automatic=TAKES,
    goes_live="Helm upgrade, then restart ds/cilium",
    pods_keep=False,
    ports=("UDP 8472 (VXLAN)", "UDP 6081 (Geneve)", "TCP 4240 (health)", "UDP 51871 (WireGuard)"),
    render=_render,
    steps=_steps,
    audit=audit,
    brings_ipsec=_WHY,
    largest=LARGEST,
    unverified="what it subtracts for its own WireGuard: 80 in the versions read, 95 in newer text",
)
