"""What carries a tunnel or a container is found by addresses and files, and only where these say so."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Report, Text, audit

HOST = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc mq state UP
    link/ether 02:00:00:00:00:11 brd ff:ff:ff:ff:ff:ff
    inet 192.0.2.10/24 scope global eth0
4: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:42:00:00:00:12 brd ff:ff:ff:ff:ff:ff
    inet 172.17.0.1/16 scope global docker0
"""
CLIENT = """[Interface]
PrivateKey = x
Address = 10.1.0.{n}/24
{more}
[Peer]
PublicKey = y
AllowedIPs = {allowed}
Endpoint = 203.0.113.7:51820
"""


def judged(*texts: Text) -> Report:
    return audit(list(texts), Given())


def client(name: str, *, n: int = 2, more: str = "", allowed: str = "0.0.0.0/0, ::/0") -> Text:
    return Text(f"{name}.conf", CLIENT.format(n=n, more=more, allowed=allowed))


def of(report: Report, system: str) -> int | None:
    """Return the exact size of the first number of a system."""
    return next(v.exact for v in report.verdicts if v.setting.system == system)


@pytest.mark.parametrize(
    ("clients", "exact"),
    [
        ([client("wg0")], 1420),
        ([client("wg0", more="MTU = 1425")], 1425),
        ([client("wg0", more="Table = off")], 1500),
        ([client("wg0", allowed="10.1.0.0/24")], 1500),
        ([client("alice"), client("bob", n=3)], 1500),  # the files of several clients, not of this host
    ],
)
def test_a_full_tunnel_takes_the_containers_packets(clients: list[Text], exact: int) -> None:
    assert of(judged(Text("ip.txt", HOST), *clients), "docker") == exact


@pytest.mark.parametrize(("peers", "exact"), [("10.1.0.1,10.1.0.2", 1370), ("192.0.2.10,192.0.2.11", 1450)])
def test_a_zone_goes_the_way_of_its_peers(peers: str, exact: int) -> None:
    zone = Text("zones.cfg", f"vxlan: z\n\tpeers {peers}\n\tmtu 1370\n")
    assert of(judged(Text("ip.txt", HOST), client("wg0", allowed="10.1.0.0/24"), zone), "proxmox") == exact


def routed(mtus: tuple[int | None, int | None], *, remote: str = "192.0.2.11", lower: str = "eth0") -> Report:
    """Judge a VXLAN device on a link of 1500 whose routes, to its network and to others, have these MTUs."""
    vxlan = {"id": 1, "local": "192.0.2.10", "port": 4789, "link": lower, "remote": remote}
    links: list[dict[str, object]] = [
        {
            "ifname": "eth0",
            "mtu": 1500,
            "flags": ["UP"],
            "link_type": "ether",
            "addr_info": [{"family": "inet", "local": "192.0.2.10", "prefixlen": 24}],
        },
        {
            "ifname": "v0",
            "mtu": 1450,
            "flags": ["UP"],
            "link_type": "ether",
            "linkinfo": {"info_kind": "vxlan", "info_data": {k: v for k, v in vxlan.items() if v}},
        },
    ]
    routes: list[dict[str, object]] = [
        {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "dhcp"},
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0", "protocol": "dhcp"},
    ]
    for route, mtu in zip(routes, mtus, strict=True):
        route |= {"metrics": [{"mtu": mtu}]} if mtu else {}
    return judged(Text("n1-addr.json", json.dumps(links)), Text("n1-route.json", json.dumps(routes)))


@pytest.mark.parametrize("lower", ["eth0", ""])
@pytest.mark.parametrize(
    ("mtus", "remote", "exact"),
    [
        ((1400, 1400), "192.0.2.11", 1350),  # as dhcpcd 9.4.1 leaves them: the MTU of DHCP is on the routes alone
        ((1400, None), "192.0.2.11", 1350),
        ((None, 1400), "192.0.2.11", 1450),
        ((None, 1400), "198.51.100.7", 1350),
        ((None, None), "192.0.2.11", 1450),
    ],
)
def test_the_mtu_of_a_route_counts_under_a_tunnel(
    mtus: tuple[int | None, int | None], remote: str, exact: int, lower: str
) -> None:
    """Measured on Linux 6.18, with and without `dev`: 1350 bytes go in one packet, 1351 in two fragments."""
    report = routed(mtus, remote=remote, lower=lower)
    assert of(report, "linux") == exact
    of_routes = [v for v in report.verdicts if v.setting.system == "routes"]
    assert {v.exact for v in of_routes} <= {1500}, "a route is judged by what is under it"


@pytest.mark.parametrize(
    ("mtus", "exact"), [((1400, 1400), 1350), ((1300, 1400), 1250), ((1400, None), 1450), ((None, None), 1450)]
)
def test_of_many_far_ends_a_routes_mtu_counts_where_all_routes_have_one(
    mtus: tuple[int | None, int | None], exact: int
) -> None:
    report = routed(mtus, remote="")
    assert of(report, "linux") == exact
    assumed = [a for v in report.verdicts for a in v.assumed if "no far end's address" in a]
    assert bool(assumed) == (mtus == (1300, 1400))


V6 = [
    {
        "ifname": "eth0.5",
        "mtu": 1500,
        "flags": ["UP"],
        "link_type": "ether",
        "addr_info": [{"family": "inet6", "local": "2001:db8::1", "prefixlen": 64}],
    },
    {
        "ifname": "v0",
        "mtu": 1430,
        "flags": ["UP"],
        "link_type": "ether",
        "linkinfo": {
            "info_kind": "vxlan",
            "info_data": {"id": 1, "local6": "2001:db8::1", "remote6": "2001:db8::2", "port": 4789, "link": "eth0.5"},
        },
    },
]


