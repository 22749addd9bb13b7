"""Link MTUs of clouds and fabrics, each with where it is written and whether that place was read."""

from __future__ import annotations

from netplan.stack.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@frozen
class UnderlayPreset:
    """One link MTU. ``verified`` means that the source was read, not that a packet was sent: probe the real path."""

    name: str
    mtu: int
    where: str
    source: str
    verified: bool
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the object for ``--json``."""
        return {key: getattr(self, key) for key in ("name", "mtu", "where", "source", "verified", "note")}

    def line(self) -> str:
        """Return the preset in one line with what it rests on."""
        trust = "yes" if self.verified else "no, from memory: probe it"
        note = f"; {self.note}" if self.note else ""
        return f"{self.name}: {self.mtu} ({self.where}; source: {self.source}; verified: {trust}{note})"


_EC2 = "docs.aws.amazon.com EC2 network_mtu"
_DX = "docs.aws.amazon.com Direct Connect set-jumbo-frames-vif"
_GCP = "cloud.google.com/vpc/docs/mtu"
_GCP_VPN = "cloud.google.com VPN MTU considerations"
_AZURE = "learn.microsoft.com how-to-virtual-machine-mtu"

_TABLE: tuple[tuple[str, int, str, str, bool, str], ...] = (
    ("ethernet", 1500, "plain Ethernet", "IEEE 802.3", True, ""),
    ("jumbo", 9000, "jumbo frames, where every hop has them", "common practice", False, "not a standard"),
    ("pppoe", 1492, "DSL and some fibre access", "RFC 2516 7", True, ""),
    ("aws-vpc", 9001, "between instances of a VPC", _EC2, True, ""),
    ("aws-internet", 1500, "internet gateway, VPN connection, inter-region without TGW", _EC2, True, ""),
    ("aws-peering", 8500, "inter-region VPC peering", _EC2, True, ""),
    ("aws-tgw", 8500, "transit gateway, Direct Connect transit VIF", _DX, True, ""),
    ("aws-edge", 1300, "Wavelength zone or Outposts to the Region", _EC2, True, "older text of the page"),
    ("gcp", 1460, "VPC default", _GCP, True, "1300 to 8896 can be set"),
    ("gcp-max", 8896, "VPC maximum", _GCP, True, ""),
    ("gcp-min", 1300, "VPC minimum", _GCP, True, ""),
    ("gcp-vpn", 1460, "Cloud VPN gateway", _GCP_VPN, True, ""),
    ("gcp-interconnect-vpn", 1440, "HA VPN over Cloud Interconnect", _GCP_VPN, True, ""),
    ("azure", 1500, "default NIC", _AZURE, True, "the fabric fragments at 1400: see azure-fabric"),
    (
        "azure-fabric",
        1400,
        "what the fabric carries in one piece",
        "Calico felix aksMTUOverhead",
        True,
        "use it for tunnels",
    ),
    ("azure-mellanox", 3900, "Mellanox NIC inside a VNet", _AZURE, True, ""),
    ("azure-mana", 9000, "MANA NIC inside a VNet", _AZURE, True, "preview"),
    ("oci", 9000, "VCN", "Oracle documentation", False, ""),
    ("oci-fastconnect", 9000, "FastConnect", "docs.oracle.com SDK VirtualCircuitIpMtu", True, "1500 unless chosen"),
    ("hetzner-cloud", 1450, "private network", "docs.hetzner.com/cloud/networks", True, ""),
    ("hetzner-vswitch", 1400, "vSwitch", "kube-hetzner issue 2027", True, ""),
    ("hetzner", 1500, "public network", "docs.hetzner.com", True, ""),
    ("ovh-vrack", 9000, "vRack, OVHcloud Connect", "docs.ovhcloud.com ovhcloud-connect limits", True, "default 1500"),
    ("alibaba", 1500, "ECS default", "alibabacloud.com ecs user-guide mtus", True, ""),
    ("alibaba-jumbo", 8500, "ECS 8th generation and later", "alibabacloud.com ecs user-guide mtus", True, ""),
    ("equinix-vlan", 9000, "Metal VLAN", "deploy.equinix.com layer2-networking/vlans", True, "default 1500"),
    ("nsx-tep", 1700, "NSX Geneve TEP, recommended", "VMware NSX evaluation docs", True, "minimum 1600"),
    ("vng", 1450, "VNG Cloud VM", "docs.vngcloud.vn", True, ""),
    ("digitalocean", 1500, "droplet", "no page found", False, ""),
    ("linode", 1500, "instance", "no page found", False, ""),
    ("vultr-vpc", 1450, "VPC", "no page found", False, ""),
    ("ibm-vpc", 1500, "VPC", "no page found", False, "9000 on newer profiles"),
)

# what people say for the usual one of several
ALIASES = {"aws": "aws-vpc", "google": "gcp", "oracle": "oci", "vpc": "aws-vpc", "dsl": "pppoe"}

UNDERLAYS: dict[str, UnderlayPreset] = {
    name: UnderlayPreset(name=name, mtu=mtu, where=where, source=source, verified=verified, note=note)
    for name, mtu, where, source, verified, note in _TABLE
}
