"""Network configuration lists for the plugins of the CNI project: bridge, ptp, macvlan, ipvlan, vlan, host-device.

A plugin's ``mtu`` is the pod's and nothing is subtracted; 0 or none is the kernel's default. ``host-device`` has no
such field, so ``tuning`` follows it. macvlan and vlan refuse an ``mtu`` above their master's when a pod is added.
Pods on macvlan, ipvlan, vlan and host-device send past the host's IP stack, and so past its IPsec.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Clue,
    CniRequest,
    ManualStep,
    Overhead,
    OverheadTable,
    Setting,
    same,
    whole,
)
from netplan.cni.kubernetes import compact, loaded, merged
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

VERSIONS = ("0.3.1", "0.4.0", "1.0.0", "1.1.0")
KERNEL_DEFAULT = 1500
# the device hangs on a link of the host and its packets do not pass the host's IP stack
PAST_THE_HOST = ("macvlan", "ipvlan", "vlan", "host-device")
# plugins that make a device of their own, with the kernel's MTU where the list says none
_MAKE_THEIR_OWN = ("bridge", "ptp")
_OF_THE_PROJECT = (*_MAKE_THEIR_OWN, *PAST_THE_HOST, "tap")
_VETH = ("bridge", "ptp", "calico", "antrea", "kube-ovn", "ovn-kubernetes")  # its other end stays on the host
_WITH_MTU = ("bridge", "ptp", "macvlan", "ipvlan", "vlan", "tap", "calico", "antrea", "ovn-k8s-cni-overlay", "kube-ovn")
# plugin type in a conflist -> the system its number belongs to; meta plugins have none
SYSTEMS = {
    "calico": "calico",
    "antrea": "antrea",
    "bridge": "bridge",
    "ptp": "ptp",
    "macvlan": "macvlan",
    "ipvlan": "ipvlan",
    "vlan": "vlan",
    "tuning": "tuning",
    "tap": "tap",
    "kube-ovn": "kube-ovn",
    "ovn-k8s-cni-overlay": "ovn-kubernetes",
}


def plugins(kind: str, request: CniRequest) -> list[dict[str, Any]]:
    """Return the chain of plugins for one kind of attachment."""
    cidr = request.pod_cidrs[0]
    ipam = {"type": "host-local", "ranges": [[{"subnet": cidr}]], "routes": [{"dst": _default(cidr)}]}
    master = request.options.get("master", "eth1")
    main: dict[str, Any] = {"type": kind}
    if kind == "bridge":
        bridge = request.options.get("bridge", NETWORKS["bridge"].bridge)
        main |= {"bridge": bridge, "isGateway": True, "ipMasq": False, "hairpinMode": True}
    elif kind == "ptp":
        main |= {"ipMasq": False}
    elif kind == "macvlan":
        main |= {"master": master, "mode": "bridge"}
    elif kind == "ipvlan":
        main |= {"master": master, "mode": "l3"}
    elif kind == "vlan":
        main |= {"master": master, "vlanId": int(request.options.get("vlan", "100"))}
    elif kind == "host-device":
        main |= {"device": master, "ipam": ipam}
        return [main, {"type": "tuning", "mtu": request.pod_mtu}]
    return [{**main, "mtu": request.pod_mtu, "ipam": ipam}]


def conflist(kind: str, request: CniRequest) -> dict[str, Any]:
    """Return a whole network configuration list."""
    name = request.options.get("name", "ipsecplan")
    return {"cniVersion": request.options.get("cniVersion", "0.4.0"), "name": name, "plugins": plugins(kind, request)}


def with_mtu(present: dict[str, Any], mtu: int) -> dict[str, Any]:
    """Return a list, or a single plugin's configuration, with the MTU in its first plugin and nothing else changed.

    Where that plugin has no ``mtu`` (host-device), ``tuning`` behind it gets the number.
    """
    members = present.get("plugins")
    if not isinstance(members, list):
        return merged(present, {"mtu": mtu})
    known = [p if isinstance(p, dict) else {} for p in members]
    tuned = next((i for i, p in enumerate(known) if p.get("type") == "tuning" and "mtu" in p), None)
    at = tuned if tuned is not None and known[0].get("type") not in _WITH_MTU else 0
    if at == 0 and known and known[0].get("type") not in _WITH_MTU:
        return {**present, "plugins": [*members, {"type": "tuning", "mtu": mtu}]}
    changed = [merged(p, {"mtu": mtu}) if i in (at, tuned) else p for i, p in enumerate(members)]
    return {**present, "plugins": changed}


def _default(cidr: str) -> str:
    return "::/0" if ":" in cidr else "0.0.0.0/0"


def _render(kind: str) -> Callable[[CniRequest], list[Artifact]]:
    def render(request: CniRequest) -> list[Artifact]:
        for name, text in request.existing.items():
            if name.endswith((".conflist", ".conf")) and isinstance(loaded(text).get("plugins"), list):
                body = compact(with_mtu(loaded(text), request.pod_mtu))
                return [Artifact(path=f"etc/cni/net.d/{name}", text=body)]
        path = "etc/cni/net.d/10-ipsecplan.conflist"
        return [Artifact(path=path, text=compact(conflist(kind, request)), schema="cni/conflist")]

    return render


def _steps(kind: str) -> Callable[[CniRequest], list[ManualStep]]:
    def steps(request: CniRequest) -> list[ManualStep]:
        text = "install the list as NAME.tmp in /etc/cni/net.d and rename it: the runtime rescans the folder"
        found = [
            ManualStep(stage="config", text=text, where="node"),
            ManualStep(stage="pods", text="recreate the pods: a list is read when a pod is added", where="node"),
        ]
        if kind == "bridge":
            bridge = request.options.get("bridge", NETWORKS["bridge"].bridge)
            why = "the plugin leaves the MTU of a bridge that exists alone"
            command = f"ip link set dev {bridge} mtu {request.pod_mtu}"
            found.append(ManualStep(stage="devices", text=why, command=command, where="node"))
        return found

    return steps


def _rules(kind: str) -> Callable[[CniRequest], list[Problem]]:
    def rules(request: CniRequest) -> list[Problem]:
        found: list[Problem] = []
        if kind in PAST_THE_HOST and request.host_ipsec:
            found.append(
                Problem(
                    code="IPP905",
                    severity="warning",
                    message=f"packets of a {kind} pod do not pass the host's IP stack, so host IPsec does not see them",
                    hint="use it for traffic that may be plain, or attach it to the overlay's device",
                )
            )
        master = whole(request.options.get("master_mtu", "")) or request.link_mtu
        if kind in ("macvlan", "vlan") and request.pod_mtu > master:
            found.append(
                Problem(
                    code="IPP905",
                    message=f"{kind} refuses an mtu of {request.pod_mtu}: its master has {master}",
                    hint="raise the master first, or plan a smaller pod MTU",
                )
            )
        if request.options.get("cniVersion", "0.4.0") not in VERSIONS:
            found.append(Problem(code="IPP905", message="not a CNI version", hint=" ".join(VERSIONS)))
        return found

    return rules


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read a conflist or a single-plugin conf."""
    if piece.kind or not isinstance(piece.data, dict):
        return []
    if isinstance(piece.get("plugins"), list) and piece.has("name"):
        members = piece.items("plugins")
    elif piece.has("cniVersion", "type"):
        members = [piece]
    else:
        return []
    found = [s for member in members if member.text("type") in SYSTEMS if (s := _plugin(member)) is not None]
    return [
        *_ends(found),
        *(s for member in members if member.text("type") in _OF_THE_PROJECT for s in _ignored(member)),
    ]


