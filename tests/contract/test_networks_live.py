"""Several networks between two hosts on this machine's own kernel: what the guard drops, what reach hears of each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from netplan.host import guard
from netplan.verify.reach import judge
from tests.support.namespaces import NEEDS, ROOT, inside, ip

pytestmark = NEEDS
ADDRESSES = {"": "10.9.0.{}", "ipv6": "fd09::{}", "storage": "10.10.0.{}"}
TALK = """
import json
from netplan.agent.phases import reachability
from netplan.agent.system import core, preflight_packets
from netplan.agent.transaction import state
core.write.__defaults__ = (0o600, {uid}, {gid})
state.RUN = preflight_packets.RUN = {folder!r}
reachability.LIFE_S, reachability.LINGER_S = 4.0, 0.3
print(json.dumps(reachability.wait(reachability.start(json.loads({node!r}), "tx-1"), 5)))
"""

LOOK = """
import json
from netplan.agent.phases import preflight
node = json.loads({node!r})
print(json.dumps([found["message"] for found in {look}]))
"""
UNDERLAY = "preflight._underlay(node)"


def second(names: tuple[str, str]) -> None:
    for number, name in enumerate(names, 1):
        ip("-n", name, "addr", "add", f"10.10.0.{number}/24", "dev", "u")
        ip("-n", name, "addr", "add", f"10.11.0.{number}/24", "dev", "u")  # an address that no plan names


def test_the_guard_drops_on_every_network_and_across(pair: tuple[str, str]) -> None:
    second(pair)
    own = {network: text.format(1) for network, text in ADDRESSES.items()}
    text = guard.ruleset(
        4789,
        drop=True,
        peers=["10.9.0.2"],
        clear=["tcp/22"],
        address=own[""],
        networks=[(own["ipv6"], ["fd09::2"]), (own["storage"], ["10.10.0.2"])],
    )

    def ping(source: str, to: str) -> bool:
        return inside(pair[0], "ping", "-c", "1", "-W", "1", "-I", source, to).returncode == 0

    ways = [
        (own[""], "10.9.0.2"),
        (own["ipv6"], "fd09::2"),
        (own["storage"], "10.10.0.2"),
        (own[""], "10.10.0.2"),
        (own["storage"], "10.9.0.2"),
    ]
    for source, to in ways:  # the other end answers to both of its addresses
        assert ping(source, to), (source, to)
    inside(pair[0], "ip", "neigh", "flush", "all")
    loaded = inside(pair[0], "nft", "-f", "-", input=text)
    assert loaded.returncode == 0, loaded.stderr
    for source, to in ways:
        assert not ping(source, to), (source, to)
    assert ping("10.11.0.1", "10.11.0.2"), "the plan does not name it"
    inside(pair[1], "ip", "neigh", "flush", "all")
    assert inside(pair[1], "ping", "-c", "1", "-W", "1", "fd09::1").returncode != 0
    assert "lladdr" in inside(pair[1], "ip", "-6", "neigh", "show", "to", "fd09::1").stdout, "neighbours are found"
    listed = inside(pair[0], "nft", "list", "counter", "inet", "ipsecplan", "clear_out").stdout
    assert "packets 5" in listed


def test_reach_is_told_of_each_network(pair: tuple[str, str], tmp_path: Path) -> None:
    second(pair)
    nodes = []
    for number in (1, 2):
        peers = [
            {
                "id": f"n{3 - number}",
                "name": f"n{3 - number}",
                "address": text.format(3 - number),
                "link_mtu": 1500,
                "local": text.format(number),
                "encap": False,
                **({"network": network} if network else {}),
            }
            for network, text in ADDRESSES.items()
        ]
        own = {"address": f"10.9.0.{number}", "mtu": 1500}
        nodes.append({"id": f"n{number}", "name": f"n{number}", "underlay": own, "peers": peers})
    # protocol 50 is cut on one of them alone
    cut = "table ip t { chain i { type filter hook input priority 0; ip saddr 10.10.0.2 ip protocol esp drop\n}\n}\n"
    assert inside(pair[0], "nft", "-f", "-", input=cut).returncode == 0
    running = []
    for name, node in zip(pair, nodes, strict=True):
        code = textwrap.dedent(TALK).format(
            node=json.dumps(node), uid=os.getuid(), gid=os.getgid(), folder=str(tmp_path / name)
        )
        argv = ["ip", "netns", "exec", name, sys.executable, "-c", code]
        running.append(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE))
    heard = {
        str(node["id"]): json.loads(process.communicate(timeout=30)[0])
        for node, process in zip(nodes, running, strict=True)
    }
    assert {row.get("network", "") for row in heard["n1"]} == set(ADDRESSES)
    assert [problem.message for problem in judge(nodes, heard)] == [
        "n2 -> n1 (storage): protocol 50 does not pass, UDP 4500 does"
    ]


def test_a_route_to_a_peer_that_is_smaller_than_planned_is_found(pair: tuple[str, str]) -> None:
    """The link is as planned; what is larger than the route's MTU is fragmented or refused all the same."""
    second(pair)

    def found(link_mtu: int = 1500) -> list[str]:
        places = [("", "10.9.0.{}"), ("ipv6", "fd09::{}")]
        node = {
            "underlay": {"address": "10.9.0.1", "mtu": 1500},
            "networks": [{"name": "ipv6", "address": "fd09::1", "mtu": 1500}],
            "peers": [
                {"address": text.format(n), "link_mtu": link_mtu, **({"network": name} if name else {})}
                for name, text in places
                for n in (2, 3)
            ],
        }
        done = inside(pair[0], sys.executable, "-c", LOOK.format(node=json.dumps(node), look=UNDERLAY), cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    assert found() == []
    ip("-n", pair[0], "route", "add", "10.9.0.0/24", "dev", "u", "mtu", "1400", "metric", "50")
    ip("-n", pair[0], "route", "add", "default", "via", "10.9.0.2", "mtu", "1300")
    assert found() == [], "no packet to a peer takes either of them"
    ip("-n", pair[0], "route", "del", "10.9.0.0/24", "dev", "u", "proto", "kernel")
    ip("-n", pair[0], "-6", "route", "replace", "fd09::/64", "dev", "u", "mtu", "1420", "metric", "1")
    assert found() == [
        "the route to 10.9.0.0/24 over u has MTU 1400, the plan says 1500",
        "the route to fd09::/64 over u has MTU 1420, the plan says 1500",
    ]
    assert found(1400) == [], "the plan says it of the way (underlay.paths)"


def test_an_mtu_that_ipv6_has_of_its_own_is_found(pair: tuple[str, str]) -> None:
    """What a router's advertisement sets; the link, its routes and `ip route get` are as before, and IPv4 is, too."""
    networks = [{"name": "ipv6", "address": "fd09::1", "mtu": 1500}]
    node = {"underlay": {"address": "10.9.0.1", "mtu": 1500}, "networks": networks, "peers": []}
    look = [sys.executable, "-c", LOOK.format(node=json.dumps(node), look=UNDERLAY)]
    assert json.loads(inside(pair[0], *look, cwd=ROOT).stdout) == []
    assert inside(pair[0], "sysctl", "-qw", "net.ipv6.conf.u.mtu=1400").returncode == 0
    assert json.loads(inside(pair[0], *look, cwd=ROOT).stdout) == ["IPv6 on u has MTU 1400, the plan says 1500"]
    shown = ip("-n", pair[0], "-d", "link", "show", "u") + ip("-n", pair[0], "-6", "route", "get", "fd09::2")
    assert "1400" not in shown
    refused = inside(pair[0], "ping", "-6", "-c", "1", "-W", "1", "-M", "do", "-s", "1353", "fd09::2")
    assert "too long" in refused.stdout + refused.stderr  # iputils of Debian 12 says "mtu: 1400", too
    assert inside(pair[0], "ping", "-6", "-c", "1", "-W", "5", "-M", "do", "-s", "1352", "fd09::2").returncode == 0


@pytest.mark.parametrize("where", ["all", "u"])
@pytest.mark.parametrize(
    ("family", "word", "passes"),
    [(4, "disable_xfrm", True), (4, "disable_policy", False), (6, "disable_policy", False)],
)
def test_a_setting_that_takes_ipsec_off_a_link_is_found(
    pair: tuple[str, str], where: str, family: int, word: str, passes: bool
) -> None:
    """With disable_xfrm not even a block policy stops what leaves; the guard is all that is left."""
    node = {"peers": [{"address": "10.9.0.2"}, {"address": "fd09::2"}]}
    code = LOOK.format(node=json.dumps(node), look="preflight._switched_off(preflight._devices(node))")
    look = [sys.executable, "-c", code]
    assert json.loads(inside(pair[0], *look, cwd=ROOT).stdout) == []
    block = ["policy", "add", "src", "10.9.0.1/32", "dst", "10.9.0.2/32", "dir", "out", "action", "block"]
    assert inside(pair[0], "ip", "xfrm", *block).returncode == 0
    ping = ["ping", "-c", "1", "-W", "1", "10.9.0.2"]
    assert inside(pair[0], *ping).returncode != 0
    assert inside(pair[0], "sysctl", "-qw", f"net.ipv{family}.conf.{where}.{word}=1").returncode == 0
    inside(pair[0], "ip", "route", "flush", "cache")
    assert (inside(pair[0], *ping).returncode == 0) == passes
    (found,) = json.loads(inside(pair[0], *look, cwd=ROOT).stdout)
    assert found.startswith(f"net.ipv{family}.conf.{where}.{word} is on: ")
