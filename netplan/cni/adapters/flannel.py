"""Flannel. ``Backend.MTU`` is the underlay's, and only VXLAN and WireGuard have it; ``delegate.mtu`` is the pod's.

VXLAN subtracts 50 over IPv6 too, 20 too few: pods get 1450 while the kernel cuts the device to 1430. Setting
``delegate.mtu`` as well makes the pod's MTU independent of what a backend subtracts. ``flannel.1`` keeps its MTU when
the DaemonSet restarts, so it is set live.
"""

from __future__ import annotations

import re
from typing import Any

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
    argument,
    containers,
    same,
    whole,
)
from netplan.cni.kubernetes import compact, config_map, live_link, loaded, merged, recreate_pods, rollout
from netplan.cni.present import first, namespace_of, target, text
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

PORT = NETWORKS["flannel"].overlays["vxlan"].port
TAKES: OverheadTable = {**same(("vxlan",), 50), **same(("none",), 0)}
# backend type -> encapsulation, what it subtracts from the link, and whether Backend.MTU exists
BACKENDS: dict[str, tuple[str, int, bool]] = {
    "vxlan": ("vxlan", 50, True),
    "wireguard": ("wireguard", 80, True),
    "host-gw": ("none", 0, False),
    "ipip": ("ipip", 20, False),
    "udp": ("udp", 28, False),
    "ipsec": ("none", 77, False),
}
UDP_ENCAP_TAKES = 8
NAMES = ("kube-flannel-cfg",)
DEFAULT_ESP = "aes128gcm16"
_WHY = "its ipsec backend starts a charon of its own, which takes UDP 500 and 4500 from the hosts' charon"


def backend(request: CniRequest, existing: dict[str, Any]) -> dict[str, Any]:
    """Return net-conf.json with the plan's MTU.

    Of an existing one only ``Backend.MTU`` is changed, and only where its backend has that field: its type, port and
    VNI stay, and what is subtracted is what that type subtracts. Without one it is the plan's whole backend.
    """
    if existing:
        kind = backend_type(existing)
        _, takes, settable = BACKENDS.get(kind, ("", 0, False))
        return merged(existing, {"Backend": {"MTU": request.pod_mtu + takes}}) if settable else existing
    whole_network = request.options.get("network", request.pod_cidrs[0])
    if request.encap != "vxlan":
        return {"Network": whole_network, "Backend": {"Type": "host-gw"}}
    made: dict[str, Any] = {"Type": "vxlan", "MTU": request.pod_mtu + TAKES["vxlan", request.family]}
    made |= {"Port": request.port} if request.port else {}
    made |= {"VNI": request.vni} if request.vni else {}
    return {"Network": whole_network, "Backend": made}


def backend_type(conf: dict[str, Any]) -> str:
    """Return the backend's type in lower case; flannel uses udp where none is written."""
    section = next((v for k, v in conf.items() if k.lower() == "backend"), None)
    found = next((v for k, v in section.items() if k.lower() == "type"), "") if isinstance(section, dict) else ""
    return str(found or "udp").lower()


