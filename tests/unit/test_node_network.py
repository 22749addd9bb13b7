"""A network of others as a node sees it: what iproute2 says is judged, and nothing is ever set."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from netplan.agent.phases import cni_mtu, fdb_and_routes, preflight
from netplan.agent.system import core, links
from netplan.agent.system.core import Stop
from netplan.agent.transaction import state
from netplan.bundle.node_json import node_facts
from tests.support.plans import make_planned

Said = dict[tuple[str, ...], Any]


def tunnel(name: str, kind: str, mtu: int, **data: object) -> dict[str, object]:
    return {"ifname": name, "mtu": mtu, "linkinfo": {"info_kind": kind, "info_data": data}}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Callable[[Said], ModuleType]:
    def with_answers(said: Said) -> ModuleType:
        def run(*argv: str, **_: object) -> SimpleNamespace:
            words = tuple(w for w in argv if w not in ("-j", "-d"))
            assert "set" not in words, f"it changes something: {argv}"
            assert "replace" not in words, f"it changes something: {argv}"
            return SimpleNamespace(code=0, out=json.dumps(said.get(words, [])), err="", said="")

        monkeypatch.setattr(core, "run", run)
        monkeypatch.setattr(links, "_namespaces", lambda: iter(["/run/netns/pod"]))
        return cni_mtu

    return with_answers


def facts(plugin: str, **options: Any) -> dict[str, Any]:
    plan = make_planned(2, cni={"plugin": plugin, **options}).plan
    return node_facts(plan, plan.nodes[0])


def flannel(mtu: int = 1416, vni: int = 1, port: int = 8472, kind: str = "vxlan") -> Said:
    device = tunnel("flannel.1", kind, mtu, id=vni, port=port)
    return {
        ("ip", "link", "show"): [device],
        ("ip", "link", "show", "dev", "flannel.1"): [device],
        ("ip", "route", "get", "10.128.2.1"): [{"dev": "flannel.1", "gateway": "10.128.2.0"}],
    }


def pod(said: Said, mtu: int, route: int | None = None, master: str | None = None) -> Said:
    """Add a running pod whose interface and default route have these MTUs."""
    where = ("master", master) if master else ("type", "veth")
    metrics = [{"mtu": route}] if route else []
    enter = ("nsenter", "--net=/run/netns/pod")
    return {
        **said,
        ("ip", "link", "show", *where): [{"ifname": "vethx", "ifindex": 7, "link_index": 3, "mtu": mtu}],
        (*enter, "ip", "link", "show"): [{"ifname": "eth0", "ifindex": 3, "link_index": 7, "mtu": mtu}],
        (*enter, "ip", "-4", "route", "show", "default", "dev", "eth0"): [{"dst": "default", "metrics": metrics}],
    }


def words(found: list[dict[str, str]]) -> list[str]:
    return [f"{f['severity']} {f['code']} {f['message']}" for f in found]


def test_as_planned(network: Callable[[Said], ModuleType]) -> None:
    module, node = network(flannel()), facts("flannel", options={"network": "10.0.0.0/8"})
    assert module.findings(node) == []
    done = module.require(node)
    assert (done["changed"], done["notes"]) == (False, [])
    assert module.target(node, node["peers"][0]) == "10.128.2.0"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (flannel(mtu=1450), "error IPP643 flannel.1 of flannel has MTU 1450, and under encryption 1416 fit"),
        (flannel(mtu=1400), "error IPP643 flannel.1 of flannel has MTU 1400, the plan says 1416"),
        (flannel(vni=7), "error IPP638 flannel.1 has VNI 7, the plan says 1"),
        (flannel(port=4789), "error IPP638 flannel.1 has UDP port 4789, the plan says 8472"),
        (flannel(kind="geneve"), "error IPP638 flannel.1 exists and is no vxlan device"),
        ({}, "error IPP638 the tunnel device flannel.1 of flannel is missing"),
    ],
    ids=["large", "small", "vni", "port", "kind", "missing"],
)
def test_not_as_planned(network: Callable[[Said], ModuleType], said: Said, wanted: str) -> None:
    module, node = network(said), facts("flannel", options={"network": "10.0.0.0/8"})
    assert words(module.findings(node))[0].startswith(wanted)
    with pytest.raises(Stop):
        module.require(node)


def test_a_pod_that_was_not_recreated(network: Callable[[Said], ModuleType]) -> None:
    node = facts("flannel", options={"network": "10.0.0.0/8"})
    (found,) = network(pod(flannel(), 1450)).findings(node)
    assert (found["severity"], found["code"]) == ("warning", "IPP643"), "the host's IP stack tells it"
    assert network(pod(flannel(), 1450, route=1416)).findings(node) == [], "its route says how much it sends"
    ovn = facts("ovn-kubernetes")
    said = {
        ("ip", "link", "show"): [{"ifname": "ovn-k8s-mp0", "mtu": 1408}],
        ("ip", "link", "show", "dev", "genev_sys_6081"): [tunnel("genev_sys_6081", "geneve", 65000, port=6081)],
    }
    assert network(said).findings(ovn) == []
    (found,) = network(pod(said, 1450, master="ovs-system")).findings(ovn)
    assert (found["severity"], found["code"]) == ("error", "IPP643"), "Open vSwitch drops in silence"


def test_ciliums_number_stands_on_routes(network: Callable[[Said], ModuleType]) -> None:
    node = facts("cilium")
    said = {
        ("ip", "link", "show"): [{"ifname": "cilium_host", "mtu": 1500}],
        ("ip", "link", "show", "dev", "cilium_vxlan"): [tunnel("cilium_vxlan", "vxlan", 1500, port=8472)],
        ("ip", "-4", "route", "show", "dev", "cilium_host"): [{"dst": "10.0.1.0/24", "metrics": [{"mtu": 1416}]}],
    }
    assert network(said).findings(node) == []
    without = {key: value for key, value in said.items() if "-4" not in key}
    assert "has MTU 1500" in words(network(without).findings(node))[0]
    module = network(said)
    assert module.target(node, node["peers"][0]) is None, "no address of a peer is known: the plan has to say it"
    assert module.target(node, {**node["peers"][0], "overlay_address": "10.0.1.7"}) == "10.0.1.7"


def fdb(*far: str) -> list[dict[str, str]]:
    """Return what bridge prints of a device: a flood entry for each far end, and one of the device's own."""
    return [{"mac": "00:00:00:00:00:00", "dst": end} for end in far] + [{"mac": "33:33:00:00:00:01"}]


