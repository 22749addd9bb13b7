"""Where a packet leaves WireGuard for: by the peer that has its address among the allowed IPs, not by the next hop."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Given, Text, audit, describe
from netplan.path.trace import trace

KEY = "A" * 43 + "="
ADDR = json.dumps(
    [
        {"ifname": "eth0", "mtu": 1500, "link_type": "ether", "addr_info": [_a]}
        for _a in [{"family": "inet", "local": "192.0.2.1", "prefixlen": 24}]
    ]
    + [
        {"ifname": "eth1", "mtu": 1400, "link_type": "ether", "addr_info": [_a]}
        for _a in [{"family": "inet", "local": "198.51.100.1", "prefixlen": 24}]
    ]
    + [
        {
            "ifname": "wg0",
            "mtu": 1420,
            "link_type": "none",
            "linkinfo": {"info_kind": "wireguard"},
            "addr_info": [{"family": "inet", "local": "10.9.0.1", "prefixlen": 24}],
        }
    ]
)
ROUTE = json.dumps(
    [
        {"dst": "192.0.2.0/24", "dev": "eth0", "protocol": "kernel", "scope": "link", "prefsrc": "192.0.2.1"},
        {"dst": "198.51.100.0/24", "dev": "eth1", "protocol": "kernel", "scope": "link", "prefsrc": "198.51.100.1"},
        {"dst": "10.1.0.0/16", "gateway": "10.9.0.2", "dev": "wg0"},
        {"dst": "10.2.0.0/16", "gateway": "10.9.0.3", "dev": "wg0"},
    ]
)
PEERS = (("192.0.2.2:51820", "10.1.0.0/16"), ("198.51.100.3:51820", "10.2.0.0/16,10.9.0.3/32"))
SHOWN = "interface: wg0\n  public key: {key}\n  listening port: 51820\n" + "".join(
    f"\npeer: {{key}}\n  endpoint: {end}\n  allowed ips: {nets.replace(',', ', ')}\n" for end, nets in PEERS
)
DUMPED = "{key}\t{key}\t51820\toff\n" + "".join(
    f"{{key}}\t(none)\t{end}\t{nets}\t0\t0\t0\toff\n" for end, nets in PEERS
)
ALL = "".join(f"wg0\t{line}\n" for line in DUMPED.splitlines())
QUICK = "[Interface]\nPrivateKey = {key}\nAddress = 10.9.0.1/24\n" + "".join(
    f"\n[Peer]\nPublicKey = {{key}}\nAllowedIPs = {nets}\nEndpoint = {end}\n" for end, nets in PEERS
)


@pytest.mark.parametrize(
    ("name", "text"),
    [("wg.txt", SHOWN), ("wg-dump.txt", DUMPED), ("wg-all.txt", ALL), ("wg0.conf", QUICK)],
    ids=["show", "dump", "all dump", "wg-quick"],
)
def test_wireguard_packet_leaves_by_the_link_to_its_peer(name: str, text: str) -> None:
    texts = [Text("a/addr.json", ADDR), Text("a/route.json", ROUTE), Text(f"a/{name}", text.replace("{key}", KEY))]
    world = describe(texts)
    devices = [
        [hop.device for hop in trace(world.hosts, world.peers, "10.9.0.1", f"10.{n}.0.7").hops if hop.device]
        for n in (1, 2)
    ]
    assert devices == [["wg0", "eth0"], ["wg0", "eth1"]]


def test_wireguard_peer_without_an_address_is_no_far_end() -> None:
    text = "interface: wg0\n\npeer: {key}\n  allowed ips: (none)\n".replace("{key}", KEY)
    world = describe([Text("a/addr.json", ADDR), Text("a/wg.txt", text)])
    assert world.of("a/addr.json").endpoints == {}  # type: ignore[union-attr]


QUICK = (
    "[Interface]\nPrivateKey = x\nMTU = {mtu}\nAddress = {own}\n[Peer]\nEndpoint = {end}:51820\nAllowedIPs = {inside}\n"
)
ROUTEROS = """/interface wireguard
add name=wg0 mtu=1440
add name=wg1 mtu=1381
/interface wireguard peers
add interface=wg0 endpoint-address=192.0.2.9 allowed-address=10.9.0.0/24
add interface=wg1 endpoint-address=10.9.0.9 allowed-address=10.7.0.0/24
"""
VYOS = "".join(
    f"set interfaces wireguard {name} mtu {mtu}\n"
    f"set interfaces wireguard {name} peer p address {end}\n"
    f"set interfaces wireguard {name} peer p allowed-ips {inside}\n"
    for name, mtu, end, inside in (("wg0", 1440, "192.0.2.9", "10.9.0.0/24"), ("wg1", 1381, "10.9.0.9", "10.7.0.0/24"))
)


# each level takes 20 of IPv4, 8 of UDP and 32 of WireGuard: 1500, 1440, 1380
@pytest.mark.parametrize(
    "inputs",
    [
        {
            "wg0.conf": QUICK.format(mtu=1440, own="10.9.0.1/32", end="192.0.2.9", inside="10.9.0.0/24"),
            "wg1.conf": QUICK.format(mtu=1381, own="10.7.0.1/32", end="10.9.0.9", inside="10.7.0.0/24"),
        },
        {"export.rsc": ROUTEROS},
        {"vyos.txt": VYOS},
    ],
    ids=["wg-quick", "routeros", "vyos"],
)
def test_a_configured_tunnel_whose_far_end_is_behind_another_is_counted_twice(inputs):
    report = audit([Text(f"h/{name}", text) for name, text in inputs.items()], Given(link_mtu=1500))
    assert [(v.setting.value, v.exact) for v in report.verdicts] == [(1440, 1440), (1381, 1380)]
    assert [(f.found, f.exact, f.severity) for f in report.findings] == [(1381, 1380, "error")]