@pytest.mark.parametrize(
    ("values", "exact"),
    [
        ("net.ipv6.conf.all.mtu = 1280\nnet.ipv6.conf.default.mtu = 1280\nnet.ipv6.conf.eth0/5.mtu = 1400\n", 1330),
        ("net/ipv6/conf/eth0.5/mtu:1400\nnet/ipv6/conf/lo/mtu:65536\n", 1330),
        ("net/ipv6/conf/eth0.5/mtu = 1400\n", 1330),
        ("net.ipv6.conf.eth0/5.mtu = 1500\n", 1430),
        ("net.ipv6.conf.eth0.mtu = 1400\n", 1430),
    ],
)
def test_what_ipv6_has_of_its_own_counts(values: str, exact: int) -> None:
    """Measured on Linux 6.18: 1330 bytes come through, 1331 don't, and `ip` shows no reason."""
    report = judged(Text("n1-addr.json", json.dumps(V6)), Text("n1-sysctl.txt", values))
    assert of(report, "linux") == exact
    assert not report.skipped
    (v0,) = (v for v in report.verdicts if v.setting.system == "linux")
    assert ("net.ipv6.conf.eth0/5.mtu" in (v0.limit or "")) == (exact == 1330)


POLICY = """src 192.0.2.10 dst 192.0.2.11
	proto esp spi 0xc0000001 reqid 1 mode transport
	replay-window 32{more}
	aead rfc4106(gcm(aes)) 0x00 128
src 192.0.2.10/32 dst 192.0.2.11/32 proto udp dport 4789
	dir out priority 366655{more}
	tmpl src 0.0.0.0 dst 0.0.0.0
		proto esp spi 0xc0000001 reqid 1 mode transport
"""


@pytest.mark.parametrize(
    ("values", "more", "named"),
    [
        ("net.ipv4.conf.eth0.disable_xfrm = 1\n", "", ["net.ipv4.conf.eth0.disable_xfrm"]),
        ("net/ipv4/conf/all/disable_xfrm:1\n", "", ["net.ipv4.conf.all.disable_xfrm"]),
        ("net.ipv4.conf.eth0.disable_xfrm = 0\nnet.ipv4.conf.lo.disable_xfrm = 1\n", "", []),
        ("net.ipv4.conf.default.disable_xfrm = 1\nnet.ipv4.conf.docker0.disable_xfrm = 1\n", "", []),
        ("net.ipv4.conf.eth0.disable_xfrm = 1\n", "\n\tmark 0x7/0xffffffff", []),  # a VTI's, on the link under it
    ],
)
def test_a_link_that_ipsec_is_taken_off_is_named(values: str, more: str, named: list[str]) -> None:
    policy = Text("n1-policy.txt", POLICY.format(more=more))
    report = judged(Text("n1-ip.txt", HOST), policy, Text("n1-sysctl.txt", values))
    assert [f.field for f in report.findings if f.system == "sysctl"] == named
    assert not report.skipped


INTERFACES = """iface eno1 inet manual
{port}
auto vmbr0
iface vmbr0 inet static
    address 192.0.2.11/24
    bridge-ports {ports}
    mtu {mtu}
"""


@pytest.mark.parametrize(
    ("mtu", "ports", "port", "found"),
    [
        (9000, "eno1", "", [1500]),
        (9000, "eno1", "    mtu 9000", []),
        (9000, "eno1", "    mtu 4000", [4000]),
        (1500, "eno1", "", []),
        (9000, "none", "", []),
        (9000, "vxlan7", "", []),  # what a port of another kind has, the file does not say
    ],
)
def test_a_bridge_is_not_larger_than_its_ports(mtu: int, ports: str, port: str, found: list[int]) -> None:
    text = INTERFACES.format(mtu=mtu, ports=ports, port=port)
    report = judged(Text("etc/network/interfaces", text))
    assert [f.exact for f in report.findings if f.system == "links"] == found


def test_a_vrf_is_not_on_its_members() -> None:
    text = """2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400 qdisc mq master blue state UP
    link/ether 02:00:00:00:00:11 brd ff:ff:ff:ff:ff:ff promiscuity 0
7: blue: <NOARP,MASTER,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP
    link/ether 02:00:00:00:00:12 brd ff:ff:ff:ff:ff:ff promiscuity 0
    vrf table 10
"""
    assert not judged(Text("ip.txt", text)).findings


def test_no_message_shows_a_secret_that_stands_beside_a_number() -> None:
    text = "/interface gre\nadd ipsec-secret=swordfish mtu=1476 name=g remote-address=198.51.100.1\n"
    (finding,) = judged(Text("export.rsc", text)).findings
    source = finding.location.source or ""
    assert "swordfish" not in source
    assert "ipsec-secret=********* mtu=1476" in source


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: a}\nspec: {mtu: 1500}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: b, args: ['--mtu=1500']}]}\n",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
        "spec: {containers: [{name: b, env: [{name: TUN_MTU, value: '1500'}]}]}\n",
    ],
)
def test_an_mtu_that_no_reader_takes_is_named(text: str) -> None:
    report = judged(Text("a.yaml", text))
    assert [(v.status, v.setting.value) for v in report.verdicts] == [("unjudged", 1500)]
    assert report.findings[0].code == "IPP918"
