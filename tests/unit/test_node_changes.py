"""The node's side of changes: pairs that wait, peers that come and go, an MTU that waits to be raised."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .test_node_module import node  # noqa: F401  the fixture: the node's program, at home in a temporary folder

TX, OLD = "tx-2", "tx-1"
PEER = {"pair": "pair-0123456789ab", "id": "n-0123456789ab", "address": "192.0.2.9", "children": ["x-out", "x-in"]}
OVERLAY = {"overlay": {"port": 4789}}
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


def part(program: ModuleType, name: str) -> ModuleType:
    return importlib.import_module(f"{program.__name__}.{name}")


@pytest.fixture
def at_home(node: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Any]:  # noqa: F811
    state, stage, deferred = (part(node, name) for name in ("state", "stage", "deferred"))
    monkeypatch.setattr(state, "ROOT", str(tmp_path))
    monkeypatch.setattr(state, "BASE", str(tmp_path / "base"))
    monkeypatch.setattr(state, "_PATH", type("All", (), {"fullmatch": staticmethod(lambda _: True)}))
    monkeypatch.setattr(deferred, "LIST", str(tmp_path / "deferred"))
    for tx in (TX, OLD):
        (tmp_path / "tx" / tx).mkdir(parents=True)
    (tmp_path / "base").mkdir()
    return state, stage, deferred


def test_a_clear_pair_waits_by_name(at_home: tuple[Any, Any, Any], tmp_path: Path) -> None:
    _, _, deferred = at_home
    (tmp_path / "tx" / TX / "before").write_text("none - -\n")
    assert deferred.choose(TX, [PEER]) == 1
    assert deferred.current() == {PEER["pair"]: (PEER["id"], PEER["address"], "x-out", "x-in")}
    text = deferred.guard("table\n", OVERLAY)
    assert text.splitlines()[1:] == [
        "insert rule inet ipsecplan output ip daddr { 192.0.2.9 } udp dport 4789 accept",
        "insert rule inet ipsecplan input ip saddr { 192.0.2.9 } udp dport 4789 accept",
    ]
    hosts = deferred.guard("table\n", {**OVERLAY, "protect": "hosts"})
    assert "insert rule inet ipsecplan postrouting ip daddr { 192.0.2.9 } accept" in hosts  # the chain that it has
    assert "{ x-out { start_action = none } x-in { start_action = none } }" in deferred.override()
    assert deferred.without({"peers": [PEER]}) == {"peers": []}
    assert deferred.choose(TX, []) == 0
    assert not Path(deferred.LIST).exists()
    assert (deferred.guard("table\n", OVERLAY), deferred.override()) == ("table\n", "")


@pytest.mark.parametrize(
    ("was", "waits"), [("", 0), (f"{PEER['pair']} {PEER['id']} {PEER['address']} x-out,x-in\n", 1)]
)
def test_nothing_gets_weaker(at_home: tuple[Any, Any, Any], tmp_path: Path, was: str, waits: int) -> None:
    """Over a release in force only a pair that was clear already stays clear; also when the step is done twice."""
    _, _, deferred = at_home
    (tmp_path / "tx" / TX / "before").write_text(f"confirmed {OLD} {'0' * 64}\n")
    if was:
        Path(deferred.LIST).write_text(was)
    assert [deferred.choose(TX, [PEER]) for _ in range(2)] == [waits, waits]


def test_only_ids_and_addresses_of_ours(at_home: tuple[Any, Any, Any], tmp_path: Path) -> None:
    _, _, deferred = at_home
    (tmp_path / "tx" / TX / "before").write_text("none - -\n")
    stop = deferred.Stop
    for wrong in ({**PEER, "pair": "x } y"}, {**PEER, "id": "A B"}):
        with pytest.raises(stop):
            deferred.choose(TX, [wrong])
    with pytest.raises(ValueError, match="address"):
        deferred.choose(TX, [{**PEER, "address": "1.2.3.4 }"}])


def test_what_a_network_file_says_of_peers(node: ModuleType) -> None:  # noqa: F811
    neighbours = part(node, "neighbours")
    assert neighbours.entries(NETWORK) == {
        ("fdb", "10.77.0.12"), ("route", "10.244.2.0/32", ""), ("route", "10.244.2.0/24", "10.244.2.0"),
    }  # fmt: skip
    with pytest.raises(neighbours.Stop):
        neighbours.entries("[Route]\nDestination=$(id)\n")


def test_peers_that_come_and_go(node: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    neighbours = part(node, "neighbours")
    new = {"ov0": neighbours.entries(NETWORK)}
    releases = {"old": {"ov0": set()}, "new": new, "": {}}
    monkeypatch.setattr(neighbours, "_of_release", releases.__getitem__)
    monkeypatch.setattr(neighbours.mtu, "links", lambda: {"ov0": {}})
    live: set[tuple[str, ...]] = set()
    monkeypatch.setattr(neighbours, "_live", lambda _: set(live))
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(neighbours, "_change", lambda verb, _, entry: done.append((verb, entry[1])))
    assert neighbours.add("new") == 3
    assert done == [("add", "10.77.0.12"), ("add", "10.244.2.0/32"), ("add", "10.244.2.0/24")], "gateway first"
    live, done[:] = new["ov0"], []
    assert (neighbours.add("new"), neighbours.remove("", "new"), neighbours.remove("old", "new")) == (0, 0, 0)
    assert neighbours.remove("new", "old") == 3
    assert [entry for _, entry in done][-2:] == ["10.244.2.0/24", "10.244.2.0/32"], "gateway last"


def test_an_mtu_that_waits_is_no_difference(
    node: ModuleType,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    mtu = part(node, "mtu")
    facts = {"overlay": {"devices": [{"name": "ov0", "mtu": 1416}], "bridge": "br"}, "mtu": {"pod": 1416}}
    live = {"devices": {"ov0": 1312}, "bridge": 1312, "pods": [], "unknown_ports": []}
    monkeypatch.setattr(mtu, "live", lambda _: live)
    monkeypatch.setattr(mtu, "RAISE", str(tmp_path / "raise"))
    assert mtu.differences(facts)
    (tmp_path / "raise").write_text("1312\n")
    assert (mtu.to_raise(facts), mtu.differences(facts)) == (1312, [])
    (tmp_path / "raise").write_text("1500\n")
    assert mtu.to_raise(facts) == 0, "a release before it had another size"
