"""The one table of headers: what each token of the stack notation costs, and where that is written down.

Sizes are in bytes. Only this module and :mod:`netplan.stack.transforms` may hold the size of a header. ESP and
AH have a rule of their own (their size depends on the algorithm, and ESP's on the payload), so they live
there.
"""

from __future__ import annotations

from netplan.stack.header_types import Header, Numeric

_L3 = ("ip4", "ip6")
_FRAME = ("ip4", "ip6", "vlan", "qinq", "mpls", "pppoe", "macsec")
IP_PAYLOAD = (
    *("ip4", "ip6", "udp", "tcp", "icmp", "sctp", "esp", "ah", "ipcomp"),
    *("gre", "nvgre", "erspan", "mpls", "l2tpv3", "stt", "otv"),
)
EXTENSIONS = ("dstopts", "srh")
_GRE_FLAGS = {"key": (4, "GRE key"), "csum": (4, "GRE checksum"), "seq": (4, "GRE sequence number")}


def _rows() -> tuple[Header, ...]:
    return (
        Header(
            name="ip4",
            title="IPv4 header",
            bytes=20,
            source="RFC 791 3.1",
            kind="ip",
            carries=IP_PAYLOAD,
            ends=True,
        ),
        Header(
            name="ip6",
            title="IPv6 header",
            bytes=40,
            source="RFC 8200 3",
            kind="ip",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
        ),
        Header(
            name="dstopts",
            title="IPv6 destination options",
            bytes=0,
            source="RFC 8200 4.6; RFC 2473 4.1.1",
            kind="extension",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
            number=Numeric(low=8, high=2048, step=8, default=8, per_unit=1, unit="bytes"),
            note="8: encapsulation limit of ip6tnl and ip6gre (encaplimit none: absent); in clear before ESP",
        ),
        Header(
            name="srh",
            title="IPv6 segment routing header",
            bytes=8,
            source="RFC 8754 2",
            kind="extension",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
            number=Numeric(low=1, high=127, step=1, default=1, per_unit=16, unit="segments", row="IPv6 segments"),
            flags={"red": (0, "reduced: the first segment is in the IPv6 header alone, and Linux counts it twice")},
            reduced="red",
            note="a route with 'encap seg6 mode inline' has one segment more than it names",
        ),
        Header(
            name="udp",
            title="UDP header",
            bytes=8,
            source="RFC 768",
            kind="transport",
            ends=True,
            carries=(
                *("esp", "vxlan", "vxlan-gpe", "geneve", "gtpu", "wireguard", "l2tpv3", "l2tpv2"),
                *("lisp", "gue", "mpls", "ip4", "ip6", "gre"),
            ),
        ),
        Header(
            name="tcp",
            title="TCP header",
            bytes=20,
            source="RFC 9293 3.1",
            kind="transport",
            carries=("stt", "esp"),
            ends=True,
        ),
        Header(
            name="icmp",
            title="ICMP header",
            bytes=8,
            source="RFC 792; RFC 4443 2.1",
            kind="transport",
            carries=(),
            ends=True,
        ),
        Header(
            name="sctp",
            title="SCTP header",
            bytes=12,
            source="RFC 9260 3.1",
            kind="transport",
            carries=(),
            ends=True,
        ),
        Header(
            name="ipcomp",
            title="IPComp header",
            bytes=0,
            source="RFC 3173 2.2",
            kind="tunnel",
            carries=IP_PAYLOAD,
            ends=True,
            note="4 bytes, but only on a packet that compression made shorter",
        ),
        Header(
            name="beet",
            title="BEET pseudo header",
            bytes=0,
            source="draft-nikander-esp-beet-mode 3; Linux esp_init_state",
            kind="tunnel",
            carries=("udp", "tcp", "icmp", "sctp", "ip4", "ip6"),
            ends=True,
            note="sent only with inner IPv4 options, but Linux always keeps room for it",
            warning="Linux keeps 8 bytes for BEET's pseudo header, which it sends only with inner IPv4 options: the "
            "largest outer packet is smaller than the link",
        ),
        Header(
            name="iptfs",
            title="IP-TFS AGGFRAG header",
            bytes=4,
            source="RFC 9347 6.1",
            kind="tunnel",
            carries=_L3,
            flags={"cc": (20, "congestion control fields, RFC 9347 6.1.2")},
            warning="IP-TFS with dont-frag; without it (the default) Linux tells the whole link MTU and splits inner "
            "packets over two outer ones; with a packet size it drops what is larger without an error",
        ),
        Header(
            name="eth",
            title="Ethernet header",
            bytes=14,
            source="IEEE 802.3 3.1",
            kind="link",
            carries=_FRAME,
        ),
        Header(name="vlan", title="VLAN tag", bytes=4, source="IEEE 802.1Q 9.6", kind="link", carries=_FRAME),
        Header(
            name="qinq",
            title="two VLAN tags",
            bytes=8,
            source="IEEE 802.1Q 9.6 (802.1ad)",
            kind="link",
            carries=_FRAME,
            warning="a NIC that takes one tag only leaves 4 bytes less than the link MTU says",
        ),
        Header(
            name="mpls",
            title="MPLS label",
            bytes=0,
            source="RFC 3032 2.1",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
            number=Numeric(low=1, high=16, step=1, default=1, per_unit=4, unit="labels"),
            plural="{} MPLS labels",
        ),
        Header(
            name="pppoe",
            title="PPPoE and PPP header",
            bytes=8,
            source="RFC 2516 4, 7 (6 + PPP protocol 2)",
            kind="tunnel",
            carries=("ip4", "ip6", "mpls"),
        ),
        Header(
            name="macsec",
            title="MACsec SecTAG with SCI",
            bytes=16,
            source="IEEE 802.1AE 9.3; Linux drivers/net/macsec.c",
            kind="tunnel",
            carries=("ip4", "ip6", "vlan", "qinq", "mpls", "pppoe"),
            flags={"nosci": (-8, "no SCI"), "icv8": (-8, "an ICV of 8")},
            trailer=16,
            trailer_title="MACsec ICV",
            trailer_flags=("icv8",),
            note="Linux keeps room for the SCI whether it is sent or not",
        ),
        Header(name="vxlan", title="VXLAN header", bytes=8, source="RFC 7348 5", kind="tunnel", carries=("eth",)),
        Header(
            name="vxlan-gpe",
            title="VXLAN-GPE header",
            bytes=8,
            source="draft-ietf-nvo3-vxlan-gpe 3",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
        ),
        Header(
            name="geneve",
            title="Geneve header",
            bytes=8,
            source="RFC 8926 3.4",
            kind="tunnel",
            carries=("eth", "ip4", "ip6"),
            number=Numeric(
                low=0,
                high=252,
                step=4,
                default=0,
                per_unit=1,
                unit="bytes of options",
                row="Geneve options",
                presets={"ovn": 8, "cilium-dsr": 12},
            ),
        ),
        Header(
            name="gre",
            title="GRE header",
            bytes=4,
            source="RFC 2784 2; RFC 2890 2",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
            flags=_GRE_FLAGS,
        ),
        Header(
            name="nvgre",
            title="NVGRE header",
            bytes=8,
            source="RFC 7637 3.2 (GRE with key)",
            kind="tunnel",
            carries=("eth",),
        ),
        Header(
            name="erspan",
            title="ERSPAN in GRE",
            bytes=4,
            source="draft-foschiano-erspan 4",
            kind="tunnel",
            carries=("eth",),
            number=Numeric(low=1, high=3, step=1, default=2, per_unit=0, unit="(type I, II or III)"),
            kinds={
                1: (0, ""),
                2: (12, "GRE sequence number and ERSPAN II header"),
                3: (16, "GRE sequence number and ERSPAN III header"),
            },
            flags={"sub": (8, "ERSPAN platform subheader")},
        ),
        Header(
            name="stt",
            title="STT header",
            bytes=18,
            source="draft-davie-stt 3",
            kind="tunnel",
            carries=("eth",),
            after={"ip4": (20, "TCP-like header"), "ip6": (20, "TCP-like header")},
        ),
        Header(
            name="l2tpv3",
            title="L2TPv3 session header",
            bytes=4,
            source="RFC 3931 4.1; Linux net/l2tp/l2tp_core.c",
            kind="tunnel",
            carries=("eth",),
            flags={
                "cookie4": (4, "L2TPv3 cookie"),
                "cookie8": (8, "L2TPv3 cookie"),
                "l2spec": (4, "L2-specific sublayer"),
            },
            after={"udp": (4, "L2TPv3 over UDP flags")},
            warning="iproute2 adds 4 bytes unless told 'l2spec_type none': write l2tpv3:l2spec",
            settles="l2spec",
        ),
        Header(
            name="l2tpv2",
            title="L2TPv2 and PPP header",
            bytes=10,
            source="RFC 2661 3.1 (6 + PPP 4)",
            kind="tunnel",
            carries=_L3,
            flags={"seq": (4, "L2TPv2 sequence numbers")},
        ),
        Header(
            name="gtpu",
            title="GTP-U header",
            bytes=8,
            source="3GPP TS 29.281 5.1",
            kind="tunnel",
            carries=("ip4", "ip6", "eth"),
            flags={
                "seq": (4, "GTP-U optional fields"),
                "pdu": (8, "GTP-U optional fields and PDU session container"),
            },
        ),
        Header(
            name="wireguard",
            title="WireGuard data header",
            bytes=16,
            source="WireGuard whitepaper 5.4.6",
            kind="tunnel",
            carries=_L3,
            trailer=16,
            trailer_title="Poly1305 tag",
            note="padding to 16 stops at the device MTU, so the largest packet has none",
        ),
        Header(name="lisp", title="LISP header", bytes=8, source="RFC 9300 5.1", kind="tunnel", carries=_L3),
        Header(
            name="gue",
            title="GUE header",
            bytes=4,
            source="draft-ietf-intarea-gue 3; Linux include/net/gue.h",
            kind="tunnel",
            carries=("ip4", "ip6", "gre"),
            flags={"remcsum": (8, "GUE private flags and remote checksum")},
        ),
        Header(
            name="otv",
            title="OTV (GRE and MPLS label)",
            bytes=8,
            source="draft-hasmit-otv 4 (4 + 4)",
            kind="tunnel",
            carries=("eth",),
        ),
    )


