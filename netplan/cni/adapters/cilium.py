"""Cilium. ``MTU`` is the underlay's: the pod's device keeps it, the pod's default route gets what is left.

Cilium subtracts its tunnel (50, 70 over IPv6) and, with its own IPsec, 77 more for the default key; ``verify`` must
therefore read the route in the pod, not the link.
"""

from __future__ import annotations

from dataclasses import replace

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
from netplan.cni.kubernetes import config_map, dump, rollout
from netplan.cni.present import first, mappings, namespace_of, roots, target
from netplan.cni.yaml_document import Piece
from netplan.problems import Problem

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
WIREGUARD_TAKES = 95  # since 1.19.5 and 1.20
WIREGUARD_TOOK = 80  # up to 1.19.4
LARGEST = 65520
_WHY = "it installs XFRM policies and states of its own that match all traffic between nodes"


def constant(ipsec: bool, wireguard: bool) -> int:
    """Return what Cilium subtracts for its own encryption beside the tunnel."""
    return (IPSEC_TAKES if ipsec else 0) + (WIREGUARD_TAKES if wireguard else 0)


def number(request: CniRequest, given: Piece | None, adapter: Adapter) -> int:
    """Return the field's value: Cilium subtracts the tunnel and encryption that are configured, not those asked for."""
    if given is None:
        return adapter.field_value(request)
    setting = next(found for found in audit(given) if isinstance(found, Setting))
    size = setting.overhead.size(setting.encap, request.family) or 0
    if "wireguard" in setting.encap and not _takes_more(request):
        # an older one would leave the pods 15 bytes more than fit; too small is safe
        size -= WIREGUARD_TAKES - WIREGUARD_TOOK
    # its constant for encryption is larger than what encryption costs: the number would exceed the link
    return min(request.pod_mtu + size, max(request.link_mtu, request.pod_mtu))


def written(request: CniRequest) -> tuple[int, int]:
    """Return the number that a patch of the given objects has, and the MTU with which pods end."""
    given = first(request, "ConfigMap", "cilium-config") or next(
        (v for v in roots(request.existing) if is_values(v)), None
    )
    value, wanted = number(request, given, ADAPTER), request.pod_mtu
    if given is None:
        return value, wanted
    uncapped = number(replace(request, link_mtu=LARGEST), given, ADAPTER)
    return value, wanted - (uncapped - value)


def _takes_more(request: CniRequest) -> bool:
    """Tell whether the version that was named has the larger WireGuard overhead."""
    parts = [int(p[:9]) for p in request.options.get("version", "").split(".") if p.isdecimal()]
    return parts[:2] >= [1, 20] or parts[:3] >= [1, 19, 5]


def _render(request: CniRequest) -> list[Artifact]:
    config = first(request, "ConfigMap", "cilium-config")
    chart = next((v for v in roots(request.existing) if is_values(v)), None)
    made: list[Artifact] = []
    if config is not None:
        goal = target(config, request, "ConfigMap/kube-system/cilium-config")
        data = {"mtu": str(number(request, config, ADAPTER))}
        made.append(config_map("cilium/cilium-config.patch.yaml", goal, data, "cilium/config"))
    if config is None or chart is not None:
        text = dump({"MTU": number(request, chart or config, ADAPTER)})
        made.append(Artifact(path="cilium/values.yaml", text=text, patch="values", schema="cilium/values"))
    return made


def _rules(request: CniRequest) -> list[Problem]:
    found: list[Problem] = []
    if first(request, "ConfigMap", "cilium-config") and not any(is_values(v) for v in roots(request.existing)):
        message = "cilium-config is written by Helm: without MTU in the release's values the next upgrade takes it away"
        found.append(Problem(code="IPP905", severity="warning", message=message))
    encrypted = any(
        isinstance(f, Setting) and "wireguard" in f.encap for v in roots(request.existing) for f in audit(v)
    )
    if encrypted and not request.options.get("version"):
        message = "computed for Cilium up to 1.19.4; 1.19.5 and later leave pods 15 bytes less"
        hint = "--option version=1.20"
        found.append(Problem(code="IPP905", severity="warning", message=message, hint=hint))
    value, ends = written(request)
    if ends < request.pod_mtu:
        message = (
            f"Cilium subtracts more for its encryption than that costs: with the link's {value} pods end with {ends}"
        )
        found.append(Problem(code="IPP905", severity="warning", message=message))
    for conf in mappings(request, "plugins", "cniVersion"):
        if any(isinstance(p, dict) and p.get("type") == "cilium-cni" and p.get("mtu") for p in conf["plugins"] or ()):
            message = "left as it is: mtu of plugin cilium-cni in the CNI list, which beats the agent's number"
            found.append(Problem(code="IPP905", severity="warning", message=message))
    return found


def _steps(request: CniRequest) -> list[ManualStep]:
    config = first(request, "ConfigMap", "cilium-config")
    namespace = namespace_of(config, request, "kube-system")
    upgrade = ManualStep(
        stage="config",
        text="upgrade the Helm release with the values added",
        command=f"helm upgrade cilium cilium/cilium -n {namespace} --reuse-values -f cilium/values.yaml",
    )
    helm = any(artifact.patch == "values" for artifact in _render(request))
    return [
        upgrade if helm else ManualStep(stage="config", text="patch ConfigMap cilium-config"),
        rollout("daemonset", namespace, "cilium"),
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
    return bool(own & piece.data.keys()) or isinstance(piece.data.get("MTU"), (int, str)) or _encrypts(piece)


def _encrypts(piece: Piece) -> bool:
    """Tell whether the values switch on Cilium's encryption; charts of others have no such pair."""
    return piece.text("encryption", "type") in ("ipsec", "wireguard", "ztunnel")


def _found(
    piece: Piece, key: str, encap: str, family: Family, ipsec: bool, wireguard: bool, system: str = "cilium"
) -> list[Setting | Clue]:
    number = whole(piece.get(key)) or None
    # VXLAN lies inside ESP tunnel mode since 1.18; before, ESP lay inside the overlay
    own = BuiltinIpsec(suite="aes128gcm16", mode="tunnel") if ipsec else None
    # of the tunnel alone, whatever else the encapsulation is called below
    overhead = Overhead(otherwise=TAKES.get((encap, family)), extra=constant(ipsec, wireguard))
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
            note="Cilium up to 1.19.4 subtracts 80 for WireGuard, 15 less" if wireguard else "",
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
    rules=_rules,
    written=written,
    largest=LARGEST,
)
