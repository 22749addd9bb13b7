"""Calico, installed by its operator or from manifests.

``mtu`` is the pod's. Without it Felix takes the smallest link that ``mtuIfacePattern`` matches (1460 when none does)
and subtracts the overhead of the encapsulations in use; it knows nothing of IPsec under it. The operator copies its
``mtu`` into Felix's device MTUs and the CNI configuration.
"""

from __future__ import annotations

import re
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
from netplan.cni.present import (
    environment_patch,
    first,
    namespace_of,
    numbers_in,
    objects,
    target,
    text,
    with_number,
)
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
# variables of calico-node, which win over the FelixConfiguration
ENV = {
    "FELIX_VXLANMTU": "vxlanMTU",
    "FELIX_VXLANMTUV6": "vxlanMTUV6",
    "FELIX_IPINIPMTU": "ipipMTU",
    "FELIX_WIREGUARDMTU": "wireguardMTU",
    "FELIX_WIREGUARDMTUV6": "wireguardMTUV6",
}
_IPIP_DEVICE = "tunl0"


def _operator(request: CniRequest) -> list[Artifact]:
    """The operator copies its ``mtu`` into every device variable, which beat a FelixConfiguration."""
    given = first(request, "Installation")
    goal = target(given, request, "Installation//default")
    mtu = {"spec": {"calicoNetwork": {"mtu": request.pod_mtu}}}
    path = "calico/installation.patch.yaml"
    made = [patch(path, mtu, goal, "calico/installation", api="operator.tigera.io/v1")]
    return [*made, *_felix(request, {})]


def _manifest(request: CniRequest) -> list[Artifact]:
    given = first(request, "ConfigMap", "calico-config")
    cni = text(request, given, "cni_network_config")
    data = {}
    if given is None or given.get("data", "veth_mtu") is not None or "__CNI_MTU__" in cni:
        data["veth_mtu"] = str(request.pod_mtu)
    if numbers_in(cni):  # a number in the list itself wins over veth_mtu
        data["cni_network_config"] = with_number(cni, request.pod_mtu)
    goal = target(given, request, "ConfigMap/kube-system/calico-config")
    made = [config_map("calico/calico-config.patch.yaml", goal, data, "calico/config")] if data else []
    found: list[Artifact] = []
    for workload in objects(request, "DaemonSet", "calico-node"):
        values = _variables(workload, request)
        if values:
            path = "calico/calico-node.patch.yaml"
            found.append(environment_patch(path, workload, values))
    return [*made, *found, *_felix(request, _device_fields(request))]


def _variables(workload: Piece, request: CniRequest) -> dict[str, dict[str, str]]:
    """The variables of calico-node that hold a device's MTU as a number: all get the pods', as the operator does it."""
    found: dict[str, dict[str, str]] = {}
    for container in containers(workload):
        for name in (n for n, field in ENV.items() if _in_use(field, request)):
            entry = environment(container, name)
            if entry is not None and whole(entry.data):
                found.setdefault(container.text("name"), {})[name] = str(request.pod_mtu)
    return found


def _device_fields(request: CniRequest) -> dict[str, object]:
    """Felix's own device MTUs that the object which was given holds, so that none stays larger than the pods."""
    given = first(request, "FelixConfiguration")
    if given is None:
        return {}
    return {f: request.pod_mtu for f in _DEVICES if _in_use(f, request) and whole(given.get("spec", f))}


def _in_use(field: str, request: CniRequest) -> bool:
    """Tell whether pods' packets may pass this device: WireGuard's only where the object that was given enables it."""
    if _DEVICES[field][0] != "wireguard":
        return True
    key = "wireguardEnabledV6" if _DEVICES[field][1] == "ipv6" else "wireguardEnabled"
    return any(felix.get("spec", key) is True for felix in objects(request, "FelixConfiguration"))


def _felix(request: CniRequest, spec: dict[str, object]) -> list[Artifact]:
    # the pattern only where told: with an explicit MTU it decides over nothing but a warning in Felix's log
    spec |= {"mtuIfacePattern": request.options["links"]} if request.options.get("links") else {}
    if not spec:
        return []
    given = first(request, "FelixConfiguration")
    # a cluster without Calico's API server has only the group of the raw CRDs; one with native v3 CRDs only the other
    api = given.text("apiVersion") if given else "crd.projectcalico.org/v1"
    goal = target(given, request, f"FelixConfiguration.{api.partition('/')[0]}//default")
    return [patch("calico/felixconfiguration.patch.yaml", {"spec": spec}, goal, "calico/felix", api=api)]


