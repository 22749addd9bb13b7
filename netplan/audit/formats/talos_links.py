"""Links of Talos: ``machine.network.interfaces`` of a machine configuration, and the documents of the newer form.

Names and fields are those of Talos' configuration reference (v1alpha1).
"""

from __future__ import annotations

from netplan.audit.model import Configured, Evidence
from netplan.cni.adapter import whole
from netplan.cni.yaml_document import Piece
from netplan.path.routing import network

# kinds of documents -> the kernel's type
_DOCUMENTS = {
    "LinkConfig": "",
    "VLANConfig": "vlan",
    "BondConfig": "bond",
    "BridgeConfig": "bridge",
    "WireguardConfig": "wireguard",
    "DummyLinkConfig": "dummy",
}
_CHANGE = "set mtu in the machine configuration"


def read(piece: Piece, evidence: Evidence) -> None:
    """Read the links of one document."""
    if piece.kind in _DOCUMENTS and piece.text("name"):
        kind = _DOCUMENTS[piece.kind]
        _link(piece, piece.text("name"), kind or "hardware", piece.text("parent"), evidence)
        if piece.kind == "WireguardConfig":
            _peers(piece, piece.text("name"), evidence)
        for port in piece.items("links"):
            _port(port, piece.text("name"), evidence)
        return
    for each in piece.items("machine", "network", "interfaces"):
        name = each.text("interface")
        if not name:
            continue
        kind = next((k for k in ("wireguard", "bond", "bridge") if isinstance(each.get(k), dict)), "hardware")
        kind = "dummy" if each.get("dummy") is True else kind
        _link(each, name, kind, "", evidence)
        _peers(each.sub("wireguard"), name, evidence)
        for port in (*each.items("bridge", "interfaces"), *each.items("bond", "interfaces")):
            _port(port, name, evidence)
        for vlan in each.items("vlans"):
            _link(vlan, f"{name}.{vlan.get('vlanId')}", "vlan", name, evidence)


def _link(piece: Piece, name: str, kind: str, lower: str, evidence: Evidence) -> None:
    number = whole(piece.get("mtu"))
    addresses = [a.data if isinstance(a.data, str) else a.text("address") for a in piece.items("addresses")]
    evidence.configured.append(
        Configured(
            name=name,
            location=piece.location("mtu") if number else piece.location(),
            system="talos",
            shown=f"{name}: mtu",
            change=_CHANGE,
            mtu=number or None,
            kind=kind,
            lower=lower,
            addresses=tuple(a for a in addresses if network(a) is not None),
        )
    )


def _port(port: Piece, master: str, evidence: Evidence) -> None:
    if isinstance(port.data, str):
        evidence.configured.append(Configured(name=port.data, location=port.location(), system="talos", master=master))


def _peers(piece: Piece, name: str, evidence: Evidence) -> None:
    path = piece.doc.path
    for peer in piece.items("peers"):
        end = peer.text("endpoint").rpartition(":")[0].strip("[]")
        for inside in peer.items("allowedIPs"):
            if network(end) is not None and isinstance(inside.data, str) and network(inside.data) is not None:
                evidence.endpoints.append((path, name, inside.data, end))
