"""The one table of headers: what each token of the stack notation costs on the wire, and where that is written down.

Sizes are in bytes. No other module but this one and :mod:`netplan.esp` may hold the size of a header. ESP and AH have
a rule of their own (their size depends on the algorithm, and ESP's on the payload), so they live there.
"""

from __future__ import annotations

from netplan.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Numeric:
    """A number after the colon, such as ``geneve:8``: its range, its step, and the bytes each unit costs."""

    name: str
    low: int
    high: int
    step: int
    default: int
    per_unit: int
    unit: str
    base: int = 0
    presets: Mapping[str, int] = {}


@frozen
class Header:
    """One row: a header as it is on the wire.

    ``bytes`` is the header without options; ``trailer`` follows the payload. ``flags`` are options that add a fixed
    number of bytes; ``after`` adds bytes when the header follows the named tokens. ``carries`` lists the tokens that
    may come next; ``ends`` says whether a stack may end here. ``kind`` is one of ``link`` (a frame's header, absorbed by
    the NIC in front of the first IP header), ``ip``, ``extension``, ``tunnel`` and ``transport`` (part of the inner packet).
    """

    token: str
    title: str
    bytes: int
    source: str
    kind: str
    carries: tuple[str, ...]
    ends: bool = False
    number: Numeric | None = None
    flags: Mapping[str, tuple[int, str]] = {}
    after: Mapping[str, tuple[int, str]] = {}
    trailer: int = 0
    trailer_title: str = ""
    note: str = ""


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
            token="ip4",
            title="IPv4 header",
            bytes=20,
            source="RFC 791 3.1",
            kind="ip",
            carries=IP_PAYLOAD,
            ends=True,
        ),
        Header(
            token="ip6",
            title="IPv6 header",
            bytes=40,
            source="RFC 8200 3",
            kind="ip",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
        ),
        Header(
            token="dstopts",
            title="IPv6 destination options",
            bytes=0,
            source="RFC 8200 4.6; RFC 2473 4.1.1",
            kind="extension",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
            number=Numeric(name="bytes", low=8, high=2048, step=8, default=8, per_unit=1, unit="bytes"),
            note="8 = the encapsulation limit that ip6tnl and ip6gre add unless told 'encaplimit none'; stays in clear before ESP",
        ),
        Header(
            token="srh",
            title="IPv6 segment routing header",
            bytes=8,
            source="RFC 8754 2",
            kind="extension",
            carries=IP_PAYLOAD + EXTENSIONS,
            ends=True,
            number=Numeric(
                name="segments", low=1, high=127, step=1, default=1, per_unit=16, unit="segments of 16 bytes"
            ),
        ),
        Header(
            token="udp",
            title="UDP header",
            bytes=8,
            source="RFC 768",
            kind="transport",
            ends=True,
            carries=(
                *("esp", "vxlan", "vxlan-gpe", "geneve", "gtpu", "wireguard", "l2tpv3", "l2tpv2"),
                *("lisp", "gue", "mpls", "ip4", "ip6"),
            ),
        ),
        Header(
            token="tcp",
            title="TCP header",
            bytes=20,
            source="RFC 9293 3.1",
            kind="transport",
            carries=("stt",),
            ends=True,
        ),
        Header(
            token="icmp",
            title="ICMP header",
            bytes=8,
            source="RFC 792; RFC 4443 2.1",
            kind="transport",
            carries=(),
            ends=True,
        ),
        Header(
            token="sctp",
            title="SCTP header",
            bytes=12,
            source="RFC 9260 3.1",
            kind="transport",
            carries=(),
            ends=True,
        ),
        Header(
            token="ipcomp",
            title="IPComp header",
            bytes=0,
            source="RFC 3173 2.2",
            kind="tunnel",
            carries=IP_PAYLOAD,
            ends=True,
            note="4 bytes, but only on a packet that compression made shorter; one it can't shorten is sent without",
        ),
        Header(
            token="beet",
            title="BEET pseudo header",
            bytes=8,
            source="draft-nikander-esp-beet-mode 3; Linux IPV4_BEET_PHMAXLEN",
            kind="tunnel",
            carries=("udp", "tcp", "icmp", "sctp"),
            ends=True,
            note="on the wire only with inner IPv4 options; without them BEET looks like transport mode",
        ),
        Header(
            token="iptfs",
            title="IP-TFS AGGFRAG header",
            bytes=4,
            source="RFC 9347 6.1",
            kind="tunnel",
            carries=_L3,
            flags={"cc": (20, "congestion control fields, RFC 9347 6.1.2")},
            note="with dont-frag; without it inner packets are split over outer ones and there is no inner MTU",
        ),
        Header(
            token="eth",
            title="Ethernet header",
            bytes=14,
            source="IEEE 802.3 3.1",
            kind="link",
            carries=_FRAME,
        ),
        Header(
            token="vlan", title="VLAN tag", bytes=4, source="IEEE 802.1Q 9.6", kind="link", carries=_FRAME
        ),
        Header(
            token="qinq",
            title="two VLAN tags",
            bytes=8,
            source="IEEE 802.1Q 9.6 (802.1ad)",
            kind="link",
            carries=_FRAME,
            note="a NIC that takes one tag only leaves 4 bytes less than the link MTU says",
        ),
        Header(
            token="mpls",
            title="MPLS label",
            bytes=0,
            source="RFC 3032 2.1",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
            number=Numeric(name="labels", low=1, high=16, step=1, default=1, per_unit=4, unit="labels"),
        ),
        Header(
            token="pppoe",
            title="PPPoE and PPP header",
            bytes=8,
            source="RFC 2516 4, 7 (6 + PPP protocol 2)",
            kind="tunnel",
            carries=("ip4", "ip6", "mpls"),
        ),
        Header(
            token="macsec",
            title="MACsec SecTAG with SCI",
            bytes=16,
            source="IEEE 802.1AE 9.3; Linux drivers/net/macsec.c",
            kind="tunnel",
            carries=("ip4", "ip6", "vlan", "qinq", "mpls", "pppoe"),
            flags={"nosci": (-8, "no SCI")},
            trailer=16,
            trailer_title="MACsec ICV",
            note="Linux reserves the SCI whether it is sent or not",
        ),
        Header(
            token="vxlan", title="VXLAN header", bytes=8, source="RFC 7348 5", kind="tunnel", carries=("eth",)
        ),
        Header(
            token="vxlan-gpe",
            title="VXLAN-GPE header",
            bytes=8,
            source="draft-ietf-nvo3-vxlan-gpe 3",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
        ),
        Header(
            token="geneve",
            title="Geneve header",
            bytes=8,
            source="RFC 8926 3.4",
            kind="tunnel",
            carries=("eth", "ip4", "ip6"),
            number=Numeric(
                name="options",
                low=0,
                high=252,
                step=4,
                default=0,
                per_unit=1,
                unit="bytes",
                presets={"ovn": 8, "cilium-dsr": 12},
            ),
        ),
        Header(
            token="gre",
            title="GRE header",
            bytes=4,
            source="RFC 2784 2; RFC 2890 2",
            kind="tunnel",
            carries=("ip4", "ip6", "eth", "mpls"),
            flags=_GRE_FLAGS,
        ),
        Header(
            token="nvgre",
            title="NVGRE header",
            bytes=8,
            source="RFC 7637 3.2 (GRE with key)",
            kind="tunnel",
            carries=("eth",),
        ),
        Header(
            token="erspan",
            title="ERSPAN in GRE",
            bytes=4,
            source="draft-foschiano-erspan 4",
            kind="tunnel",
            carries=("eth",),
            number=Numeric(
                name="type", low=1, high=3, step=1, default=2, per_unit=0, unit="(type I, II or III)"
            ),
            flags={"sub": (8, "ERSPAN platform subheader")},
        ),
        Header(
            token="stt",
            title="STT header",
            bytes=18,
            source="draft-davie-stt 3",
            kind="tunnel",
            carries=("eth",),
            after={"ip4": (20, "TCP-like header"), "ip6": (20, "TCP-like header")},
        ),
        Header(
            token="l2tpv3",
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
            note="iproute2 adds the 4-byte L2-specific sublayer unless told 'l2spec_type none': write l2tpv3:l2spec",
        ),
        Header(
            token="l2tpv2",
            title="L2TPv2 and PPP header",
            bytes=10,
            source="RFC 2661 3.1 (6 + PPP 4)",
            kind="tunnel",
            carries=_L3,
            flags={"seq": (4, "L2TPv2 sequence numbers")},
        ),
        Header(
            token="gtpu",
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
            token="wireguard",
            title="WireGuard data header",
            bytes=16,
            source="WireGuard whitepaper 5.4.6",
            kind="tunnel",
            carries=_L3,
            trailer=16,
            trailer_title="Poly1305 tag",
            note="padding to 16 stops at the device MTU, so the largest packet has none",
        ),
        Header(token="lisp", title="LISP header", bytes=8, source="RFC 9300 5.1", kind="tunnel", carries=_L3),
        Header(
            token="gue",
            title="GUE header",
            bytes=4,
            source="draft-ietf-intarea-gue 3",
            kind="tunnel",
            carries=_L3,
        ),
        Header(
            token="otv",
            title="OTV (GRE and MPLS label)",
            bytes=8,
            source="draft-hasmit-otv 4 (4 + 4)",
            kind="tunnel",
            carries=("eth",),
        ),
    )


HEADERS: dict[str, Header] = {row.token: row for row in _rows()}

# ERSPAN: what follows the 4-byte GRE header by type
ERSPAN_EXTRA: dict[int, tuple[int, str]] = {
    1: (0, ""),
    2: (12, "GRE sequence number and ERSPAN II header"),
    3: (16, "GRE sequence number and ERSPAN III header"),
}

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

# Smallest MTU that each family must be able to carry, RFC 791 3.2 and RFC 8200 5
MIN_MTU: dict[str, int] = {"ip4": 68, "ip6": 1280}

# Largest value that an IP length field can say (an IPv6 payload of that size comes on top of its own header)
MAX_PACKET = 65535
