"""What other systems subtract, where that is written, and how far it is from exact.

Each claim is a rule, not a number: it is evaluated for the link at hand and compared with the exact answer for the
packet that system sends. Source files are named with the commit they were read at.
"""

from __future__ import annotations

from netplan.stack import Stack, parse, solve
from netplan.stack.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@frozen
class Claim:
    """One rule of one system.

    The value is ``fixed``, or the link MTU minus ``minus`` rounded down to a multiple of ``step``. ``measure`` is
    ``mtu`` or ``mss`` (IPv4). ``stack`` is the packet it is meant for, ``link`` the link MTU it was made for.
    """

    system: str
    when: str
    stack: str
    source: str
    minus: int = 0
    fixed: int | None = None
    step: int = 1
    measure: str = "mtu"
    note: str = ""
    link: int = 1500

    def value(self, link: int) -> int:
        """Return what the system would set on a link of this MTU."""
        if self.fixed is not None:
            return self.fixed
        return (link - self.minus) // self.step * self.step


@frozen
class ClaimResult:
    """A claim on a link, beside the exact value for a stack. ``delta`` above 0 means packets too large for the link."""

    claim: Claim
    stack: Stack
    link: int
    value: int
    exact: int

    @property
    def delta(self) -> int:
        """How much larger than exact the value is."""
        return self.value - self.exact

    @property
    def safe(self) -> bool:
        """Whether every packet of that size fits the link."""
        return self.delta <= 0

    @property
    def words(self) -> str:
        """The result for people."""
        if self.delta > 0:
            return f"UNSAFE: {self.delta} too large"
        return f"safe, {-self.delta} below exact" if self.delta else "exact"

    def as_json(self) -> dict[str, Any]:
        """Return the object for ``--json``."""
        claim = self.claim
        return {
            "system": claim.system,
            "when": claim.when,
            "stack": self.stack.text,
            "link_mtu": self.link,
            "measure": claim.measure,
            "value": self.value,
            "exact": self.exact,
            "delta": self.delta,
            "safe": self.safe,
            "source": claim.source,
            "note": claim.note,
        }


def evaluate(claim: Claim, link: int, stack: Stack | None = None) -> ClaimResult:
    """Compare a claim with the exact value for its own packet, or for another ``stack``.

    Raises :class:`netplan.problems.ProblemError` when the link is out of range or too small.
    """
    stack = stack or parse(claim.stack)
    solution = solve(stack, link)
    exact = solution.mss4 if claim.measure == "mss" else solution.inner_mtu
    return ClaimResult(claim=claim, stack=stack, link=link, value=claim.value(link), exact=exact)


_GCM, _CBC = "esp:aes128gcm16", "esp:aes128-sha256"
_CILIUM = "cilium/cilium 1.18 to 1.21.0-pre.0, pkg/mtu/mtu.go"
_FLANNEL = "flannel-io/flannel@cdf76059 pkg/backend/"
_CNO = "openshift/cluster-network-operator@2a6a57f pkg/network/ovn_kubernetes.go"
_OVNK = "ovn-kubernetes/ovn-kubernetes@8871cd9 go-controller (v1.3.0)"
_KUBEOVN = "kubeovn/kube-ovn@1533681d pkg/util/const.go, pkg/daemon/config.go"
_ANTREA = "antrea-io/antrea@fc70f2bb pkg/agent/config/node_config.go"
_CALICO = "projectcalico/calico@87c15906 felix/dataplane/linux/int_dataplane.go"
_MOBY = "moby/moby v29.7.2 daemon/libnetwork/drivers/overlay/encryption.go"
_SUBM = "submariner-io/submariner@5b70b1e pkg/routeagent_driver/handlers/"
_AWS = "AWS Site-to-Site VPN guide, your-cgw.md (awsdocs@ab01e94)"
_GCPVPN = "Google Cloud VPN, MTU considerations"
_VYOS = "vyos/vyos-1x@3710c58 "
_CISCO = "Cisco tech note 25885 (read through copies)"
_OVN = "udp/geneve:8/eth/ip4"
_VX = "udp/vxlan/eth/ip4"
_WG = "ip4/udp/wireguard/ip4"
_PVE = "proxmox/pve-network@ecf98c5 VxlanPlugin.pm"
_INCUS = "lxc/incus@be7afc5 and canonical/lxd@a83edf2 driver_ovn.go"
_ROUTER = "cloudnativelabs/kube-router@7c2c277 pkg/utils/node.go"


