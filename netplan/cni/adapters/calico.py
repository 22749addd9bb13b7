"""Calico, installed by its operator or from manifests.

``mtu`` is the pod's. Without it Felix takes the smallest link that ``mtuIfacePattern`` matches (1460 when none does)
and subtracts the overhead of the encapsulations in use; it knows nothing of IPsec under it. The operator copies its
``mtu`` into Felix's device MTUs and the CNI configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Clue,
    CniRequest,
    Encap,
    Family,
    ManualStep,
    Overhead,
    OverheadTable,
    Semantics,
    Setting,
    containers,
    environment,
    whole,
)
from netplan.cni.kubernetes import config_map, live_link, patch, recreate_pods, rollout
from netplan.cni.yaml_document import Piece

# felix/dataplane/linux/int_dataplane.go: overhead by encapsulation in use
AUTOMATIC: OverheadTable = {
    ("none", "ipv4"): 0,
    ("none", "ipv6"): 0,
    ("ipip", "ipv4"): 20,
    ("vxlan", "ipv4"): 50,
    ("vxlan", "ipv6"): 70,
    ("wireguard", "ipv4"): 60,
    ("wireguard", "ipv6"): 80,
}
TAKES: OverheadTable = {key: 0 for key in AUTOMATIC if key[0] != "wireguard"}
_MODE = {"vxlan": "VXLAN", "ipip": "IPIP", "none": "None"}
_POOL: dict[str, Encap] = {"vxlan": "vxlan", "vxlancrosssubnet": "vxlan", "ipip": "ipip", "ipipcrosssubnet": "ipip"}
# Felix's device fields: encapsulation and family
_DEVICES: dict[str, tuple[Encap, Family]] = {
    "vxlanMTU": ("vxlan", "ipv4"),
    "vxlanMTUV6": ("vxlan", "ipv6"),
    "ipipMTU": ("ipip", "ipv4"),
    "wireguardMTU": ("wireguard", "ipv4"),
    "wireguardMTUV6": ("wireguard", "ipv6"),
}
_ENV = {
    "FELIX_VXLANMTU": "vxlanMTU",
    "FELIX_VXLANMTUV6": "vxlanMTUV6",
    "FELIX_IPINIPMTU": "ipipMTU",
    "FELIX_WIREGUARDMTU": "wireguardMTU",
    "FELIX_WIREGUARDMTUV6": "wireguardMTUV6",
}
_IPIP_DEVICE = "tunl0"


def _operator(request: CniRequest) -> list[Artifact]:
    installation = {"spec": {"calicoNetwork": {"mtu": request.pod_mtu}}}
    return [
        patch(
            "calico/installation.patch.yaml",
            installation,
            "Installation//default",
            "calico/installation",
            api="operator.tigera.io/v1",
        ),
        *_felix(request),
    ]


def _manifest(request: CniRequest) -> list[Artifact]:
    data = {"veth_mtu": str(request.pod_mtu)}
    target = "ConfigMap/kube-system/calico-config"
    return [config_map("calico/calico-config.patch.yaml", target, data, "calico/config"), *_felix(request)]


def _felix(request: CniRequest) -> list[Artifact]:
    """Felix's own device MTUs, so that a device never stays larger than the pods."""
    field = next((f for f, key in _DEVICES.items() if key == (request.encap, request.family)), None)
    spec: dict[str, object] = {field: request.pod_mtu} if field else {}
    if request.encap == "vxlan":
        spec |= {"vxlanPort": request.port} if request.port else {}
    # only where told: with an explicit MTU the pattern decides over nothing but a warning in Felix's log
    spec |= {"mtuIfacePattern": request.options["links"]} if request.options.get("links") else {}
    if not spec:
        return []
    return [
        patch(
            "calico/felixconfiguration.patch.yaml",
            {"spec": spec},
            "FelixConfiguration//default",
            "calico/felix",
            api="projectcalico.org/v3",
        )
    ]


def _steps(manifest: bool) -> Callable[[CniRequest], list[ManualStep]]:
    def steps(request: CniRequest) -> list[ManualStep]:
        what = "patch ConfigMap calico-config" if manifest else "patch Installation; the operator rolls calico-node"
        found = [
            ManualStep(stage="config", text=f"{what}, and FelixConfiguration"),
            recreate_pods("a new value applies to new pods only"),
        ]
        if manifest:
            found.append(rollout("daemonset", "kube-system", "calico-node"))
        device = _IPIP_DEVICE if request.encap == "ipip" else (MANIFEST if manifest else OPERATOR).device(request)
        if device:
            why = "Felix follows by itself within about 10 s; set it where it does not (eBPF mode)"
            found.append(live_link(device, request.pod_mtu, why))
        return found

    return steps


