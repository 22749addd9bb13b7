"""Flannel. ``Backend.MTU`` is the underlay's, and only VXLAN and WireGuard have it; ``delegate.mtu`` is the pod's.

VXLAN subtracts 50 over IPv6 too, 20 too few: pods get 1450 while the kernel cuts the device to 1430. Setting
``delegate.mtu`` as well makes the pod's MTU independent of what a backend subtracts. ``flannel.1`` keeps its MTU when
the DaemonSet restarts, so it is set live.
"""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Encap,
    Family,
    Hint,
    Network,
    Own,
    Setting,
    Sizes,
    Step,
    fixed,
    plus,
    same,
    whole,
)
from netplan.cni.kubernetes import compact, config_map, live_link, loaded, merged, recreate_pods, rollout
from netplan.cni.yaml_document import Piece

TAKES: dict[tuple[Encap, Family], int] = {**same(("vxlan",), 50), **same(("none",), 0)}
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
DEFAULT_ESP = "aes128gcm16"
_WHY = "its ipsec backend starts a charon of its own, which takes UDP 500 and 4500 from the hosts' charon"


def backend(network: Network, existing: dict[str, Any]) -> dict[str, Any]:
    """Return net-conf.json with the plan's backend; what it holds beside is kept."""
    changes: dict[str, Any] = {"Network": network.options.get("network", network.pod_cidrs[0])}
    if existing:
        changes = {}
    if network.encap == "vxlan":
        kind: dict[str, Any] = {"Type": "vxlan", "MTU": network.pod_mtu + TAKES["vxlan", network.family]}
        kind |= {"Port": network.port} if network.port else {}
        kind |= {"VNI": network.vni} if network.vni else {}
        changes["Backend"] = kind
    else:
        changes["Backend"] = {"Type": "host-gw"}
    return merged(existing, changes)


def cni_conf(network: Network, existing: dict[str, Any]) -> dict[str, Any]:
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
        merged(plugin, {"delegate": {"mtu": network.pod_mtu}}) if plugin.get("type") == "flannel" else plugin
        for plugin in found.get("plugins", [])
    ]
    return {**found, "plugins": plugins}


def _render(network: Network) -> list[Artifact]:
    data = {
        "net-conf.json": compact(backend(network, loaded(network.existing.get("net-conf.json")))),
        "cni-conf.json": compact(cni_conf(network, loaded(network.existing.get("cni-conf.json")))),
    }
    target = "ConfigMap/kube-flannel/kube-flannel-cfg"
    return [config_map("flannel/kube-flannel-cfg.patch.yaml", target, data, "flannel/config")]


def device_steps(network: Network) -> list[Step]:
    """Return the step that flannel itself does not do for devices that exist."""
    if network.encap != "vxlan":
        return []
    device = "flannel.1" if network.family == "ipv4" else "flannel-v6.1"
    return [live_link(device, network.pod_mtu, "flannel keeps the MTU of a device that exists")]


def _steps(network: Network) -> list[Step]:
    return [
        Step(stage="config", text="patch ConfigMap kube-flannel-cfg"),
        rollout("daemonset", "kube-flannel", "kube-flannel-ds"),
        recreate_pods(),
        *device_steps(network),
    ]


def lower(piece: Piece, name: str) -> Any:
    """Return a value whose key is compared without regard to case, as flannel does."""
    data = piece.data if isinstance(piece.data, dict) else {}
    return next((v for k, v in data.items() if isinstance(k, str) and k.lower() == name), None)


def key_of(piece: Piece, name: str) -> str:
    """Return the key as it is written."""
    data = piece.data if isinstance(piece.data, dict) else {}
    return next((k for k in data if isinstance(k, str) and k.lower() == name), name)