def _c(system: str, when: str, stack: str, source: str, minus: int, note: str = "", measure: str = "mtu") -> Claim:
    return Claim(system=system, when=when, stack=stack, source=source, minus=minus, note=note, measure=measure)


def _f(system: str, when: str, stack: str, source: str, fixed: int, note: str = "", measure: str = "mtu") -> Claim:
    return Claim(system=system, when=when, stack=stack, source=source, fixed=fixed, note=note, measure=measure)


CLAIMS: tuple[Claim, ...] = (
    _c(
        "cilium",
        "IPsec",
        f"ip4/{_GCM}/ip4",
        _CILIUM,
        77,
        "77 leaves out the IV and counts the ICV twice; no NAT-T term",
    ),
    _c("cilium", "IPsec, IPv6 nodes", f"ip6/{_GCM}/ip6", _CILIUM, 77, "the margin shrinks to a few bytes"),
    _c("cilium", "IPsec behind NAT-T", f"ip4/udp/{_GCM}/ip4", _CILIUM, 77, "no NAT-T term in the code"),
    _c("cilium", "VXLAN + IPsec, 1.18 and later", f"ip4/{_GCM}/ip4/{_VX}", _CILIUM, 127, "VXLAN inside an ESP tunnel"),
    _c("cilium", "VXLAN + IPsec, before 1.18", f"ip4/{_VX}/{_GCM}/ip4", _CILIUM, 127, "ESP inside VXLAN"),
    _c("cilium", "VXLAN, IPv6 nodes", f"ip6/{_VX}", _CILIUM, 70),
    _c("cilium", "WireGuard, up to 1.19.4", _WG, _CILIUM, 80, "assumes IPv6 outside, and no padding"),
    _c("cilium", "WireGuard, 1.19.5 and later", _WG, _CILIUM, 95, "IPv6 outside, and 15 bytes of padding"),
    _c("cilium", "WireGuard, IPv6 nodes", "ip6/udp/wireguard/ip6", _CILIUM, 95, "padding is not in the exact value"),
    _c("cilium", "VXLAN + WireGuard, 1.19.5 and later", f"{_WG[:-3]}ip4/{_VX}", _CILIUM, 145),
    _c("flannel", "ipsec", f"ip4/{_GCM}/ip4", _FLANNEL + "ipsec/ipsec_network.go", 77, "77 fits AES-CBC with SHA-256"),
    _c("flannel", "ipsec, UDPEncap", f"ip4/udp/{_GCM}/ip4", _FLANNEL + "ipsec/ipsec_network.go", 85),
    _c("flannel", "ipsec, aes128-sha256", f"ip4/{_CBC}/ip4", _FLANNEL + "ipsec/ipsec_network.go", 77),
    _c("flannel", "vxlan", f"ip4/{_VX}", _FLANNEL + "vxlan/vxlan_network.go", 50),
    _c(
        *("flannel", "vxlan, IPv6 nodes", f"ip6/{_VX}", _FLANNEL + "vxlan/device.go", 50),
        "the kernel cuts the device to 20 less, pods keep this value",
    ),
    _c("flannel", "wireguard", "ip4/udp/wireguard/ip4", _FLANNEL + "wireguard/wireguard_network.go", 80),
    _c("flannel", "ipip", "ip4/ip4", _FLANNEL + "ipip/ipip.go", 20),
    _c("flannel", "udp", "ip4/udp/ip4", _FLANNEL + "udp/udp_network_amd64.go", 28),
    _c("calico", "IPIP", "ip4/ip4", _CALICO, 20, "no IPsec term: IPsec of the nodes is invisible to it"),
    _c("calico", "VXLAN", f"ip4/{_VX}", _CALICO, 50, "no IPsec term"),
    _c("calico", "VXLAN over IPsec of the nodes", f"ip4/{_GCM}/{_VX}", _CALICO, 50, "set the MTU by hand"),
    _c("calico", "VXLAN, IPv6 nodes", f"ip6/{_VX}", _CALICO, 70),
    _c("calico", "WireGuard", "ip4/udp/wireguard/ip4", _CALICO, 60),
    _c("calico", "WireGuard, IPv6 nodes", "ip6/udp/wireguard/ip6", _CALICO, 80),
    _c("canal", "veth_mtu 0, VXLAN", f"ip4/{_VX}", "rancher/rke2-charts PR 670", 0, "Felix writes the link's MTU"),
    _c("openshift", "OVN-Kubernetes", f"ip4/{_OVN}", _CNO, 100),
    _c("openshift", "transport NoOverlay", "ip4", _CNO, 0, "since March 2026, behind a feature gate"),
    _c(
        *("openshift", "OVN-Kubernetes + IPsec Full", f"ip4/{_GCM}/{_OVN}", _CNO, 146),
        "46 counts 8 bytes of sequence number and a 4-byte salt that are not on the wire",
    ),
    _c("openshift", "OVN-Kubernetes + IPsec Full, NAT-T", f"ip4/udp/{_GCM}/{_OVN}", _CNO, 146),
    _c(
        "openshift", "OpenShift SDN + IPsec", f"ip4/{_CBC}/{_VX}", "openshift/openshift-docs issue 7844", 112, "50 + 62"
    ),
    _c("ovn-kubernetes", "start check", f"ip4/{_OVN}", _OVNK + "/pkg/types/const.go", 58),
    _c("ovn-kubernetes", "start check, IPv6 nodes", f"ip6/{_OVN}", _OVNK + "/pkg/types/const.go", 78),
    _c("ovn-kubernetes", "start check, dual stack", f"ip4/{_OVN}", _OVNK + "/pkg/node", 78, "78 for dual stack too"),
    _c("ovn-kubernetes", "start check with IPsec on", f"ip4/{_GCM}/{_OVN}", _OVNK + "/pkg/node", 58, "ignores ESP"),
    _c("antrea", "Geneve + IPsec", f"ip4/{_GCM}/udp/geneve/eth/ip4", _ANTREA, 88, "50 + 38"),
    _c("antrea", "Geneve + IPsec, NAT-T", f"ip4/udp/{_GCM}/udp/geneve/eth/ip4", _ANTREA, 88, "no NAT-T term"),
    _c("antrea", "GRE + IPsec", f"ip4/{_GCM}/gre:key/eth/ip4", _ANTREA, 80, "42 + 38"),
    _c("antrea", "VXLAN, IPv6 nodes", f"ip6/{_VX}", _ANTREA, 70),
    _c("antrea", "STT", "ip4/stt/eth/ip4", _ANTREA, 0, "still accepted, and nothing is subtracted"),
    _c("kube-ovn", "Geneve", f"ip4/{_OVN}", _KUBEOVN, 100),
    _c("kube-ovn", "VXLAN", f"ip4/{_VX}", _KUBEOVN, 50),
    _c("kube-ovn", "STT", "ip4/stt/eth/ip4", _KUBEOVN, 72),
    _c("kube-ovn", "VXLAN + enable-ovn-ipsec", f"ip4/{_GCM}/{_VX}", _KUBEOVN, 50, "the code never subtracts ESP"),
    _c(
        "kube-ovn",
        "Geneve + enable-ovn-ipsec",
        f"ip4/{_GCM}/{_OVN}",
        _KUBEOVN,
        100,
        "fits only because 100 is too much",
    ),
    Claim(
        system="docker",
        when="encrypted overlay",
        stack=f"ip4/esp:aes128gcm8/{_VX}",
        source=_MOBY,
        minus=76,
        step=4,
        note="the link MTU is a setting or 1500, never read from the NIC",
    ),
    Claim(
        system="docker",
        when="encrypted overlay, IPv6 hosts",
        stack=f"ip6/esp:aes128gcm8/{_VX}",
        source=_MOBY,
        minus=76,
        step=4,
        note="no term for the larger IPv6 header",
    ),
    _c(
        *("submariner", "libreswan, MSS clamp", f"ip4/udp/{_GCM}/ip4", _SUBM + "mtu/mtuhandler.go", 120),
        "MSS = link - 120",
        "mss",
    ),
    _c(
        *("submariner", "vxlan cable, MSS clamp", f"ip4/{_VX}", _SUBM + "mtu/mtuhandler.go", 50),
        "forgets the 40 bytes of TCP and IP: the clamp does nothing",
        "mss",
    ),
    _f(
        *("submariner", "OVN, MSS clamp", f"ip4/udp/{_GCM}/ip4", _SUBM + "ovn/gateway_dataplane.go", 1398),
        "a constant: right on a link of 1500 only",
        "mss",
    ),
    Claim(
        system="weave",
        when="encrypted fast datapath",
        stack=f"ip4/{_GCM}/{_VX}",
        source="weaveworks/weave 2.8.1 (archived) and rajch/weave 2.9.0, net/bridge.go",
        fixed=1376,
        link=1460,
        note="a constant, made for links of 1460",
    ),
    _f("aws-vpn", "AES-GCM-16", f"ip4/{_GCM}/ip4", _AWS, 1446),
    _f("aws-vpn", "AES-GCM-16, NAT-T", f"ip4/udp/{_GCM}/ip4", _AWS, 1438),
    _f("aws-vpn", "AES-CBC, SHA-1 or SHA2-256", f"ip4/{_CBC}/ip4", _AWS, 1438),
    _f("aws-vpn", "AES-CBC, SHA-1 or SHA2-256, NAT-T", f"ip4/udp/{_CBC}/ip4", _AWS, 1422),
    _f("aws-vpn", "AES-CBC, SHA2-512", "ip4/esp:aes128-sha512/ip4", _AWS, 1422),
    _f("aws-vpn", "AES-CBC, SHA2-512, NAT-T", "ip4/udp/esp:aes128-sha512/ip4", _AWS, 1406),
    *(
        Claim(system="gcp-vpn", when=when, stack=stack, source=source, fixed=fixed, link=link)
        for when, stack, source, fixed, link in (
            ("AEAD, gateway MTU 1460", f"ip4/{_GCM}/ip4", _GCPVPN, 1406, 1460),
            ("AEAD, NAT-T, gateway MTU 1460", f"ip4/udp/{_GCM}/ip4", _GCPVPN + " (newer text: 8 less)", 1398, 1460),
            ("AEAD, IPv6 gateway, MTU 1460", f"ip6/{_GCM}/ip4", _GCPVPN, 1386, 1460),
            ("AEAD, over Interconnect, gateway MTU 1440", f"ip4/{_GCM}/ip4", _GCPVPN, 1386, 1440),
            ("older advice for hosts", f"ip4/{_CBC}/ip4", _GCPVPN + " (older text)", 1390, 1460),
        )
    ),
    _f("azure-vpn", "recommended MTU", f"ip4/udp/{_GCM}/ip4", "Azure VPN gateway documentation (from memory)", 1400),
    _f(
        "azure-vpn",
        "recommended MSS",
        f"ip4/udp/{_GCM}/ip4",
        "Azure VPN gateway documentation (from memory)",
        1350,
        "",
        "mss",
    ),
    _c("alibaba-vpn", "user MTU", "ip4/udp/esp:aes128-sha512/ip4", "Alibaba VPN Gateway, set-mtu-values", 101),
    _f(
        "talos",
        "KubeSpan",
        "ip4/udp/wireguard/ip4",
        "siderolabs/talos@ad88231 pkg/machinery/constants",
        1420,
        "a constant",
    ),
    _f("vyos", "VTI default", f"ip4/{_GCM}/ip4", _VYOS + "interfaces_vti.xml.in", 1500, "only PMTUD saves it"),
    _f("vyos", "gretap", "ip4/gre/eth/ip4", _VYOS + "interfaces_tunnel.xml.in", 1476, "one default for all tunnels"),
    _c("vyos", "VXLAN, IPv6", f"ip6/{_VX}", _VYOS + "interfaces_vxlan.py", 70),
    _c("vyos", "MACsec", "macsec/ip4", _VYOS + "interfaces_macsec.py", 40),
    *(
        Claim(
            system=system,
            when="VXLAN on its device",
            stack=f"ip4/{_VX}",
            source=source,
            fixed=mtu - 50,
            link=mtu,
            note=n,
        )
        for system, mtu, source, n in (
            ("tailscale", 1280, "tailscale 1.102.3 net/tstun/mtu.go", "1280 on the device: 1230 is too small for IPv6"),
            ("netbird", 1280, "netbird 0.77.1 client/iface/iface.go", "1280 on the device: 1230 is too small for IPv6"),
            ("netmaker", 1280, "netmaker@006dfdc cli/cmd/network/create.go", "gateways have 1420"),
            ("nebula", 1300, "nebula 1.11.1 overlay/tun.go", "1300 on the device: 1250 is too small for IPv6"),
        )
    ),
    _f("tailscale", "device", _WG, "tailscale 1.102.3 net/tstun/mtu.go", 1280, "whatever the link is"),
    _f("netbird", "device", _WG, "netbird 0.77.1 client/iface/iface.go", 1280, "whatever the link is"),
    _f("netmaker", "device", _WG, "netmaker@006dfdc cli/cmd/network/create.go", 1280, "gateways 1420"),
    _c("kilo", "WireGuard", _WG, "squat/kilo@944dff5 (0.7.0) --mtu auto", 80, "its CNI lists keep 1420"),
    _f("liqo", "gateway", _WG, "liqotech/liqo@557c199 (1.2.0)", 1340, "a constant; MSS is clamped"),
    _f("proxmox", "VXLAN and EVPN zone", f"ip4/{_VX}", _PVE, 1450, "link - 50 only where its mtu is written down"),
    _f("proxmox", "VXLAN zone, IPv6 peers", f"ip6/{_VX}", _PVE, 1450, "no IPv6 term"),
    _f("proxmox", "documented strongSwan, IPv4", f"ip4/esp:aes256-sha1/{_VX}", "pve-docs pvesdn.adoc", 1370),
    _f("incus", "OVN", f"ip4/{_OVN}", _INCUS, 1442, "1500 on a link of 1558 and more; never less than 1442"),
    _f("incus", "OVN, IPv6", f"ip6/{_OVN}", _INCUS, 1422),
    _f("incus", "OVN with IPsec", f"ip4/{_GCM}/{_OVN}", _INCUS, 1442, "no IPsec term"),
    _f("incus", "bridge with a VXLAN tunnel", f"ip4/{_VX}", _INCUS, 1400),
    _c("kube-router", "IPIP, auto-mtu", "ip4/ip4", _ROUTER, 0, "the link's MTU; the guide says IPIP is counted"),
    _c("kube-router", "FOU (GUE), auto-mtu", "ip4/udp/gue/ip4", _ROUTER, 0, "only PMTUD saves it"),
    _f("k0s", "calico section without mtu", f"ip4/{_VX}", "k0s documentation", 1450),
    _f("neutron", "without global_physnet_mtu", f"ip4/{_VX}", "openstack/neutron@2131d26 conf/common.py", 1450),
    _c("neutron", "VXLAN", f"ip4/{_VX}", "openstack/neutron@2131d26 ml2 type drivers", 50),
    _c("neutron", "Geneve for OVN", f"ip4/{_OVN}", "openstack/neutron@2131d26 ml2 type drivers", 58),
    _f(
        "strongswan",
        "default of its TUN devices",
        f"ip4/udp/{_GCM}/ip4",
        "strongswan@3b902ea kernel_libipsec_plugin.c",
        1400,
    ),
    _f("cisco", "GRE over IPsec transport", "ip4/esp:aes128-sha1/gre/ip4", _CISCO, 1440, "from the DES and 3DES days"),
    _f("cisco", "GRE over IPsec tunnel", "ip4/esp:aes128-sha1/ip4/gre/ip4", _CISCO, 1420, "from the DES and 3DES days"),
    _c(
        "cisco",
        "ASA and FTD, MSS",
        "ip4/udp/esp:aes128-sha512/ip4",
        "Cisco FTD suggested TCP MSS",
        120,
        "worst suite",
        "mss",
    ),
    _f("opnsense", "if_ipsec default", f"ip4/{_CBC}/ip4", "opnsense/core issue 3674", 1400),
    _f("palo-alto", "displayed 3DES tunnel MTU", "ip4/esp:3des-md5/ip4", "Palo Alto KB kA10g000000ClXTCA0", 1448),
    *(
        Claim(system="blogs", when=when, stack=stack, source=source, fixed=fixed, link=link)
        for when, stack, source, fixed, link in (
            ("HA VPN without NAT-T", f"ip4/{_GCM}/ip4", "oneuptime.com 2026-02-17 on GCP Cloud VPN", 1440, 1460),
            ("HA VPN with NAT-T", f"ip4/udp/{_GCM}/ip4", "oneuptime.com 2026-02-17 on GCP Cloud VPN", 1420, 1460),
            ("GRE over IPsec transport", "ip4/esp:aes128-sha1/gre/ip4", "ccexpert.us (Cisco book extract)", 1438, 1500),
        )
    ),
    _c("blogs", "STT", "ip4/stt/eth/ip4", "gist dwallraff f2c3aae3", 54, "20 + 20 + 18 + 14 are 72"),
    _c("encapcalc", "Geneve button", "ip4/udp/geneve/eth/ip4", "dmbaturin/encapcalc@686e7dc", 42, "UDP is missing"),
)