def setting(
    piece: Piece, value: object, *keys: str | int, field: str, change: str, encap: str = "", system: str = "calico"
) -> Setting:
    """Return the finding of a pod MTU of Calico; 0 or nothing is automatic."""
    number = whole(value) or None
    return Setting(
        system=system,
        field=field,
        location=piece.location(*keys),
        value=number,
        semantics="pod",
        encap=encap,
        automatic=Overhead(AUTOMATIC),
        change=change,
    )


def _felix_setting(piece: Piece, value: object, keys: tuple[str | int, ...], field: str, shown: str) -> Setting:
    encap, family = _DEVICES[field]
    number = whole(value) or None
    kind: Semantics = "device"
    return Setting(
        system="calico",
        field=shown,
        location=piece.location(*keys),
        value=number,
        semantics=kind,
        encap=encap,
        family=family,
        automatic=Overhead(otherwise=AUTOMATIC[encap, family]),
        change=f"set {shown}",
    )


def installation(piece: Piece, *under: str, system: str = "calico") -> list[Setting | Clue]:
    """Read ``calicoNetwork`` of an Installation, or of Helm values that hold one."""
    at = (*under, "calicoNetwork")
    field = ".".join((*at, "mtu"))
    found: list[Setting | Clue] = [
        setting(piece, piece.get(*at, "mtu"), *at, "mtu", field=field, change=f"set {field}", system=system)
    ]
    for pool in piece.items(*at, "ipPools"):
        mode = pool.text("encapsulation").lower()
        family: Family = "ipv6" if ":" in pool.text("cidr") else "ipv4"
        # the default of an IPv4 pool without the field is IPIP
        encap: Encap = "none" if mode == "none" else _POOL.get(mode, "ipip")
        found.append(Clue(system=system, location=pool.location("encapsulation"), encap=encap, family=family))
    return found


def _felix_configuration(piece: Piece) -> list[Setting | Clue]:
    found: list[Setting | Clue] = [
        _felix_setting(piece, piece.get("spec", field), ("spec", field), field, f"spec.{field}")
        for field in _DEVICES
        if whole(piece.get("spec", field))
    ]
    # pods' packets to other nodes then go through WireGuard as well, so their MTU has to fit there too
    families: tuple[tuple[str, Family], ...] = (("wireguardEnabled", "ipv4"), ("wireguardEnabledV6", "ipv6"))
    for key, family in families:
        if piece.get("spec", key) is True:
            found.append(Clue(system="calico", location=piece.location("spec", key), encap="wireguard", family=family))
    return found


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read Installation, FelixConfiguration, IPPool, calico-config and calico-node."""
    if piece.kind == "Installation" and piece.api == "operator.tigera.io":
        return installation(piece, "spec")
    if piece.kind == "FelixConfiguration":
        return _felix_configuration(piece)
    if piece.kind == "IPPool" and "calico" in piece.api:
        vxlan = piece.text("spec", "vxlanMode") in ("Always", "CrossSubnet")
        ipip = piece.text("spec", "ipipMode") in ("Always", "CrossSubnet")
        encap: Encap = "vxlan" if vxlan else "ipip" if ipip else "none"
        family: Family = "ipv6" if ":" in piece.text("spec", "cidr") else "ipv4"
        return [Clue(system="calico", location=piece.location("spec", "cidr"), encap=encap, family=family)]
    if piece.kind == "ConfigMap" and piece.name == "calico-config":
        change = "set data.veth_mtu (text in quotes) and restart calico-node"
        value = piece.get("data", "veth_mtu")
        return [setting(piece, value, "data", "veth_mtu", field="data.veth_mtu", change=change)]
    if piece.kind == "DaemonSet" and piece.name == "calico-node":
        return [
            _felix_setting(entry, entry.data, (), field, name)
            for container in containers(piece)
            for name, field in _ENV.items()
            if (entry := environment(container, name)) is not None and whole(entry.data)
        ]
    if piece.has("installation") and isinstance(piece.get("installation", "calicoNetwork"), dict):
        return installation(piece, "installation")
    return []


def _adapter(name: str, title: str, manifest: bool) -> Adapter:
    field = "ConfigMap calico-config data.veth_mtu" if manifest else "Installation spec.calicoNetwork.mtu"
    return Adapter(
        name=name,
        title=title,
        semantics="pod",
        field=field,
        overhead=Overhead(TAKES),
        automatic=Overhead({key: AUTOMATIC[key] for key in TAKES}),
        goes_live="restart calico-node" if manifest else "the operator restarts calico-node by itself",
        pods_keep=True,
        render=_manifest if manifest else _operator,
        steps=_steps(manifest),
        audit=audit,
    )


OPERATOR = _adapter("calico", "Calico (operator)", manifest=False)
MANIFEST = _adapter("calico-manifest", "Calico (manifest)", manifest=True)
