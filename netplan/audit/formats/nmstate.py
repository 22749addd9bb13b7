"""nmstate: ``nmstatectl show``, NodeNetworkConfigurationPolicy, NodeNetworkState, and hosts of OpenShift's installer.

Types and fields are those of nmstate.io's YAML; a VXLAN without a port has the kernel's.
"""

from __future__ import annotations

from typing import Any

from netplan.audit.model import Configured, Evidence
from netplan.cni.adapter import whole
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import KERNEL_VXLAN

# nmstate's type -> the kernel's
_KINDS = {
    "ethernet": "hardware",
    "infiniband": "hardware",
    "linux-bridge": "bridge",
    "ovs-bridge": "openvswitch",
    "ovs-interface": "openvswitch",
    "mac-vlan": "macvlan",
    **{kind: kind for kind in ("bond", "vlan", "vxlan", "veth", "dummy", "vrf", "macsec", "team")},
}
_NOTHING = ("", "loopback", "unknown")  # types whose MTU says nothing; one that is not here is named as not judged
# where a type names its carrier, and where it names its ports
_CARRIERS = {"vlan": "vlan", "vxlan": "vxlan", "mac-vlan": "mac-vlan", "macsec": "macsec"}
_PLACES: tuple[tuple[str, ...], ...] = (
    ("spec", "desiredState", "interfaces"),
    ("status", "currentState", "interfaces"),
    ("networkConfig", "interfaces"),
    ("interfaces",),
)


def is_state(data: Any) -> bool:
    """Tell whether this is a state of nmstate, or an object with one in it."""
    return isinstance(data, dict) and any(_members(data, place) for place in _PLACES)


def _members(data: Any, place: tuple[str, ...]) -> list[dict[str, Any]]:
    for key in place:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, list):
        return []
    return [d for d in data if isinstance(d, dict) and isinstance(d.get("name"), str) and d.get("type") in _KINDS]


def read(piece: Piece, evidence: Evidence) -> None:
    """Read devices with their MTUs, and what they stand on."""
    place = next(p for p in _PLACES if _members(piece.data, p))
    for member in piece.items(*place):
        kind = member.text("type")
        counts = kind in _KINDS or (kind not in _NOTHING and whole(member.get("mtu")))
        if counts and member.text("name") and member.text("state") not in ("absent", "down", "ignore"):
            _interface(member, kind, evidence)


def _interface(member: Piece, kind: str, evidence: Evidence) -> None:
    name, number = member.text("name"), whole(member.get("mtu"))
    own = member.sub(_CARRIERS.get(kind, "\0"))
    data: dict[str, Any] = {}
    if kind == "vxlan":
        data = {"port": whole(own.get("destination-port")) or KERNEL_VXLAN}
        data |= {key: own.text(key) for key in ("remote", "local") if own.text(key)}
    evidence.configured.append(
        Configured(
            name=name,
            location=member.location("mtu" if number else "name"),
            system="nmstate",
            shown=f"{name}: mtu",
            change="set mtu in the desired state and apply it",
            mtu=number,
            kind=_KINDS.get(kind, kind),
            data=data,
            lower=own.text("base-iface"),
            addresses=tuple(_addresses(member)),
        )
    )
    ports = member.items("bridge", "port") if "bridge" in kind else member.items("link-aggregation", "port")
    for port in ports:
        below = port.text("name") if isinstance(port.data, dict) else str(port.data)
        evidence.configured.append(Configured(name=below, location=port.location(), system="nmstate", master=name))


def _addresses(member: Piece) -> list[str]:
    found = [*member.items("ipv4", "address"), *member.items("ipv6", "address")]
    return [f"{a.text('ip')}/{a.get('prefix-length')}" for a in found if a.text("ip")]
