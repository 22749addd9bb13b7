"""Where a packet leaves WireGuard for: by the peer that has its address among the allowed IPs, not by the next hop."""

from __future__ import annotations

import json

import pytest

from netplan.audit import Text, describe
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
