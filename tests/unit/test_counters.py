"""The phase that counts: what charon, /proc and the kernel's routes say becomes numbers, and nothing is told twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import counters
from netplan.agent.system import core
from tests.support import replies

PEER: dict[str, Any] = {"id": "n-b", "pair": "pair-1", "name": "b", "children": ["out", "in"], "address": "192.0.2.9"}
NODE: Any = replies.node_json("n-a", [PEER])


def child(name: str, state: str = "INSTALLED", **about: str) -> dict[str, str]:
    usual = {
        "name": name,
        "state": state,
        "encr-alg": "AES_GCM_16",
        "encr-keysize": "256",
        "install-time": "10",
        "rekey-time": "3000",
        "bytes-in": "100",
        "bytes-out": "200",
        "packets-in": "1",
        "packets-out": "2",
    }
    return {**usual, **about}


def sa(*children: dict[str, str], number: int = 1, state: str = "ESTABLISHED") -> tuple[str, dict[str, Any]]:
    held = {f"{one['name']}-{i}": one for i, one in enumerate(children)}
    return "pair-1", {"uniqueid": str(number), "state": state, "child-sas": held}


def test_a_rekey_shows_no_child_twice() -> None:
    old = child("out", "DELETED", **{"bytes-out": "1280"})
    (pair,) = counters.pairs(NODE, [sa(old, child("out"), child("in"))])
    assert (pair["installed"], pair["wanted"]) == (2, 2)
    assert (pair["bytes_in"], pair["bytes_out"], pair["packets_out"]) == (200, 400, 4)
    assert pair["suites"] == ["AES_GCM_16-256"]
    assert sum(one["bytes_out"] for one in pair["children"]) == 1680, "the last numbers of what was replaced"
    assert (pair["age_s"], pair["due_s"]) == (10, 3000)


@pytest.mark.parametrize("state", ["DELETED", "DELETING", "REKEYED", "ROUTED", "INSTALLING"])
def test_what_is_on_its_way_out_or_not_there_yet_counts_nothing(state: str) -> None:
    (pair,) = counters.pairs(NODE, [sa(child("out", state), child("in"))])
    assert (pair["installed"], pair["bytes_out"]) == (1, 200)


def test_a_pair_without_an_sa_is_told_all_the_same() -> None:
    (pair,) = counters.pairs(NODE, [])
    assert pair["ike"] == "none"
    assert (pair["installed"], pair["age_s"], pair["due_s"], pair["bytes_in"]) == (0, None, None, 0)


def test_the_newest_ike_sa_says_the_state_and_a_strangers_counts_for_nobody() -> None:
    stranger = ("(unnamed)", {"uniqueid": "9", "state": "CONNECTING", "child-sas": {"x": child("out")}})
    (pair,) = counters.pairs(NODE, [sa(number=1), sa(child("in"), number=7, state="REKEYING"), stranger])
    assert (pair["ike"], pair["installed"]) == ("REKEYING", 1)


def test_a_rekey_that_is_overdue_is_below_zero() -> None:
    late = child("out", **{"rekey-time": str(2**64 - 200)})
    (pair,) = counters.pairs(NODE, [sa(late, child("in"))])
    assert pair["due_s"] == -200


SNMP = """Ip: Forwarding DefaultTTL ReasmReqds ReasmOKs ReasmFails FragOKs FragFails FragCreates OutDiscards NewOne
Ip: 1 64 20 10 0 10 1 20 3 9
Icmp: InMsgs OutDestUnreachs
Icmp: 1 7
IcmpMsg: OutType3
IcmpMsg: 7
"""
SNMP6 = "Ip6InTooBigErrors               \t4\nIp6FragCreates                  \t20\nIp6Other \t5\n"


def test_fragments_are_counted_by_the_kernels_names(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/proc/net/snmp": SNMP, "/proc/net/snmp6": SNMP6}
    monkeypatch.setattr(counters, "read", files.get)
    found = counters.ip_counters()
    assert found["IpFragCreates"] == 20
    assert found["IpFragFails"] == 1
    assert found["IcmpOutDestUnreachs"] == 7
    assert found["Ip6InTooBigErrors"] == 4
    assert "IpNewOne" not in found
    assert "Ip6Other" not in found


def test_every_row_of_the_kernel_is_there_also_those_that_node_exporter_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "XfrmInError             \t0\nXfrmOutStateModeError \t3\nXfrmInIptfsError \t1\nXfrmNew\n"
    monkeypatch.setattr(counters, "read", {"/proc/net/xfrm_stat": text}.get)
    assert counters.xfrm_counters() == {"XfrmInError": 0, "XfrmOutStateModeError": 3, "XfrmInIptfsError": 1}


def test_a_path_below_the_plan_is_named_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    routes = [
        {"dst": "192.0.2.9", "metrics": [{"mtu": 1300}]},
        {"dst": "192.0.2.77", "metrics": [{"mtu": 1200}]},
        {"dst": "192.0.2.9"},
    ]
    monkeypatch.setattr(core, "run_json", lambda *words: routes if "-4" in words else [])
    assert counters.path_mtus(NODE) == {"n-b": 1300}
    routes[0]["metrics"] = [{"mtu": 1500}]
    assert counters.path_mtus(NODE) == {}


def test_the_number_of_devices_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(counters.os.path, "isdir", lambda _: True)
    monkeypatch.setattr(counters, "read", lambda _: "7\n")
    monkeypatch.setattr(
        core, "run_json", lambda *_: json.loads('[{"ifname": "e0", "addr_info": [{"local": "192.0.2.1"}]}]')
    )
    many = {**NODE, "overlay": {**NODE["overlay"], "devices": [{"name": f"gv{i}", "mtu": 1} for i in range(999)]}}
    found = counters.devices(many)
    assert len(found) == counters.DEVICES
    assert ("e0", "underlay", 7) in [(d["device"], d["role"], d["mtu"]) for d in found]
    assert found[0]["counters"]["tx_carrier_errors"] == 7


def test_without_charon_the_rest_is_still_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from netplan.agent.system import vici

    monkeypatch.setattr(vici, "SOCKETS", ("/nonexistent/vici",))
    monkeypatch.setattr(core, "run", lambda *_, **__: core.Done(127, "", ""))
    monkeypatch.setattr(counters.xfrm, "run", lambda *_, **__: core.Done(127, "", ""))
    monkeypatch.setattr(counters.guard, "run", lambda *_, **__: core.Done(127, "", ""))
    found = counters.counters({"node": NODE})  # type: ignore[typeddict-item]
    assert not found["charon"]
    assert found["detail"] == "0 of 1 pairs have their SAs"
    assert found["guard"]["mode"] == "absent"