def _steps(manifest: bool) -> Callable[[CniRequest], list[ManualStep]]:
    def steps(request: CniRequest) -> list[ManualStep]:
        what = "patch ConfigMap calico-config" if manifest else "patch Installation; the operator rolls calico-node"
        found = [
            ManualStep(stage="config", text=what + _beside(request, manifest)),
            recreate_pods("a new value applies to new pods only"),
        ]
        if manifest:
            workload = first(request, "DaemonSet", "calico-node")
            where = workload or first(request, "ConfigMap", "calico-config")
            namespace = namespace_of(where, request, "kube-system")
            found.append(rollout("daemonset", namespace, workload.name if workload else "calico-node"))
        device = _IPIP_DEVICE if request.encap == "ipip" else (MANIFEST if manifest else OPERATOR).device(request)
        if device:
            why = "Felix follows by itself within about 10 s; set it where it does not (eBPF mode)"
            found.append(live_link(device, request.pod_mtu, why))
        return found

    return steps


def _beside(request: CniRequest, manifest: bool) -> str:
    """The other objects that a patch is written for."""
    if not manifest:
        return ""
    more = [a.target.partition("/")[0].partition(".")[0] for a in _manifest(request)]
    more = [kind for kind in more if kind != "ConfigMap"]
    return f", and {' and '.join(more)}" if more else ""


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
        # the default of an IPv4 pool without the field is IPIP, on EKS VXLAN; of an IPv6 pool none
        usual: Encap = "none" if family == "ipv6" else _usual_pool(piece, *under)
        encap: Encap = "none" if mode == "none" else _POOL.get(mode, usual)
        found.append(Clue(system=system, location=pool.location("encapsulation"), encap=encap, family=family))
    if under == ("spec",) and not isinstance(piece.get(*at, "ipPools"), list):
        where = piece.location("spec")
        found.append(Clue(system=system, location=where, encap=_usual_pool(piece, *under), family="ipv4"))
    return found


def _usual_pool(piece: Piece, *under: str) -> Encap:
    """The operator's choice where nothing is said (pkg/controller/ippool/defaults.go)."""
    if piece.text(*under, "cni", "type") not in ("", "Calico"):
        return "none"
    return "vxlan" if piece.text(*under, "kubernetesProvider") == "EKS" else "ipip"


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


def _manifest_config(piece: Piece) -> list[Setting | Clue]:
    """Read ConfigMap calico-config: the pods' MTU, as ``veth_mtu`` or written into the CNI configuration itself."""
    found: list[Setting | Clue] = []
    change = "set data.veth_mtu (text in quotes) and restart calico-node"
    template = piece.get("data", "cni_network_config")
    literal = isinstance(template, str) and '"mtu"' in template and "__CNI_MTU__" not in template
    if literal:
        conf = piece.nested("data", "cni_network_config")
        for plugin in conf.items("plugins") if conf else []:
            if plugin.text("type") == "calico" and whole(plugin.get("mtu")):
                field, why = "data.cni_network_config mtu", "set mtu in data.cni_network_config"
                found.append(setting(plugin, plugin.get("mtu"), "mtu", field=field, change=why))
    if not found or piece.get("data", "veth_mtu") is not None:
        value = piece.get("data", "veth_mtu")
        found.append(setting(piece, value, "data", "veth_mtu", field="data.veth_mtu", change=change))
    if piece.text("data", "calico_backend") == "vxlan":
        found.append(Clue(system="calico", location=piece.location("data", "calico_backend"), encap="vxlan"))
    return found


_POOL_ENV: dict[str, tuple[Encap, Family]] = {
    "CALICO_IPV4POOL_VXLAN": ("vxlan", "ipv4"),
    "CALICO_IPV4POOL_IPIP": ("ipip", "ipv4"),
    "CALICO_IPV6POOL_VXLAN": ("vxlan", "ipv6"),
}


def _node(container: Piece) -> list[Setting | Clue]:
    """Read the environment of calico-node: Felix's device MTUs, the pools it makes, and the link it takes."""
    found: list[Setting | Clue] = [
        _felix_setting(entry, entry.data, (), field, name)
        for name, field in ENV.items()
        if (entry := environment(container, name)) is not None and whole(entry.data)
    ]
    for name, (encap, family) in _POOL_ENV.items():
        entry = environment(container, name)
        if entry is not None and str(entry.data).lower() in ("always", "crosssubnet"):
            found.append(Clue(system="calico", location=entry.location(), encap=encap, family=family))
    entry = environment(container, "IP_AUTODETECTION_METHOD")
    method, _, pattern = str(entry.data).partition("=") if entry is not None else ("", "", "")
    if entry is not None and method == "interface" and re.fullmatch(r"[A-Za-z0-9_.-]+", pattern):
        found.append(Clue(system="calico", location=entry.location(), bearer=pattern))
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
        return _manifest_config(piece)
    if piece.kind == "DaemonSet" and piece.name == "calico-node":
        return [found for container in containers(piece) for found in _node(container)]
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