HEADERS: dict[str, Header] = {row.name: row for row in _rows()}

# Names people use for a pair or a chain of headers; each stands for the tokens on the right.
MACROS: dict[str, tuple[str, ...]] = {
    "ipip": ("ip4", "ip4"),
    "sit": ("ip4", "ip6"),
    "ip6tnl": ("ip6", "dstopts:8"),
    "ip6tnl:none": ("ip6",),
    "gretap": ("gre", "eth"),
}

# What may come first: what stands on the link itself.
STARTS = ("ip4", "ip6", "eth", "vlan", "qinq", "mpls", "pppoe", "macsec")

# What Linux keeps for BEET beside ESP's header, by families of the outer and the inner IP header: the pseudo header,
# and in IPv6 the difference of the two (esp_init_state and esp6_init_state; measured on Linux 6.1, 6.12 and 7.2)
BEET_RESERVED: dict[tuple[str, str], int] = {("ip4", "ip4"): 8, ("ip6", "ip4"): 28}

# In front of each ESP packet in a TCP stream: RFC 9329 3
ESP_IN_TCP_LENGTH = 2

# Smallest MTU that each family must be able to carry, RFC 791 3.2 and RFC 8200 5
MIN_MTU: dict[str, int] = {"ip4": 68, "ip6": 1280}

# Largest value that an IP length field can say (an IPv6 payload of that size comes on top of its own header)
MAX_PACKET = 65535

# What Ethernet puts around every packet on the wire, beside VLAN tags: IEEE 802.3 3.1 and 4.4.2
FRAMING: dict[str, int] = {"preamble": 8, "header": HEADERS["eth"].bytes, "check sequence": 4, "gap": 12}

# UDP payloads that applications count on: QUIC's initial packets (RFC 9000 14.1), DNS answers (RFC 9715 3)
QUIC_PAYLOAD = 1200
EDNS_PAYLOAD = 1232
