"""Short texts on what is no header but changes, or seems to change, the size of a packet."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "nat-t": "NAT traversal puts a UDP header (port 4500, RFC 3948) between IP and ESP: write ip4/udp/esp:... The"
    " marker of 4 zero bytes is on IKE packets only. It costs the bytes of UDP, but because ESP pads in steps the MTU"
    " can fall by a whole step of the cipher, or not at all. AH can't pass a NAT.",
    "esn": "Extended sequence numbers cost nothing: only the low 32 bits are sent (RFC 4303 2.2.1).",
    "tfc": "Traffic flow confidentiality pads packets up to the MTU. Linux never pads beyond what fits, so it lowers"
    " throughput, not the MTU (RFC 4303 2.7).",
    "padding": "ESP pads so that payload, padding, pad length and next header fill whole blocks: of the cipher's block"
    " (16 for AES-CBC, 8 for 3DES), or of 4 for AEAD, CTR and NULL (RFC 4303 2.4). So the overhead isn't a constant:"
    " the largest payload is floor(space / block) * block - 2.",
    "step": "Because of the padding the inner MTU moves in steps. A larger link may bring nothing until the next step;"
    " calc shows where that is ('the next larger MTU comes at link ...').",
    "transport": "In transport mode ESP stands between the IP header and what it carries: ip4/esp:ALG. The IP header"
    " is the packet's own, so nothing is added but ESP.",
    "tunnel": "In tunnel mode a whole IP packet is inside ESP: ip4/esp:ALG/ip4. It costs one more IP header than"
    " transport mode, 20 or 40 bytes.",
    "mss": "TCP's MSS is the IP packet minus its IP header and TCP header, both without options (RFC 6691): MTU - 40"
    " for IPv4, MTU - 60 for IPv6.",
    "salt": "The salt or nonce of GCM, CCM, CTR and ChaCha20 is part of the key material and never on the wire.",
    "esp-in-tcp": "ESP in TCP (RFC 9329) is a byte stream: each ESP packet gets a length of 2 bytes and TCP cuts the"
    " stream at its MSS. Linux sizes the ESP packet with those 2 bytes and without TCP's header: write"
    " ip4/tcp/esp:aes128gcm16/ip4, 1442 on a link of 1500 (measured on Linux 7.3.4). One segment holds an inner packet"
    " of 1410 there; a larger one takes two. Debian's kernels don't have it (INET_ESPINTCP) and refuse such an SA.",
    "absorbed": "An Ethernet header or VLAN tags in front of the outermost IP header don't count against the link MTU:"
    " the NIC sends them beside it. PPPoE, MPLS labels and MACsec do count, and so does a tag inside MACsec.",
    "sha256-truncation": "Linux's own default for hmac(sha256) is an ICV of 96 bits, RFC 4868 and strongSwan use 128."
    " Write sha256_96 for the first, sha256 for the second.",
    "ah-alignment": "AH over IPv4 is a multiple of 4 (RFC 4302), but Linux pads it to 8 unless the SA has the flag"
    " align4: write ah:sha256:align8 for that. Over IPv6 it is always 8.",
    "reassembly": "A packet one byte too large isn't always lost. VXLAN and Geneve over IPv4, WireGuard, L2TPv3 and"
    " bareudp send it as two outer fragments with nobody the wiser (half the packet rate); VXLAN and Geneve over IPv6"
    " drop it without an error; GTP, ESP and MPLS refuse it (EMSGSIZE, or ICMP to the sender). Measured on Linux 6.1,"
    " 7.2.7 and 7.3.4.",
    "silently-lowered": "'ip link add vxlan0 mtu 1500 type vxlan ... dev eth0' succeeds, and the device has 1450; 'ip"
    " link set mtu 1500' on it is refused. OVS ignores mtu_request of a tunnel port. So read a device's MTU back."
    " Measured on Linux 7.2.7 and Open vSwitch 4.0.0.",
    "vti": "A VTI adds no header. Linux gives it an MTU 20 below the link's (1480), a VTI over IPv6 40 below (1460),"
    " and learns the real limit of the ESP packet when one was refused (1446 and 1426 with AES-GCM; measured on Linux"
    " 7.2.7). Set its MTU to the answer of calc for the ESP packet.",
    "srv6": "SRv6 ('ip route ... encap seg6'): write ip6/srh:N/ip6 for mode encap with N segments. Mode encap.red"
    " leaves the first segment out of the header (srh:N:red), but Linux counts the whole header: the MTU is that of"
    " encap. Mode inline adds a segment to those it names: one is ip6/srh:2, 40 bytes. Measured on Linux 7.3.4.",
    "fou": "FOU puts a packet directly into UDP: ip4/udp/ip4 for IPIP and SIT, ip4/udp/gre/ip4 for GRE,"
    " ip4/udp/gre/eth/ip4 for GRETAP. GUE adds a header of 4 (ip4/udp/gue/...), with encap-remcsum 12 (gue:remcsum)."
    " Linux gives the devices the exact MTU (measured on 7.3.4). FOU and GUE belong to the tunnel device: 'encap fou'.",
    "bareudp": "bareudp puts IP or MPLS directly into UDP: ip4/udp/ip4, ip4/udp/mpls/ip4. Linux gives the device 1500"
    " whatever is below it; 1472 and 1468 fit a link of 1500, and more goes out as two outer fragments. Measured on"
    " Linux 7.3.4; Debian's kernels don't build it.",
    "netkit": "netkit is a pair of devices like veth (Cilium's pods may have it). It adds nothing; its MTU is 1500"
    " until somebody sets it. Measured on Linux 7.3.4.",
    "zerotier": "ZeroTier's device has an MTU of 2800 and ZeroTier cuts what is larger than its UDP packets by itself,"
    " so a tunnel on it is never told of a smaller path; measure with DF probes, and count on what passes.",
    "encaplimit": "ip6tnl and ip6gre add an 8-byte destination option by default: write ip6/dstopts:8/... It stays in"
    " clear before ESP in transport mode. 'encaplimit none' removes it.",
}

ALIASES: dict[str, str] = {
    "hbone": "ztunnel",
    "lxd": "incus",
    "kuberouter": "kube-router",
    **dict.fromkeys(("natt", "nat", "udpencap", "encap", "forceencaps"), "nat-t"),
    **dict.fromkeys(("pad", "block", "alignment"), "padding"),
    **dict.fromkeys(("steps", "slack"), "step"),
    **dict.fromkeys(("nonce",), "salt"),
    **dict.fromkeys(("align8", "align4"), "ah-alignment"),
    **dict.fromkeys(("xfrm", "xfrmi"), "xfrm-interface"),
    **dict.fromkeys(("vti6",), "vti"),
    **dict.fromkeys(("seg6",), "srv6"),
    **dict.fromkeys(("mtls",), "tls"),
    **dict.fromkeys(("fragment", "fragments", "fragmentation"), "reassembly"),
    **dict.fromkeys(("kubespan",), "talos"),
    **dict.fromkeys(("moby", "swarm"), "docker"),
    **dict.fromkeys(("kubeovn",), "kube-ovn"),
    **dict.fromkeys(("ovn",), "ovn-kubernetes"),
    **dict.fromkeys(("aws",), "aws-vpn"),
    **dict.fromkeys(("openstack",), "neutron"),
}