def _ends(found: list[Setting]) -> list[Setting]:
    """Compare the ends of a veth: the plugin sets both, and tuning behind it the pod's end alone."""
    tuned = next((s.value for s in reversed(found) if s.system == "tuning"), None)
    host = next((s.value for s in found if s.system in _VETH), None)
    if not tuned or not host:
        return found
    compared = []
    for each in found:
        other = host if each.system == "tuning" else tuned
        if each.system in ("tuning", *_VETH) and each.value and each.value > other:
            compared.append(replace(each, other_end=other))
        elif not each.note.startswith("no mtu"):
            compared.append(each)
    return compared


def _ignored(member: Piece) -> Iterator[Setting]:
    """Find what the IPAM part has of sizes, and no plugin puts on the pod's device or route.

    Measured with the plugins 1.9.1: bridge, ptp and macvlan set `priority`, `table` and `scope` of a route, and only
    report the rest (``findings/cni-route-mtu-is-reported-only.sh``); dhcp asks for the MTU and drops it
    (``findings/cni-dhcp-mtu-asked-for-and-dropped.sh``).
    """
    kind = member.text("type")

    def found(piece: Piece, key: str, field: str, number: int | None, why: str) -> Setting:
        return Setting(
            system=kind,
            field=field,
            location=piece.location(key),
            value=number,
            semantics="route",
            encap="none",
            change="set mtu of the plugin",
            unjudged="no plugin sets it",
            note=f"{kind} ignores it: {why}",
        )

    for route in member.items("ipam", "routes"):
        for key in ("mtu", "advmss"):
            if number := whole(route.get(key)):
                why = "it stands in the plugin's result, and the pod's route does not get it"
                yield found(route, key, f"ipam.routes[].{key}", number, why)
    for asked in member.items("ipam", "request"):
        if member.text("ipam", "type") == "dhcp" and asked.text("option") == "26":
            why = "the server is asked for the MTU, and what it sends is not used"
            yield found(asked, "option", "ipam.request[].option", None, why)