@pytest.mark.parametrize(
    ("far", "former", "wanted"),
    [
        (["10.0.0.2"], [], ""),
        (["10.0.0.2", "10.0.0.9", "239.1.1.1"], [], "flannel.1 also leads to 10.0.0.9"),
        (["10.0.0.9"], ["10.0.0.9"], ""),
        ([f"10.0.1.{n}" for n in range(1, 9)], [], "flannel.1 also leads to 10.0.1.1, 10.0.1.2, 10.0.1.3, "),
    ],
    ids=["peers", "another", "former", "many"],
)
def test_where_else_an_overlay_leads(
    far: list[str],
    former: list[str],
    wanted: str,
    network: Callable[[Said], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = facts("flannel", options={"network": "10.0.0.0/8"})
    node["peers"][0]["address"] = "10.0.0.2"
    monkeypatch.setattr(state, "load", dict)
    monkeypatch.setattr(state, "former_peers", lambda _: former)
    here = [tunnel("flannel.1", "vxlan", 1416, port=8472), tunnel("other", "vxlan", 1450, port=4789)]
    said = {
        ("ip", "link", "show", "type", "vxlan"): here,
        ("bridge", "fdb", "show", "dev", "flannel.1"): fdb(*far),
        ("bridge", "fdb", "show", "dev", "other"): fdb("10.0.0.77"),
    }
    network(said)
    found = fdb_and_routes.outside(node)
    assert found.startswith(wanted)
    assert bool(found) == bool(wanted)
    assert found.endswith("and 3 more") == (len(far) > 5)
    monkeypatch.setattr(preflight.fdb_and_routes, "outside", lambda _: found)
    assert [f["severity"] for f in preflight._outside(node)] == (["warning"] if wanted else [])