SYSTEMS: tuple[str, ...] = tuple(dict.fromkeys(claim.system for claim in CLAIMS))

# What people fear and what adds nothing at the IP layer
HARMLESS: dict[str, str] = {
    "istio": "Istio's mTLS works inside TCP: packets are cut to the MSS of the connection, so it needs no MTU of its"
    " own. Its ambient mode (HBONE) is HTTP/2 over TCP as well. In both, each TLS record costs about 22 bytes of"
    " throughput, not of MTU.",
    "ztunnel": "Cilium's ztunnel and Istio's ambient mode carry pods' TCP inside HBONE, which is HTTP/2 over TCP: no"
    " header is added to the packet, so the MTU stays.",
    "linkerd": "Linkerd's mTLS works inside TCP between proxies; no header is added to the packet, so the MTU stays.",
    "consul": "Consul Connect proxies speak mTLS inside TCP; no header is added to the packet, so the MTU stays.",
    "tls": "TLS records live inside the TCP stream. TCP cuts the stream to its MSS anyway, so the MTU stays.",
    "ktls": "Kernel TLS is TLS: records inside the TCP stream, no header on the packet, the MTU stays.",
    "ssh": "SSH works inside TCP (an -o Tunnel device has an MTU of its own, 1500, and TCP carries it in pieces).",
    "xfrm-interface": "An XFRM interface adds no header. Linux gives it an MTU of 1500, whatever is below it, and finds"
    " the real limit when it sends (measured on Linux 7.3.4); set its MTU to the answer of calc for the ESP packet.",
}