def _plugin(member: Piece) -> Setting | None:
    kind, key = member.text("type"), _key(member)
    value = member.get(key)
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if key and isinstance(value, str) and value.isdigit():
        why = "the plugin refuses a text: write the number without quotation marks, or give the file that is in use"
        return replace(setting(member, whole(value) or 0, kind, key), unjudged=why)
    if number:
        return setting(member, number, kind, key)
    if kind not in _MAKE_THEIR_OWN:
        return None
    note = f"no mtu: the plugin leaves the kernel's {KERNEL_DEFAULT}, whatever the link is"
    return replace(setting(member, KERNEL_DEFAULT, kind, key or "type"), note=note)


def _key(member: Piece) -> str:
    """Return the key that the plugin takes as ``mtu``: Go's JSON finds keys in any case, the exact one first."""
    keys = [k for k in member.data if isinstance(k, str)] if isinstance(member.data, dict) else []
    return "mtu" if "mtu" in keys else next((k for k in keys if k.lower() == "mtu"), "")


def setting(member: Piece, number: int, kind: str, key: str = "mtu") -> Setting:
    """Return the finding of one plugin's ``mtu``."""
    note = "macvlan, ipvlan and vlan send past the host's IPsec" if kind in PAST_THE_HOST else ""
    if kind == "tuning":
        note = "sets the pod's end only; the host's end of the veth keeps its MTU"
    return Setting(
        system=SYSTEMS[kind],
        field=f"plugins[type={kind}].mtu",
        location=member.location(key),
        value=number,
        semantics="pod",
        encap="none" if kind in PAST_THE_HOST else "",
        change="set mtu, install the list by rename and recreate the pods",
        note=note,
    )


def _takes(kind: str) -> OverheadTable:
    return same(("none",) if kind in PAST_THE_HOST else ("none", "vxlan", "geneve"))


def _adapter(kind: str) -> Adapter:
    return Adapter(
        name=kind,
        title=f"CNI {kind}" + (" with tuning" if kind == "host-device" else ""),
        semantics="pod",
        field="plugins[type=tuning].mtu" if kind == "host-device" else f"plugins[type={kind}].mtu",
        overhead=Overhead(_takes(kind)),
        automatic=None,
        goes_live="when the next pod is added",
        pods_keep=True,
        render=_render(kind),
        steps=_steps(kind),
        audit=audit if kind == "bridge" else lambda _piece: [],
        rules=_rules(kind),
    )


BRIDGE = _adapter("bridge")
PTP = _adapter("ptp")
MACVLAN = _adapter("macvlan")
IPVLAN = _adapter("ipvlan")
VLAN = _adapter("vlan")
HOST_DEVICE = _adapter("host-device")