def net_conf(conf: Piece, *, system: str = "flannel") -> list[Setting | Hint]:
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
        own = Own(suite=esp_suite(str(lower(section, "espproposal") or "")), mode="tunnel", nat_t=nat)
        takes += UDP_ENCAP_TAKES if nat else 0
    number = whole(lower(section, "mtu")) or None
    key = key_of(section, "mtu")
    note = "" if settable or not number else f"the {kind} backend ignores Backend.MTU"
    used = number if settable else None
    change = "set Backend.MTU" if settable else "set plugins[0].delegate.mtu in cni-conf.json (this backend has no MTU)"
    found: list[Setting | Hint] = [
        Setting(
            system=system,
            field=f"Backend.{key if number else 'MTU'}",
            place=section.place(key if number else key_of(section, "type")),
            value=used,
            semantics="underlay",
            encap=encap,
            family=family,
            own=own,
            port=whole(lower(section, "port")) or (8472 if kind == "vxlan" else None),
            ends=_less(used, takes),
            wanted=plus(takes) if settable else fixed(None),
            change=change + ", restart the DaemonSet, then set the device and recreate the pods",
            note=note,
        )
    ]
    if own:
        found.append(Hint(system=system, place=section.place(key_of(section, "type")), own=own, refuse=_WHY))
    return found


def _less(number: int | None, takes: int) -> Sizes:
    return lambda link, _encap, _family: (number or link) - takes


def esp_suite(proposal: str) -> str:
    """Return the ESP part of a proposal: flannel writes PRF and group into it too."""
    words = [w for w in proposal.lower().split("-") if w]
    if not words:
        return DEFAULT_ESP
    aead = any(mode in words[0] for mode in ("gcm", "ccm", "chacha"))
    return words[0] if aead or len(words) == 1 else f"{words[0]}-{words[1]}"


def delegate(conf: Piece, *, system: str = "flannel") -> list[Setting | Hint]:
    """Read the ``delegate.mtu`` of a cni-conf.json."""
    found: list[Setting | Hint] = []
    for plugin in conf.items("plugins"):
        number = whole(plugin.get("delegate", "mtu"))
        if plugin.text("type") == "flannel" and number:
            found.append(
                Setting(
                    system=system,
                    field="plugins[].delegate.mtu",
                    place=plugin.place("delegate", "mtu"),
                    value=number,
                    semantics="pod",
                    encap="",
                    ends=fixed(number),
                    wanted=plus(),
                    change="set delegate.mtu and recreate the pods",
                )
            )
    return found


def audit(piece: Piece) -> list[Setting | Hint]:
    """Read kube-flannel-cfg, a bare net-conf.json, or a conflist with the flannel plugin."""
    if piece.kind == "ConfigMap" and piece.name == "kube-flannel-cfg":
        return config(piece, "flannel")
    if not piece.kind and isinstance(lower(piece, "backend"), dict):
        return net_conf(piece)
    if not piece.kind and piece.get("plugins") and piece.get("cniVersion") is not None:
        return delegate(piece)
    return []


def as_hint(found: Setting) -> Hint:
    """Return what a setting tells about the network when another field decides over its number."""
    return Hint(
        system=found.system,
        place=found.place,
        encap=found.encap,
        family=found.family,
        own=found.own,
        port=found.port,
    )


def config(piece: Piece, system: str) -> list[Setting | Hint]:
    """Read the two files in a ConfigMap; a pod MTU that is forced makes the backend's own result moot."""
    conf, cni = piece.nested("data", "net-conf.json"), piece.nested("data", "cni-conf.json")
    forced = delegate(cni, system=system) if cni else []
    found = net_conf(conf, system=system) if conf else []
    if not forced:
        return found
    return [*forced, *(as_hint(f) if isinstance(f, Setting) else f for f in found)]


ADAPTER = Adapter(
    name="flannel",
    title="Flannel",
    checked_against="flannel 0.28.9 (cdf76059)",
    semantics="underlay",
    field="net-conf.json Backend.MTU, and cni-conf.json delegate.mtu (pod)",
    takes=TAKES,
    automatic=TAKES,
    goes_live="restart ds/kube-flannel-ds and set the MTU of flannel.1 on every node",
    pods_keep=True,
    ports=("UDP 8472 (VXLAN)", "UDP 51820, 51821 (WireGuard)", "UDP 8285 (udp)", "IP protocol 4 (ipip)"),
    render=_render,
    steps=_steps,
    audit=audit,
)
