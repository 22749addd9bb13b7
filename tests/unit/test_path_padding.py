"""WireGuard pads up to its device's MTU, and what a route over a tunnel or a tunnel inside one does to a large packet.

The sizes and fates were measured on Debian's kernel 6.1 by tests/kernel/test_paths_in_lab.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netplan.audit import Given, Text, audit, describe
from netplan.cli.main import main
from netplan.path.fate import fate

from .test_path import DEFAULT, ETH0, POD, TO_POD, device, route, walked, world


def wireguard(name: str, mtu: int, level: int) -> dict[str, object]:
    return device(name, mtu, "wireguard", [f"10.9.{level}.1/24"])


def tunnel(kind: str, mtu: int) -> dict[str, object]:
    more = {"id": 7, "port": 4789} if kind == "vxlan" else {"ocsum": True} if kind == "gre:csum" else {}
    ends = {"local": "192.0.2.1", "remote": "192.0.2.2"}
    return device("t1", mtu, kind.partition(":")[0], ["10.9.1.1/24"], **ends, **more)


def peer(end: str) -> str:
    return f"[Interface]\nListenPort = 51820\n\n[Peer]\nEndpoint = {end}:51820\nAllowedIPs = 0.0.0.0/0\n"


@pytest.mark.parametrize(
    ("link", "outer", "wg", "largest"),
    [
        (1460, None, 1420, 1392),  # 1393 would be padded to 1408, and 1400 fit
        (1460, None, 1400, 1400),  # a device of just that size pads nothing in its largest packet
        (1460, None, 1398, 1398),
        (1500, None, 1450, 1440),
        (9000, tunnel("vxlan", 1316), 1297, 1248),
        (9000, tunnel("gre:csum", 1346), 1420, 1280),
        (1600, wireguard("t1", 1450, 1), 1398, 1376),
        (1480, wireguard("t1", 1450, 1), 1398, 1344),  # the outer device pads, too: 1420 fit below it, 1408 padded
    ],
)
def test_wireguard_larger_than_its_path_pads_its_largest_packet(
    link: int, outer: dict[str, object] | None, wg: int, largest: int
) -> None:
    devices = [{**ETH0, "mtu": link}, {**POD, "mtu": 9000}, wireguard("t2", wg, 2), *([outer] if outer else [])]
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "t2", "10.9.2.2")]
    if outer:
        routes.append(route("10.9.1.0/24", "t1", protocol="kernel"))
    found = describe(
        [
            Text("a/addr.json", json.dumps(devices)),
            Text("a/route.json", json.dumps(routes)),
            Text("a/wireguard/t1.conf", peer("192.0.2.2")),
            Text("a/wireguard/t2.conf", peer("10.9.1.2" if outer else "192.0.2.2")),
        ]
    )
    walk = walked(found, "10.1.0.10", "10.2.0.7")
    assert walk.exact == largest, [(hop.device, hop.stack, hop.passes) for hop in walk.hops]
    assert fate(walk, largest).kind == "passes"
    more = fate(walk, largest + 1)
    assert more.kind == ("icmp" if wg == largest else "fragmented outside")


def test_bytes_of_a_padded_packet_are_counted() -> None:
    wg, routes = wireguard("t2", 1420, 2), [DEFAULT, TO_POD, route("10.2.0.0/24", "t2", "10.9.2.2")]
    walk = walked(world(("a", [[{**ETH0, "mtu": 1460}, POD, wg], routes])), "10.1.0.10", "10.2.0.7")
    assert [walk.hops[-1].bytes_of(size) for size in (1392, 1393, 1408, 1409, 1420)] == [1452, 1468, 1468, 1480, 1480]


def test_trace_says_what_padding_costs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wg, routes = wireguard("t2", 1420, 2), [DEFAULT, TO_POD, route("10.2.0.0/24", "t2", "10.9.2.2")]
    (tmp_path / "addr.json").write_text(json.dumps([{**ETH0, "mtu": 1460}, POD, wg]))
    (tmp_path / "route.json").write_text(json.dumps(routes))
    assert main(["trace", "10.1.0.10", "10.2.0.7", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "exact MTU: 1392\nWireGuard pads packets" in out
    assert "no larger than the path, 1400 pass" in out


def test_advice_for_wireguard_is_what_the_path_carries_without_padding() -> None:
    wg, routes = wireguard("t2", 1420, 2), [DEFAULT, TO_POD, route("10.2.0.0/24", "t2", "10.9.2.2")]
    texts = [
        Text("a/addr.json", json.dumps([{**ETH0, "mtu": 1460}, POD, wg])),
        Text("a/r.json", json.dumps(routes)),
        Text("a/t2.conf", peer("192.0.2.2")),
    ]
    said = {v.setting.device: (v.status, v.exact) for v in audit(texts, Given()).verdicts}
    assert said["t2"] == ("judged", 1400)


def test_route_mtu_over_a_tunnel_does_not_hide_the_tunnel() -> None:
    """The tunnel's packet is too large for the link: nobody is told what the pod's own packet would be told."""
    vxlan = device("vx0", 1450, "vxlan", ["10.9.0.1/24"], local="192.0.2.1", remote="192.0.2.2", port=4789, id=1)
    routes = [DEFAULT, TO_POD, route("10.2.0.0/24", "vx0", "10.9.0.2", mtu=1440)]
    walk = walked(world(("a", [[{**ETH0, "mtu": 1480}, POD, vxlan], routes])), "10.1.0.10", "10.2.0.7")
    assert [(hop.device, hop.kind, hop.inner) for hop in walk.hops][1:] == [
        ("vx0", "route", 1440),
        ("eth0", "device", 1430),
    ]
    assert fate(walk, 1431).kind == "fragmented outside"


def test_interface_of_ipsec_inside_another_is_told_of_its_own_packet() -> None:
    state = (
        "src {a} dst {b}\n\tproto esp spi 0x{n} reqid {n} mode tunnel\n\taead rfc4106(gcm(aes)) 0x00 128\n"
        "\tif_id 0x{n}\n"
    )
    policy = (
        "src 0.0.0.0/0 dst 0.0.0.0/0\n\tdir out priority 1\n\ttmpl src {a} dst {b}\n\t\tproto esp reqid {n} "
        "mode tunnel\n\tif_id 0x{n}\n"
    )
    ends = ({"a": "192.0.2.1", "b": "192.0.2.2", "n": 1}, {"a": "10.9.1.1", "b": "10.9.1.2", "n": 2})
    ipsec = "".join(state.format(**e) for e in ends) + "".join(policy.format(**e) for e in ends)
    one = device("t1", 1500, "xfrm", ["10.9.1.1/24"], if_id="0x1", link="eth0")
    two = device("t2", 1424, "xfrm", ["10.9.2.1/24"], if_id="0x2", link="t1")
    routes = [DEFAULT, TO_POD, route("10.9.1.0/24", "t1", protocol="kernel"), route("10.2.0.0/24", "t2", "10.9.2.2")]
    walk = walked(world(("a", [[ETH0, POD, one, two], routes, ipsec])), "10.1.0.10", "10.2.0.7")
    assert [hop.device for hop in walk.hops] == ["cali00000000001", "t2", "t1", "eth0"]
    assert fate(walk, walk.exact + 1).kind == "dropped silently"


def vx(name: str, mtu: int, here: str, level: int, **more: object) -> dict[str, object]:
    ends = {"local": here, "remote": here[:-1] + "2", "port": 4790 + level, "id": level}
    return device(name, mtu, "vxlan", [f"10.9.{level}.1/24"], **ends, **more)


IN_XFRM = (
    "src 192.0.2.1 dst 192.0.2.2\n\tproto esp spi 0x1 reqid 1 mode tunnel\n\taead rfc4106(gcm(aes)) 0x00 128\n"
    "\tif_id 0x1\nsrc 0.0.0.0/0 dst 0.0.0.0/0\n\tdir out priority 1\n\ttmpl src 192.0.2.1 dst 192.0.2.2\n"
    "\t\tproto esp reqid 1 mode tunnel\n\tif_id 0x1\n"
)


@pytest.mark.parametrize(
    ("df", "inner", "kind"),
    [
        ("inherit", "wireguard", "fragmented outside"),  # WireGuard never forbids it
        ("inherit", "vxlan", "fragmented outside"),
        ("inherit", "gre", "dropped silently"),  # which forbids it, as its device says (pmtudisc)
        ("set", "wireguard", "dropped silently"),
        ("unset", "gre", "fragmented outside"),
    ],
)
def test_who_inherits_dont_fragment_from_another_tunnel(df: str, inner: str, kind: str) -> None:
    """Drawn topologies 21021 and 21045 on Linux 7.2: the middle VXLAN is larger than what carries it."""
    low, middle = vx("t1", 1344, "192.0.2.1", 1), vx("t2", 1500, "10.9.1.1", 2, df=df)
    ends = {} if inner == "wireguard" else {"local": "10.9.2.1", "remote": "10.9.2.2"}
    more = {"port": 4793, "id": 3} if inner == "vxlan" else {}
    top = device("t3", 1420, inner, ["10.9.3.1/24"], **ends, **more)
    routes = [DEFAULT, TO_POD, *(route(f"10.9.{n}.0/24", f"t{n}", protocol="kernel") for n in (1, 2))]
    texts = [
        Text("a/addr.json", json.dumps([{**ETH0, "mtu": 9000}, {**POD, "mtu": 9000}, low, middle, top])),
        Text("a/route.json", json.dumps([*routes, route("10.2.0.0/24", "t3", "10.9.3.2")])),
        Text("a/t3.conf", peer("10.9.2.2")),
    ]
    walk = walked(describe(texts[: 3 if inner == "wireguard" else 2]), "10.1.0.10", "10.2.0.7")
    assert [hop.device for hop in walk.hops][1:] == ["t3", "t2", "t1", "eth0"]
    assert walk.exact < 1300, "below the middle tunnel, not at a device"
    assert fate(walk, walk.exact + 1).kind == kind


@pytest.mark.parametrize(
    ("xfrm", "link", "df", "entry", "kind", "value"),
    [
        (1393, 1900, "set", "socket", "error", 1343),  # drawn topology 21069 on Linux 7.2
        (1393, 1900, "set", "pod", "dropped silently", None),
        (1500, 1500, "unset", "socket", "fragmented outside", None),  # 21070: below the interface nothing is seen
        (1500, 1500, "set", "socket", "dropped silently", None),
    ],
)
def test_interface_of_ipsec_hides_what_is_below_it(
    xfrm: int, link: int, df: str, entry: str, kind: str, value: int | None
) -> None:
    one = device("t1", xfrm, "xfrm", ["10.9.1.1/24"], if_id="0x1", link="eth0")
    routes = [DEFAULT, TO_POD, route("10.9.1.0/24", "t1", protocol="kernel"), route("10.2.0.0/24", "t2", "10.9.2.2")]
    devices = [{**ETH0, "mtu": link}, POD, one, vx("t2", 1450, "10.9.1.1", 2, df=df)]
    walk = walked(world(("a", [devices, routes, IN_XFRM])), "10.1.0.10" if entry == "pod" else "10.9.2.1", "10.2.0.7")
    said = fate(walk, walk.exact + 1)
    assert (said.kind, said.value) == (kind, value)


def test_tunnel_reports_nothing_for_a_packet_that_ipv6_always_may_send() -> None:
    """Drawn topology 9044 on Linux 6.1: ip6gre over an XFRM interface of 1299, IPv6 inside."""
    one = device("t1", 1299, "xfrm", ["fd09:1::1/64"], if_id="0x1", link="eth0")
    two = device("t2", 1448, "ip6gre", ["fd09:2::1/64"], local="fd09:1::1", remote="fd09:1::2", encap_limit=4)
    routes = [DEFAULT, route("fd01::10", "cali00000000001"), route("fd09:1::/64", "t1", protocol="kernel")]
    routes.append(route("fd02::/64", "t2", "fd09:2::2"))
    ipsec = IN_XFRM.replace("0.0.0.0/0", "::/0")
    walk = walked(world(("a", [[ETH0, POD, one, two], routes, ipsec])), "fd01::10", "fd02::7")
    assert (walk.exact, walk.hops[-1].device) == (1247, "eth0")
    assert [fate(walk, size).kind for size in (1247, 1248, 1280, 1281)] == ["passes", *["dropped silently"] * 2, "icmp"]
    assert fate(walk, 1281).value == 1280
