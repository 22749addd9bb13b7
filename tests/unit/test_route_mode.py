"""``ipsec.xfrm_interface``: numbers and names of interfaces, what a bundle says of them, what a node makes of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from netplan.agent.phases import xfrm_interfaces as ways_here
from netplan.agent.system import core
from netplan.agent.transaction import deferred_pairs
from netplan.agent.transaction import state as state_here
from netplan.bundle import build
from netplan.bundle.node_json import node_facts
from netplan.ipsec import connections, impact, swanctl, unmanaged_peer
from netplan.ipsec import xfrm_interfaces as module
from netplan.ipsec.swanctl_parser import read
from netplan.ipsec.xfrm_interfaces import interfaces
from netplan.plan.types import Plan
from tests.support.plans import make_planned
from tests.support.revert_script import TX, Node

SCRIPT = Path(__file__).parents[2] / "netplan" / "templates" / "node" / "route.sh"
ROUTES = "4789 10.0.0.1 10.0.0.2 xi-00000011 17 1446\n4789 10.0.0.1 10.0.0.3 xi-00000012 18 1446\n"


def planned(count: int = 3, **file: Any) -> Plan:
    return make_planned(count, ipsec={"mode": "tunnel", "xfrm_interface": True, **file.pop("ipsec", {})}, **file).plan


def files(plan: Plan, number: int = 0) -> dict[str, str]:
    node = plan.nodes[number]
    made = {f.path.removeprefix(f"nodes/{node.id}/"): f.text for f in build.node_files(plan, node)}
    return {**made, "node.json": json.dumps(node_facts(plan, node))}  # as the agent gets it


def test_both_ends_have_one_number_and_the_packet_is_that_of_tunnel_mode() -> None:
    plan = planned()
    for one in plan.nodes:
        for other, pair in plan.peers(one):
            here, there = interfaces(plan, one)[pair.id], interfaces(plan, other)[pair.id]
            assert (here.name, here.number, here.mtu) == (there.name, there.number, 1446)
            assert 0 < here.number < 2**31
            assert len(here.name) <= 15
    assert plan.pod_mtu == make_planned(ipsec={"mode": "tunnel"}).plan.pod_mtu == 1396
    assert interfaces(make_planned().plan, plan.nodes[0]) == {}


def test_two_pairs_with_one_number_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUMBERS", 5)  # five peers, so each number is taken once
    plan = planned(6)
    for node in plan.nodes:
        found = interfaces(plan, node)
        assert sorted(i.number for i in found.values()) == [1, 2, 3, 4, 5]
        assert found == interfaces(plan, node)
        connections.connection_file(plan, node)  # raises when it does not read back


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_what_the_bundle_says(family: str) -> None:
    plan = planned(underlay={"family": family})
    made, node = files(plan), plan.nodes[0]
    facts = json.loads(made["node.json"])
    found = interfaces(plan, node)
    assert facts["esp"]["mode"] == "TUNNEL"
    connections = swanctl.connections_of(read(made["etc/swanctl/conf.d/ipsecplan.conf"] + swanctl.start_file("none")))
    for peer in facts["peers"]:
        inside = found[peer["pair"]]
        assert (peer["if_id"], peer["device"], peer["device_mtu"]) == (inside.number, inside.name, inside.mtu)
        assert connections[peer["pair"]]["if_id"] == (str(inside.number), str(inside.number))
        line = f"4789 {node.address} {peer['address']} {inside.name} {inside.number} {inside.mtu}\n"
        assert line in made["etc/ipsecplan/routes-all"]
        assert f'{peer["address"]} . "{inside.name}"' in made["etc/ipsecplan/guard-drop.nft"]
    assert made["etc/ipsecplan/floor-all"] == "", "it would block what is led into an interface"
    guard = made["etc/ipsecplan/guard-drop.nft"]
    assert guard.index("daddr . oifname @inside") < guard.index("rt ipsec missing")
    assert not any("route.sh" in path or "routes" in path for path in files(make_planned().plan))


def test_an_unmanaged_peer_has_plain_tunnel_mode() -> None:
    plan = planned(host_vars={2: {"ipsecplan_managed": False}})
    far = next(node for node in plan.nodes if not node.managed)
    text = unmanaged_peer.files(plan, far)
    assert "if_id" not in text["ipsecplan.conf"]
    assert "ESP, tunnel mode" in text["PARAMETERS.md"]
    assert "on the peers only" in text["PARAMETERS.md"]
    assert all(i.remote != i.local for i in interfaces(plan, plan.nodes[0]).values())


def test_a_change_of_the_mode_is_said_to_be_refused() -> None:
    def side(mode: str) -> impact.Side:
        plan = make_planned(
            2, ipsec={"mode": "tunnel", "xfrm_interface": True} if mode == "xfrm" else {"mode": mode}
        ).plan
        made = files(plan)
        settings = read(made["etc/swanctl/conf.d/ipsecplan.conf"] + swanctl.start_file("none"))
        return impact.Side(
            connections=swanctl.connections_of(settings), facts=json.loads(made["node.json"]), partial=False
        )

    for one, other in (("tunnel", "xfrm"), ("xfrm", "tunnel"), ("transport", "xfrm")):
        found = [c for c in impact.changes(side(one), side(other)) if c.what == "XFRM interface"]
        assert found[0].apply is impact.Impact.BLACKHOLE
        assert "revert, then apply" in found[0].apply_why
    assert impact.changes(side("xfrm"), side("xfrm")) == []


class FakeNodes:
    """route.sh with its file moved and an `ip` that writes down what it is asked, and answers ``says``."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, folder / "said"
        (folder / "bin").mkdir()
        (folder / "net").mkdir()
        (folder / "routes").write_text(ROUTES)
        text = SCRIPT.read_text()
        for old, new in (
            ("PATH=/usr/sbin", f"PATH={folder}/bin:/usr/sbin"),
            ("/etc/ipsecplan/routes", f"{folder}/routes"),
            ("/sys/class/net", f"{folder}/net"),
        ):
            assert old in text
            text = text.replace(old, new)
        (folder / "route.sh").write_text(text)
        self.says({})

    def says(self, answers: dict[str, str]) -> None:
        cases = "".join(f"*'{words}'*) printf '%s' '{text}' ;;\n" for words, text in answers.items())
        write = f'case "$*" in *-batch*) cat >>{self.said} ;; *) echo "$*" >>{self.said} ;; esac'
        body = f'{write}\ncase "$*" in\n{cases}esac\n'
        (self.folder / "bin" / "ip").write_text("#!/bin/sh\n" + body)
        (self.folder / "bin" / "ip").chmod(0o755)

    def run(self, *words: str) -> tuple[int, list[str]]:
        self.said.write_text("")
        done = subprocess.run(
            ["/bin/sh", str(self.folder / "route.sh"), *words], capture_output=True, text=True, timeout=60
        )
        assert not done.stderr, done.stderr
        return done.returncode, self.said.read_text().splitlines()