def cni_conf(request: CniRequest, existing: dict[str, Any]) -> dict[str, Any]:
    """Return cni-conf.json with the pod MTU forced."""
    found = existing or {
        "name": "cbr0",
        "cniVersion": "0.3.1",
        "plugins": [
            {"type": "flannel", "delegate": {"hairpinMode": True, "isDefaultGateway": True}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    plugins = [
        merged(plugin, {"delegate": {"mtu": request.pod_mtu}}) if plugin.get("type") == "flannel" else plugin
        for plugin in found.get("plugins", [])
    ]
    return {**found, "plugins": plugins}


def _render(request: CniRequest) -> list[Artifact]:
    given = first(request, "ConfigMap", *NAMES)
    data = {
        "net-conf.json": compact(backend(request, loaded(text(request, given, "net-conf.json")))),
        "cni-conf.json": compact(cni_conf(request, loaded(text(request, given, "cni-conf.json")))),
    }
    goal = target(given, request, "ConfigMap/kube-flannel/kube-flannel-cfg")
    return [config_map("flannel/kube-flannel-cfg.patch.yaml", goal, data, "flannel/config")]


def differences(request: CniRequest, conf: dict[str, Any]) -> list[Problem]:
    """Return what an existing net-conf.json has other than the request, which a patch leaves alone."""
    if not conf:
        return []
    encap = BACKENDS.get(backend_type(conf), ("", 0, False))[0]
    section: Any = next((v for k, v in conf.items() if k.lower() == "backend"), None)
    section = section if isinstance(section, dict) else {}
    said = [f"backend {backend_type(conf)}, asked for {request.encap}"] if encap != request.encap else []
    for key, asked in (("Port", request.port), ("VNI", request.vni)):
        has = next((v for k, v in section.items() if k.lower() == key.lower()), None)
        usual = {"Port": PORT, "VNI": NETWORKS["flannel"].overlays["vxlan"].vni}[key]
        if asked and encap == "vxlan" and (has or usual) != asked:
            said.append(f"{key} {has or usual}, asked for {asked}")
    message = f"the patch changes the MTU alone; the object has {'; '.join(said)}"
    return [Problem(code="IPP905", severity="warning", message=message)] if said else []


def whole_file(request: CniRequest, conf: dict[str, Any], what: str) -> list[Problem]:
    """Return what stands against writing a net-conf.json whole, which it is where no existing one was given."""
    if conf:
        return []
    if not request.options.get("network"):
        return [
            Problem(
                code="IPP905",
                message=f"a patch of {what} replaces net-conf.json, and what it has now was not given",
                hint="--existing with the present object, or --option network=CIDR for a new one",
            )
        ]
    message = f"net-conf.json is written whole: give the present {what} with --existing to keep the rest of it"
    return [Problem(code="IPP905", severity="warning", message=message)]


def rules(request: CniRequest) -> list[Problem]:
    """Return what stands against the patch, and where it leaves something that was asked for."""
    conf = loaded(text(request, first(request, "ConfigMap", *NAMES), "net-conf.json"))
    return whole_file(request, conf, "ConfigMap kube-flannel-cfg") + differences(request, conf)


def device_steps(adapter: Adapter, request: CniRequest) -> list[ManualStep]:
    """Return the step that flannel itself, in any of its distributions, does not do for devices that exist."""
    device = adapter.device(request)
    return [live_link(device, request.pod_mtu, "flannel keeps the MTU of a device that exists")] if device else []


def _steps(request: CniRequest) -> list[ManualStep]:
    given = first(request, "ConfigMap", *NAMES)
    workload = first(request, "DaemonSet", "kube-flannel")
    namespace = namespace_of(workload or given, request, "kube-flannel")
    # Talos and older installations have it in kube-system, where Talos calls it kube-flannel
    usual = "kube-flannel-ds" if namespace == "kube-flannel" else "kube-flannel"
    return [
        ManualStep(stage="config", text=f"patch ConfigMap {given.name if given else NAMES[0]} in {namespace}"),
        rollout("daemonset", namespace, workload.name if workload else usual),
        recreate_pods(),
        *device_steps(ADAPTER, request),
    ]


def lower(piece: Piece, name: str) -> Any:
    """Return a value whose key is compared without regard to case, as flannel does."""
    data = piece.data if isinstance(piece.data, dict) else {}
    return next((v for k, v in data.items() if isinstance(k, str) and k.lower() == name), None)


def key_of(piece: Piece, name: str) -> str:
    """Return the key as it is written."""
    data = piece.data if isinstance(piece.data, dict) else {}
    return next((k for k in data if isinstance(k, str) and k.lower() == name), name)


def net_conf(conf: Piece, *, system: str = "flannel") -> list[Setting | Clue]:
    """Read a net-conf.json."""
    section = conf.sub(key_of(conf, "backend"))
    if not isinstance(section.data, dict):
        return []
    kind = str(lower(section, "type") or "udp").lower()
    if kind not in BACKENDS:
        return []
    encap, takes, settable = BACKENDS[kind]
    six = lower(conf, "enableipv6") is True or str(lower(conf, "enableipv6")).lower() == "true"
    four = lower(conf, "enableipv4")
    only_six = six and (four is False or str(four).lower() == "false" or not lower(conf, "network"))
    family: Family = "ipv6" if only_six else "ipv4"
    own = None
    if kind == "ipsec":
        nat = lower(section, "udpencap") is True
        own = BuiltinIpsec(suite=esp_suite(str(lower(section, "espproposal") or "")), mode="tunnel", nat_t=nat)
        takes += UDP_ENCAP_TAKES if nat else 0
    number = whole(lower(section, "mtu")) or None
    key = key_of(section, "mtu")
    note = "" if settable or not number else f"the {kind} backend ignores Backend.MTU"
    used = number if settable else None
    change = "set Backend.MTU" if settable else "set plugins[0].delegate.mtu in cni-conf.json (this backend has no MTU)"
    found: list[Setting | Clue] = [
        Setting(
            system=system,
            field=f"Backend.{key if number else 'MTU'}",
            location=section.location(key if number else key_of(section, "type")),
            value=used,
            semantics="underlay",
            encap=encap,
            family=family,
            own=own,
            port=whole(lower(section, "port")) or (PORT if kind == "vxlan" else None),
            overhead=Overhead(otherwise=takes),
            automatic=Overhead(otherwise=takes),
            may_be_set=settable,
            change=change + ", restart the DaemonSet, then set the device and recreate the pods",
            note=note,
        )
    ]
    if own:
        found.append(Clue(system=system, location=section.location(key_of(section, "type")), own=own, refuse=_WHY))
    return found


def esp_suite(proposal: str) -> str:
    """Return the ESP part of a proposal: flannel writes PRF and group into it too."""
    words = [w for w in proposal.lower().split("-") if w]
    if not words:
        return DEFAULT_ESP
    aead = any(mode in words[0] for mode in ("gcm", "ccm", "chacha"))
    return words[0] if aead or len(words) == 1 else f"{words[0]}-{words[1]}"


def delegate(conf: Piece, *, system: str = "flannel") -> list[Setting | Clue]:
    """Read the ``delegate.mtu`` of a cni-conf.json."""
    found: list[Setting | Clue] = []
    for plugin in conf.items("plugins"):
        number = whole(plugin.get("delegate", "mtu"))
        if plugin.text("type") == "flannel" and number:
            found.append(
                Setting(
                    system=system,
                    field="plugins[].delegate.mtu",
                    location=plugin.location("delegate", "mtu"),
                    value=number,
                    semantics="pod",
                    encap="",
                    change="set delegate.mtu and recreate the pods",
                )
            )
    return found


def _link(container: Piece) -> list[Clue]:
    """Read which of the hosts' links flanneld is told to use."""
    given = argument(container, "--iface")
    if given is None or not re.fullmatch(r"[A-Za-z0-9_.-]+", given[0]):
        return []
    return [Clue(system="flannel", location=given[1].location(), bearer=given[0])]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read kube-flannel-cfg, a bare net-conf.json, or a conflist with the flannel plugin."""
    if piece.kind == "ConfigMap" and piece.name == "kube-flannel-cfg":
        return config(piece, "flannel")
    if piece.kind == "DaemonSet" and piece.name.startswith("kube-flannel"):
        return [clue for container in containers(piece) for clue in _link(container)]
    if not piece.kind and isinstance(lower(piece, "backend"), dict):
        return net_conf(piece)
    if not piece.kind and isinstance(piece.get("flannel", "backend"), str):
        return [_chart(piece)]
    if not piece.kind and piece.get("plugins") and piece.get("cniVersion") is not None:
        return delegate(piece)
    return []


def _chart(piece: Piece) -> Setting:
    """Values of flannel's chart, whose ``flannel.mtu`` is Backend.MTU."""
    encap, takes, settable = BACKENDS.get(piece.text("flannel", "backend"), BACKENDS["vxlan"])
    number = whole(piece.get("flannel", "mtu")) or None
    return Setting(
        system="flannel",
        field="flannel.mtu",
        location=piece.location("flannel", "mtu" if number else "backend"),
        value=number if settable else None,
        semantics="underlay",
        encap=encap,
        port=whole(piece.get("flannel", "backendPort")) or (PORT if encap == "vxlan" else None),
        overhead=Overhead(otherwise=takes),
        automatic=Overhead(otherwise=takes),
        may_be_set=settable,
        change="set flannel.mtu (the underlay's size) and restart the DaemonSet",
    )


def as_clue(found: Setting) -> Clue:
    """Return what a setting tells about the network when another field decides over its number."""
    return Clue(
        system=found.system,
        location=found.location,
        encap=found.encap,
        family=found.family,
        own=found.own,
        port=found.port,
    )


def config(piece: Piece, system: str) -> list[Setting | Clue]:
    """Read the two files in a ConfigMap; a pod MTU that is forced makes the backend's own result moot."""
    conf, cni = piece.nested("data", "net-conf.json"), piece.nested("data", "cni-conf.json")
    forced = delegate(cni, system=system) if cni else []
    found = net_conf(conf, system=system) if conf else []
    if not forced:
        return found
    return [*forced, *(as_clue(f) if isinstance(f, Setting) else f for f in found)]


ADAPTER = Adapter(
    name="flannel",
    title="Flannel",
    semantics="underlay",
    field="net-conf.json Backend.MTU, and cni-conf.json delegate.mtu (pod)",
    overhead=Overhead(TAKES),
    automatic=Overhead(TAKES),
    goes_live="restart ds/kube-flannel-ds and set the MTU of flannel.1 on every node",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    writes_backend=True,
    rules=rules,
)
