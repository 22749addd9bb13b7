"""The path model: what a walk finds on hosts that are written down here, and what becomes of a packet."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.audit import Text, describe
from netplan.cli.main import main
from netplan.path.fate import fate
from netplan.path.kinds import FALLBACK, interface
from netplan.path.model import NotKnown
from netplan.path.trace import trace


def device(name, mtu, kind="", addresses=(), **more):
    data = {k: more.pop(k) for k in list(more) if k in DATA}
    found = {"ifname": name, "mtu": mtu, "operstate": "UP", "link_type": "ether", "flags": ["UP"], **more}
    found["addr_info"] = [
        {"family": "inet6" if ":" in a else "inet", "local": a.split("/")[0], "prefixlen": int(a.split("/")[1])}
        for a in addresses
    ]
    if kind:
        found["linkinfo"] = {"info_kind": kind, "info_data": data}
    return found


DATA = (
    "id",
    "local",
    "remote",
    "remote6",
    "local6",
    "port",
    "df",
    "okey",
    "ocsum",
    "oseq",
    "if_id",
    "external",
    "encap",
)
DATA += ("pmtudisc", "encap_limit", "ip6_tnl_f_ign_encap_limit")


def route(dst, dev, via="", mtu=None, **more):
    found = {"dst": dst, "dev": dev, "flags": [], **more}
    return found | ({"gateway": via} if via else {}) | ({"metrics": [{"mtu": mtu}]} if mtu else {})


def world(*hosts):
    texts = []
    for name, parts in hosts:
        for number, part in enumerate(parts):
            text = part if isinstance(part, str) else json.dumps(part)
            texts.append(Text(f"{name}/{number}.txt", text))
    return describe(texts)


def walked(found, src, dst, mtu=None):
    return trace(found.hosts, found.peers, src, dst, mtu)


ETH0 = device("eth0", 1500, addresses=["192.0.2.1/24"])
POD = device("cali00000000001", 1500, "veth", link_netnsid=0, link_index=3)
TO_POD = route("10.1.0.10", "cali00000000001")
DEFAULT = route("default", "eth0", "192.0.2.254")
VXLAN = device("vx0", 1450, "vxlan", ["10.9.0.1/24"], local="192.0.2.1", remote="192.0.2.2", port=4789, id=1)
ESP = (
    "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x1 reqid 5 mode transport\n\taead rfc4106(gcm(aes)) 0x00 128\n"
    "src 192.0.2.1/32 dst 192.0.2.2/32 proto udp dport 4789\n\tdir out priority 1\n"
    "\ttmpl src 192.0.2.1 dst 192.0.2.2\n\t\tproto esp reqid 5 mode transport\n"
)


def test_walk_goes_down_through_a_tunnel_in_a_tunnel():
    wg = device("wg0", 1420, "wireguard", ["10.77.0.1/24"])
    ipip = device("tunl0", 1440, "ipip", ["10.244.1.1/32"], pmtudisc=False)
    routes = [
        DEFAULT,
        TO_POD,
        route("10.77.0.0/24", "wg0", protocol="kernel"),
        route("10.2.0.0/24", "tunl0", "10.77.0.2"),
    ]
    found = walked(world(("a", [[ETH0, POD, wg, ipip], routes])), "10.1.0.10", "10.2.0.7")
    assert [hop.device for hop in found.hops] == ["cali00000000001", "tunl0", "wg0", "eth0"]
    assert [hop.stack for hop in found.hops][2:] == ["ip4/ip4", "ip4/udp/wireguard/ip4/ip4"]
    assert found.exact == 1400


def test_esp_is_put_on_by_its_selector_and_by_nothing_else():
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]
    assert walked(world(("a", [[ETH0, POD, VXLAN], routes, ESP])), "10.1.0.10", "10.2.0.7").exact == 1416
    other = ESP.replace("dport 4789", "dport 4790")
    assert walked(world(("a", [[ETH0, POD, VXLAN], routes, other])), "10.1.0.10", "10.2.0.7").exact == 1450
    elsewhere = ESP.replace("192.0.2.2", "192.0.2.3")
    assert walked(world(("a", [[ETH0, POD, VXLAN], routes, elsewhere])), "10.1.0.10", "10.2.0.7").exact == 1450
    marked = ESP.replace("reqid 5 mode", "reqid 5 mark 0x7 mode").replace("dir out", "mark 0x7 dir out")
    marked = marked.replace("dport 4789\n", "dport 4789\n\tmark 0x7/0xffffffff\n")
    assert walked(world(("a", [[ETH0, POD, VXLAN], routes, marked])), "10.1.0.10", "10.2.0.7").exact == 1450


def test_mtu_of_a_route_over_a_tunnel_counts_instead_of_the_devices():
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2", mtu=1400)]
    found = walked(world(("a", [[ETH0, POD, VXLAN], routes])), "10.1.0.10", "10.2.0.7")
    assert (found.exact, found.hops[1].kind) == (1400, "route")


def test_smaller_link_of_the_peer_counts():
    peer = [device("eth0", 1400, addresses=["192.0.2.2/24"])]
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]
    found = walked(world(("a", [[ETH0, POD, VXLAN], routes]), ("b", [peer])), "10.1.0.10", "10.2.0.7")
    assert found.exact == 1350
    assert fate(found, 1351).kind == "dropped silently"


def test_path_mtu_replaces_the_last_hop_only():
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]
    assert walked(world(("a", [[ETH0, POD, VXLAN], routes])), "10.1.0.10", "10.2.0.7", 1400).exact == 1350


@pytest.mark.parametrize(
    ("df", "remote", "size", "kind", "value"),
    [
        ("unset", "192.0.2.2", 1450, "fragmented outside", None),
        ("set", "192.0.2.2", 1450, "dropped silently", None),
        ("inherit", "192.0.2.2", 1450, "dropped silently", None),
        ("unset", "192.0.2.2", 1451, "icmp", 1450),
        ("unset", "192.0.2.2", 1416, "passes", None),
    ],
)
def test_fate_in_a_vxlan_device_that_knows_no_ipsec(df, remote, size, kind, value):
    vxlan = device("vx0", 1450, "vxlan", ["10.9.0.1/24"], local="192.0.2.1", remote=remote, port=4789, id=1, df=df)
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]
    found = walked(world(("a", [[ETH0, POD, vxlan], routes, ESP])), "10.1.0.10", "10.2.0.7")
    said = fate(found, size)
    assert (said.kind, said.value) == (kind, value)


def test_fate_on_a_bridge_is_reported_in_the_far_pods_name():
    pod = device("veth1", 1450, "veth", link_netnsid=0, link_index=2, master="br0")
    bridge = device("br0", 1450, "bridge")
    vxlan = device("vx0", 1450, "vxlan", local="192.0.2.1", remote="192.0.2.2", port=4789, id=1, master="br0")
    found = walked(world(("a", [[ETH0, pod, bridge, vxlan], [DEFAULT], ESP])), "veth1", "10.3.0.20")
    assert found.entry == "bridged"
    assert (fate(found, 1417).kind, fate(found, 1417).value) == ("icmp", 1416)
    assert fate(found, 1417, df=False).kind == "fragmented outside"


def test_walk_that_comes_back_to_its_own_device_is_refused():
    vxlan = device("vx0", 1450, "vxlan", ["10.9.0.1/24"], local="10.9.0.1", remote="10.9.0.2", port=4789, id=1)
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2"), route("10.9.0.0/24", "vx0", protocol="kernel")]
    with pytest.raises(NotKnown, match="carry its own packets"):
        walked(world(("a", [[ETH0, POD, vxlan], routes])), "10.1.0.10", "10.2.0.7")


@pytest.mark.parametrize("name", sorted(FALLBACK))
def test_fallback_device_is_nobodys(name):
    kind = name[:-1].replace("ip_", "").replace("ip6_vti", "vti6").replace("tunl", "ipip")
    entry = {"ifname": name, "mtu": 1480, "operstate": "DOWN", "flags": ["NOARP"], "linkinfo": {"info_kind": kind}}
    assert interface(entry).role == "nothing"
    assert interface({**entry, "flags": ["NOARP", "UP"]}).role != "nothing"


@pytest.mark.parametrize(
    ("kind", "data", "head"),
    [
        ("gre", {"okey": "0.0.0.5", "ocsum": True}, ("gre:key:csum",)),
        ("ip6gretap", {"encap_limit": 4}, ("dstopts:8", "gre", "eth")),
        ("ip6gretap", {"ip6_tnl_f_ign_encap_limit": True}, ("gre", "eth")),
        ("ipip", {"encap": {"type": "fou"}}, ("udp",)),
        ("ipip", {"encap": {"type": "gue"}}, ("udp", "gue")),
        ("geneve", {"inner_proto_inherit": True}, ("udp", "geneve")),
        ("erspan", {"erspan_ver": 2}, ("erspan:3", "eth")),
    ],
)
def test_headers_of_a_device_are_those_of_its_type(kind, data, head):
    entry = {"ifname": "x7", "mtu": 1400, "linkinfo": {"info_kind": kind, "info_data": data}}
    assert interface(entry).head == head


@pytest.mark.parametrize(("kind", "shell"), [("gre", "fou"), ("gretap", "gue"), ("ip6tnl", "fou")])
def test_headers_that_are_not_known_are_said(kind, shell):
    entry = {"ifname": "x7", "mtu": 1400, "linkinfo": {"info_kind": kind, "info_data": {"encap": {"type": shell}}}}
    found = interface(entry)
    assert (found.role, bool(found.why)) == ("unknown", True)


def test_trace_prints_the_walk_and_its_fate(tmp_path, capsys):
    (tmp_path / "addr.json").write_text(json.dumps([ETH0, POD, VXLAN]))
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2")]
    (tmp_path / "route.json").write_text(json.dumps(routes))
    (tmp_path / "xfrm.txt").write_text(ESP)
    assert main(["trace", "10.1.0.10", "10.2.0.7", str(tmp_path), "--size", "1450"]) == 4
    out = capsys.readouterr().out
    assert "exact MTU: 1416" in out
    assert "1450 bytes: fragmented outside at eth0" in out
    assert main(["trace", "10.1.0.10", "10.2.0.7", str(tmp_path), "--size", "1416"]) == 0
    capsys.readouterr()
    assert main(["trace", "10.1.0.10", "10.2.0.7", str(tmp_path), "--json", "--mtu", "azure-fabric"]) == 0
    assert json.loads(capsys.readouterr().out)["result"]["exact"] == 1316


@pytest.mark.parametrize(
    ("src", "dst", "said"),
    [
        ("10.8.0.1", "10.2.0.7", "on none of the hosts"),
        ("nosuch", "10.2.0.7", "no host has a device"),
        ("10.1.0.10", "not-an-address", "no IP address"),
    ],
)
def test_trace_that_cannot_be_made_says_what_is_missing(src, dst, said, tmp_path, capsys):
    (tmp_path / "addr.json").write_text(json.dumps([ETH0, POD]))
    (tmp_path / "route.json").write_text(json.dumps([DEFAULT, TO_POD]))
    assert main(["trace", src, dst, str(tmp_path)]) == 9
    err = capsys.readouterr().err
    assert "IPP920" in err
    assert said in err


def test_trace_that_cannot_be_made_names_what_was_not_read(tmp_path, capsys):
    missing = tmp_path / "nowhere"
    assert main(["trace", "10.1.0.10", "10.2.0.7", str(missing)]) == 9
    err = capsys.readouterr().err
    assert f"{missing}: warning IPP910: skipped: can't be read: No such file or directory" in err


@settings(max_examples=60, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(["vxlan", "geneve", "gre", "ipip", "gretap", "wireguard"]), min_size=1, max_size=4),
    sizes=st.lists(st.integers(1300, 9100), min_size=6, max_size=6),
    size=st.integers(600, 9200),
    df=st.booleans(),
)
def test_packet_passes_exactly_up_to_the_exact_mtu(kinds, sizes, size, df):
    devices = [device("eth0", sizes[0], addresses=["10.9.0.1/24"]), {**POD, "mtu": sizes[1]}]
    for level, kind in enumerate(kinds, 1):
        ends = {} if kind == "wireguard" else {"local": f"10.9.{level - 1}.1", "remote": f"10.9.{level - 1}.2"}
        devices.append(device(f"t{level}", sizes[1 + level], kind, [f"10.9.{level}.1/24"], **ends))
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", f"t{len(kinds)}", f"10.9.{len(kinds)}.2")]
    found = walked(world(("a", [devices, routes])), "10.1.0.10", "10.2.0.7")
    assert found.exact == min(hop.passes for hop in found.hops)
    assert found.exact <= min(sizes[1], sizes[1 + len(kinds)])
    said = fate(found, size, df=df)
    assert (said.kind == "passes") == (size <= found.exact)
    if said.value is not None:
        assert said.value < size
    for hop in found.hops:
        assert hop.bytes_of(hop.passes) <= hop.mtu < hop.bytes_of(hop.passes + 1) or hop.passes >= 65535