@pytest.fixture
def played(tmp_path: Path) -> FakeNodes:
    return FakeNodes(tmp_path)


RULE = "45:\tfrom all iif lo ipproto udp dport 4789 lookup 40505 proto kernel\n"
WAYS = "".join(
    f"10.0.0.{n} dev xi-0000001{n - 1} proto kernel src 10.0.0.1 metric 50\n"
    f"prohibit 10.0.0.{n} proto kernel metric 4000050\n"
    for n in (2, 3)
)


def test_interfaces_are_made_once(played: FakeNodes) -> None:
    (played.folder / "net" / "xi-00000012").mkdir()
    code, said = played.run("make", str(played.folder / "routes"))
    assert code == 0
    assert said == [
        "link add xi-00000011 type xfrm if_id 17",
        "link set dev xi-00000011 mtu 1446 addrgenmode none up",
        "link set dev xi-00000012 mtu 1446 addrgenmode none up",
    ]


def test_one_pair_is_led_in_and_its_rule_comes_last(played: FakeNodes) -> None:
    _, said = played.run("enter", str(played.folder / "routes"), "xi-00000012")
    assert said[:2] == [
        "route replace 10.0.0.3 dev xi-00000012 src 10.0.0.1 table 40505 metric 50 protocol kernel",
        "route replace prohibit 10.0.0.3 table 40505 metric 4000050 protocol kernel",
    ]
    assert said[-1].startswith("-4 rule add priority 45 iif lo ipproto udp dport 4789 lookup 40505")
    assert not any("10.0.0.2" in line for line in said)


def test_a_rule_that_is_there_is_not_added_again(played: FakeNodes) -> None:
    played.says({"rule show": RULE})
    _, said = played.run("enter", str(played.folder / "routes"), "xi-00000012")
    assert not any("rule add" in line for line in said)


@pytest.mark.parametrize("lacks", ["", "rule", "way", "prohibition"])
def test_check(played: FakeNodes, lacks: str) -> None:
    lines = WAYS.splitlines(keepends=True)
    kept = {"way": [*lines[:2], lines[3]], "prohibition": lines[:3]}.get(lacks, lines)
    played.says({"rule show": "" if lacks == "rule" else RULE, "route show": "".join(kept)})
    assert played.run("check")[0] == (1 if lacks else 0)


def test_what_the_file_does_not_name_goes(played: FakeNodes) -> None:
    for name in ("xi-00000011", "xi-00000012", "xi-000000ff", "xi-mine"):
        (played.folder / "net" / name).mkdir()
    played.says(
        {"rule show": RULE, "type prohibit": "prohibit 10.0.0.3 proto kernel\nprohibit 10.0.0.9 proto kernel\n"}
    )
    _, said = played.run("load")
    assert [line for line in said if "delete" in line] == [
        "-4 route delete prohibit 10.0.0.9 table 40505 metric 4000050",
        "-6 route delete prohibit 10.0.0.9 table 40505 metric 4000050",  # the played `ip` says the same of both
        "link delete xi-000000ff",
    ]


