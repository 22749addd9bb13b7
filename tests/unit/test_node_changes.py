"""The node's side of changes: pairs that wait, peers that come and go, an MTU that waits to be raised."""

from __future__ import annotations

from pathlib import Path

import pytest

from netplan.agent.phases import fdb_and_routes, overlay_mtu
from netplan.agent.system import links
from netplan.agent.system.core import Stop
from netplan.agent.transaction import deferred_pairs
from tests.support.agent_home import OLD, TX

PEER = {"pair": "pair-0123456789ab", "id": "n-0123456789ab", "address": "192.0.2.9", "children": ["x-out", "x-in"]}
OVERLAY = {"protect": "overlay", "overlay": {"port": 4789}}
NETWORK = """[Match]
Name=ov0

[Network]
Address=10.244.1.0/32

[BridgeFDB]
MACAddress=00:00:00:00:00:00
Destination=10.77.0.12
AssociatedWith=self

[Route]
Destination=10.244.2.0/32
Scope=link

[Route]
Destination=10.244.2.0/24
Gateway=10.244.2.0
GatewayOnLink=yes
"""


def test_a_clear_pair_waits_by_name(at_home: Path) -> None:
    (at_home / "tx" / TX / "before").write_text("none - -\n")
    assert deferred_pairs.choose(TX, [PEER]) == 1
    assert deferred_pairs.current() == {PEER["pair"]: (PEER["id"], PEER["address"], "x-out", "x-in")}
    text = deferred_pairs.guard("table\n", OVERLAY)
    assert text.splitlines()[1:] == [
        "insert rule inet ipsecplan output ip daddr { 192.0.2.9 } udp dport 4789 accept",
        "insert rule inet ipsecplan input ip saddr { 192.0.2.9 } udp dport 4789 accept",
    ]
    hosts = deferred_pairs.guard("table\n", {**OVERLAY, "protect": "hosts"})
    assert "insert rule inet ipsecplan postrouting ip daddr { 192.0.2.9 } accept" in hosts  # the chain that it has
    assert "{ x-out { start_action = none } x-in { start_action = none } }" in deferred_pairs.override()
    assert deferred_pairs.without({"peers": [PEER]}) == {"peers": []}
    assert deferred_pairs.choose(TX, []) == 0
    assert not Path(deferred_pairs.LIST).exists()
    assert (deferred_pairs.guard("table\n", OVERLAY), deferred_pairs.override()) == ("table\n", "")


@pytest.mark.parametrize(
    ("was", "waits"), [("", 0), (f"{PEER['pair']} {PEER['id']} {PEER['address']} x-out,x-in\n", 1)]
)
def test_nothing_gets_weaker(at_home: Path, was: str, waits: int) -> None:
    """Over a release in force only a pair that was clear already stays clear; also when the step is done twice."""
    (at_home / "tx" / TX / "before").write_text(f"confirmed {OLD} {'0' * 64}\n")
    if was:
        Path(deferred_pairs.LIST).write_text(was)
    assert [deferred_pairs.choose(TX, [PEER]) for _ in range(2)] == [waits, waits]


def test_only_ids_and_addresses_of_ours(at_home: Path) -> None:
    (at_home / "tx" / TX / "before").write_text("none - -\n")
    for wrong in ({**PEER, "pair": "x } y"}, {**PEER, "id": "A B"}):
        with pytest.raises(Stop):
            deferred_pairs.choose(TX, [wrong])
    with pytest.raises(ValueError, match="address"):
        deferred_pairs.choose(TX, [{**PEER, "address": "1.2.3.4 }"}])


def test_what_a_network_file_says_of_peers() -> None:
    assert fdb_and_routes.entries(NETWORK) == {
        ("fdb", "10.77.0.12"),
        ("route", "10.244.2.0/32", ""),
        ("route", "10.244.2.0/24", "10.244.2.0"),
    }
    with pytest.raises(Stop):
        fdb_and_routes.entries("[Route]\nDestination=$(id)\n")


def test_peers_that_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    new = {"ov0": fdb_and_routes.entries(NETWORK)}
    releases = {"old": {"ov0": set()}, "new": new, "": {}}
    monkeypatch.setattr(fdb_and_routes, "_of_release", releases.__getitem__)
    monkeypatch.setattr(fdb_and_routes, "_table", lambda _: "")
    monkeypatch.setattr(links, "links", lambda: {"ov0": {}})
    live: set[tuple[str, ...]] = set()
    monkeypatch.setattr(fdb_and_routes, "_live", lambda _: set(live))
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(fdb_and_routes, "_change", lambda verb, _, entry: done.append((verb, entry[1])))
    assert fdb_and_routes.add("new") == 3
    assert done == [("add", "10.77.0.12"), ("add", "10.244.2.0/32"), ("add", "10.244.2.0/24")], "gateway first"
    live, done[:] = new["ov0"], []
    assert fdb_and_routes.add("new") == 0
    assert (fdb_and_routes.remove("", "new"), fdb_and_routes.remove("old", "new")) == (0, 0)
    assert fdb_and_routes.remove("new", "old") == 3
    assert [entry for _, entry in done][-2:] == ["10.244.2.0/24", "10.244.2.0/32"], "gateway last"


def test_an_mtu_that_waits_is_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    facts = {"overlay": {"devices": [{"name": "ov0", "mtu": 1416}], "bridge": "br"}, "mtu": {"pod": 1416}}
    live = {"devices": {"ov0": 1312}, "bridge": 1312, "pods": [], "unknown_ports": []}
    monkeypatch.setattr(overlay_mtu, "live", lambda _: live)
    monkeypatch.setattr(overlay_mtu, "RAISE", str(tmp_path / "raise"))
    assert overlay_mtu.differences(facts)
    (tmp_path / "raise").write_text("1312\n")
    assert (overlay_mtu.to_raise(facts), overlay_mtu.differences(facts)) == (1312, [])
    (tmp_path / "raise").write_text("1500\n")
    assert overlay_mtu.to_raise(facts) == 0, "a release before it had another size"


def test_a_pod_that_wants_to_be_smaller_is_no_difference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    facts = {"overlay": {"devices": [], "bridge": "br"}, "mtu": {"pod": 1416}}
    pods = [{"port": "v", "mtu": 1200, "port_mtu": 1200}]
    live = {"devices": {}, "bridge": 1416, "pods": pods, "unknown_ports": []}
    monkeypatch.setattr(overlay_mtu, "live", lambda _: live)
    monkeypatch.setattr(overlay_mtu, "RAISE", str(tmp_path / "raise"))
    assert overlay_mtu.differences(facts) == []
    pods[0]["port_mtu"] = 1500
    assert overlay_mtu.differences(facts) == ["the pod at v has MTU 1200, planned 1416"]


@pytest.mark.parametrize(("cidr", "least"), [("10.244.1.0/24", 576), ("fd00::/64", 1280)])
def test_a_node_is_held_at_no_size_below_the_least(cidr: str, least: int) -> None:
    node = {"overlay": {"pod_cidr": cidr, "address": None}}
    request = {"node": node, "release": "0" * 64, "held_mtu": least - 1, "tx": "tx-1"}
    with pytest.raises(Stop, match=f"{least} is the least"):
        overlay_mtu.lower_devices(request)