@pytest.mark.parametrize("routed", [True, False])
def test_a_revert_leaves_the_interfaces_first_and_removes_them_last(tmp_path: Path, routed: bool) -> None:
    node = Node(tmp_path)
    node.put(folder=node.tx, peers="192.0.2.1 192.0.2.2" + (" 17" if routed else ""))
    said = node.run("timer", TX).splitlines()
    leaving = [n for n, line in enumerate(said) if line == "ip -4 rule delete priority 45 lookup 40505"]
    gone = [n for n, line in enumerate(said) if line == "ip link delete xi-00000011"]
    assert (bool(leaving), bool(gone)) == (routed, routed)
    assert any("if_id 17" in line for line in said if "policy delete" in line) == routed
    if routed:
        swept = next(n for n, line in enumerate(said) if line.startswith("ip xfrm state deleteall"))
        assert leaving[0] < swept < gone[0]


@pytest.mark.parametrize(("before", "leaves"), [("none - -", True), ("confirmed tx-1 " + "a" * 64, False)])
def test_nothing_becomes_clear_on_the_way_back_to_a_release(tmp_path: Path, before: str, leaves: bool) -> None:
    node = Node(tmp_path)
    node.put(folder=node.tx, peers="192.0.2.1 192.0.2.2 17", before=before)
    assert ("rule delete" in node.run("plain")) == leaves


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., ModuleType]:
    def with_answers(in_force: bool = True, state: str = "confirmed", **said: Any) -> ModuleType:
        def run(*argv: str, **_: object) -> SimpleNamespace:
            words = " ".join(str(w) for w in argv)
            found = next((said[key] for key in said if key.replace("_", " ") in words), [])
            return SimpleNamespace(code=0, out=json.dumps(found), err="", said="")

        monkeypatch.setattr(core, "run", run)
        monkeypatch.setattr(ways_here, "FILE", str(tmp_path / "routes"))
        monkeypatch.setattr(state_here, "load", lambda: {"state": state})
        if in_force:
            (tmp_path / "routes").write_text("")
        return ways_here

    return with_answers


def live(facts: dict[str, Any]) -> dict[str, Any]:
    """What iproute2 says of a node on which everything is as planned."""
    links = [
        {
            "ifname": p["device"],
            "mtu": p["device_mtu"],
            "flags": ["UP"],
            "linkinfo": {"info_data": {"if_id": hex(p["if_id"])}},
        }
        for p in facts["peers"]
    ]
    prohibit = [{"type": "prohibit", "dst": p["address"]} for p in facts["peers"]]
    inside = [{"dst": p["address"], "dev": p["device"]} for p in facts["peers"]]
    rule = [{"priority": 45, "table": "40505", "dport": 4789}]
    return {"type_prohibit": prohibit, "table_40505": [*inside, *prohibit], "rule_show": rule, "type_xfrm": links}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (len, []),
        (lambda said: said["type_xfrm"].pop(), ["is missing"]),
        (lambda said: said["type_xfrm"][0].update(mtu=1400), ["has MTU 1400, planned 1446"]),
        (lambda said: said["type_xfrm"][0]["linkinfo"]["info_data"].update(if_id="0x7"), ["has if_id 0x7, planned"]),
        (lambda said: said["type_xfrm"][0].update(flags=[]), ["is down"]),
        (lambda said: said["rule_show"].clear(), ["the rule for UDP port 4789 is missing"]),
        (lambda said: said["table_40505"].pop(0), ["no route leads to n2"]),
        (lambda said: said["type_prohibit"].pop(), ["1 address without a prohibition"]),
    ],
)
def test_each_drift_has_its_words(
    ways: Callable[..., ModuleType], damage: Callable[[dict[str, Any]], Any], words: list[str]
) -> None:
    facts = json.loads(files(planned())["node.json"])
    said = live(facts)
    damage(said)
    found = ways(**said).missing(facts)
    assert len(found) == len(words), found
    assert all(word in text for word, text in zip(words, found, strict=True)), found


def test_a_deferred_pair_is_led_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_pairs, "current", lambda: {"pair-1": ("n-1", "10.0.0.2", "a")})
    assert deferred_pairs.routes(ROUTES) == ROUTES.splitlines(keepends=True)[1]


def test_preflight_names_what_stands_in_the_way(ways: Callable[..., ModuleType]) -> None:
    facts, plain = (json.loads(files(plan)["node.json"]) for plan in (planned(), make_planned().plan))
    free = {"link_show_dev": [{"linkinfo": {"info_data": {}}}]}
    assert ways(in_force=False, state="none", **free).preflight(facts) == []
    bound = {"link_show_dev": [{"linkinfo": {"info_data": {"link": "eth0"}}}]}
    assert "bound to eth0" in ways(in_force=False, state="none", **bound).preflight(facts)[0]["message"]
    taken = {**free, "table_40505": [{"dst": "default"}]}
    assert ways(in_force=False, state="none", **taken).preflight(facts)[0]["code"] == "IPP691"
    assert [f["code"] for f in ways(in_force=False, **free).preflight(facts)] == ["IPP642"], "transport to route"
    assert ways(in_force=True, **free).preflight(facts) == []
    assert [f["code"] for f in ways(in_force=True, **free).preflight(plain)] == ["IPP642"], "route to transport"
