"""The node's side of ``topology: trap-any``: which file is in charon's place, and whose SA of the wildcard is whose."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import drift, ike, trap_any
from netplan.agent.system import vici
from netplan.agent.transaction import release
from tests.support.agent_home import TX

SCRIPT = Path(__file__).parents[2] / "netplan" / "templates" / "node" / "guard.sh"
PEERS = [
    {
        "id": f"n-{n}",
        "pair": f"pair-{n}",
        "name": f"n{n}",
        "address": f"10.0.0.{n}",
        "initiator": True,
        "children": [f"pair-{n}-out", f"pair-{n}-in"],
        "negotiated": ["AES_GCM_16-256"],
    }
    for n in (2, 3)
]
FACTS: dict[str, Any] = {
    "underlay": {"address": "10.0.0.1"},
    "overlay": {"port": 4789},
    "wildcard": "10.0.0.0/30",
    "peers": PEERS,
    "esp": {"mode": "TRANSPORT", "negotiated": ["AES_GCM_16-256"]},
}
OUT, IN = "ipsecplan-any-out", "ipsecplan-any-in"


def sa(address: str, identity: str, *children: str, name: str = "ipsecplan-any", number: int = 1) -> tuple[str, Any]:
    held = {f"{child}-{n}": {"name": child, "uniqueid": str(n)} for n, child in enumerate(children)}
    return name, {
        "remote-host": address,
        "remote-id": identity,
        "state": "ESTABLISHED",
        "uniqueid": str(number),
        "child-sas": held,
    }


def test_an_sa_belongs_to_the_pair_of_its_address_and_identity() -> None:
    listed = [
        sa("10.0.0.2", "n-2", OUT),
        sa("10.0.0.2", "n-2", IN),
        sa("10.0.0.3", "n-2", OUT),
        sa("10.0.0.9", "n-9", OUT),
        sa("10.0.0.3", "n-3", "pair-3-out", name="pair-3"),
    ]
    named = trap_any.sas(FACTS, listed)
    assert [name for name, _ in named] == ["pair-2", "pair-2", "ipsecplan-any", "ipsecplan-any", "pair-3"]
    assert [c["name"] for _, body in named[:2] for c in body["child-sas"].values()] == ["pair-2-out", "pair-2-in"]
    assert listed[0][1]["child-sas"][f"{OUT}-0"]["name"] == OUT, "what was asked is not changed"
    up = ike.ike_sas(FACTS, listed)
    assert {pair: len(found) for pair, found in up.items()} == {"pair-2": 2, "pair-3": 1}
    assert [body["remote-host"] for body in trap_any.unplanned_sas(FACTS, listed)] == ["10.0.0.3", "10.0.0.9"]


def test_an_identity_of_somebody_else_is_a_difference_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vici, "sas", lambda: [sa("10.0.0.3", "n-2", OUT, number=7), sa("10.0.0.9", "n-9")])
    first, second = drift.strangers(FACTS)
    assert first["message"] == "10.0.0.3 (n3) has an SA with the identity n-2"
    assert (first["code"], first["found"], first["planned"]) == ("IPP682", "n-2", "n-3")
    assert "swanctl --terminate --ike-id 7" in first["hint"]
    assert second["planned"] == "no peer"


def test_a_pair_that_has_not_talked_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vici, "sas", list)
    loaded, traps = trap_any.loaded(FACTS, {"ipsecplan-any"}), trap_any.traps(FACTS, {OUT, IN})
    assert drift.ipsec(FACTS, loaded, traps, ike.child_sas(FACTS)) == []
    half = trap_any.traps(FACTS, {OUT})
    assert [d["message"] for d in drift.ipsec(FACTS, loaded, half, ike.child_sas(FACTS))] == [
        "2 of 4 trap policies are missing"
    ]
    absent = drift.ipsec(FACTS, trap_any.loaded(FACTS, {"else"}), traps, ike.child_sas(FACTS))
    assert [d["message"] for d in absent] == ["2 of 2 connections are not loaded"]


def test_what_is_protected_is_known_at_rest_too() -> None:
    wild = {"ipsecplan-any": {"children": {OUT: {}, IN: {}}}}
    assert trap_any.protected(PEERS[0], wild) == {"pair-2-out", "pair-2-in"}
    assert trap_any.protected(PEERS[0], {"pair-2": {"children": {"pair-2-all": {}}}}) == {"pair-2-all"}
    assert trap_any.protected(PEERS[0], {}) == set()


@pytest.fixture
def places(at_home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    found = {name: at_home / name for name in ("CONNECTIONS", "PAIRS", "WILDCARD")}
    for name, path in found.items():
        monkeypatch.setattr(trap_any, name, str(path))
    monkeypatch.setattr(release, "put", _put)
    return found


def _put(_: str, path: str, data: str, __: int) -> bool:
    old = Path(path).read_text() if Path(path).exists() else None
    Path(path).write_text(data)
    return old != data


def test_pairs_while_a_rollout_runs_then_the_wildcard(places: dict[str, Path], at_home: Path) -> None:
    trap_any.install_pairs(TX)
    none = (trap_any.install_wildcard(TX), trap_any.copied())
    assert none == (False, []), "a release of single pairs has no such files"
    assert not places["CONNECTIONS"].exists()
    places["PAIRS"].write_text("pairs")
    places["WILDCARD"].write_text("any")
    trap_any.install_pairs(TX)
    assert places["CONNECTIONS"].read_text() == "pairs"
    (at_home / "deferred").write_text("pair-2 n-2 10.0.0.2 pair-2-out,pair-2-in\n")
    assert not trap_any.install_wildcard(TX), "a wildcard would ask the deferred node too"
    assert trap_any.copied() == [(str(places["CONNECTIONS"]), "PAIRS", "pairs")]
    (at_home / "deferred").unlink()
    assert trap_any.install_wildcard(TX)
    assert places["CONNECTIONS"].read_text() == "any"
    assert trap_any.copied() == [(str(places["CONNECTIONS"]), "WILDCARD", "any")]
    assert not trap_any.install_wildcard(TX)


def test_ike_sas_that_carry_nothing_beside_one_that_does_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(trap_any, "_end", lambda body, **_: ended.append(body["uniqueid"]))
    listed = [
        sa("10.0.0.2", "n-2", number=1),
        sa("10.0.0.2", "n-2", OUT, number=2),
        sa("10.0.0.3", "n-3", number=3),
        sa("10.0.0.2", "n-2", name="pair-2", number=4),
        sa("10.0.0.9", "n-9", number=5),
    ]
    monkeypatch.setattr(vici, "sas", lambda: listed)
    assert trap_any.end_idle_ike_sas(FACTS) == 2
    assert ended == ["1", "4"]
    ended.clear()
    trap_any.end_unplanned_sas(FACTS, [])
    assert ended == ["5"]
    ended.clear()
    trap_any.end_unplanned_sas(FACTS, [{"address": "10.0.0.9"}])
    assert ended == [], "who is only away keeps its SA"


@pytest.mark.parametrize("wildcard", [True, False])
def test_a_measurement_waits_for_the_first_packets(monkeypatch: pytest.MonkeyPatch, wildcard: bool) -> None:
    """Without a wildcard, too: a charon that was started again has traps, and no SA until somebody sends."""
    facts = FACTS if wildcard else {k: v for k, v in FACTS.items() if k != "wildcard"}
    listed: list[Any] = [sa("10.0.0.2", "n-2", OUT, IN)]
    monkeypatch.setattr(vici, "sas", lambda: listed)
    sent: list[str] = []

    def send(peer: Any) -> None:
        sent.append(peer["pair"])
        listed.append(sa("10.0.0.3", "n-3", (OUT, IN)[len(sent) % 2]))

    trap_any.trigger_sas(facts, send, 5)
    assert sent == ["pair-3", "pair-3"]
    trap_any.trigger_sas({**facts, "peers": []}, pytest.fail, 5)


def test_a_pair_that_gets_no_sa_is_measured_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vici, "sas", list)
    monkeypatch.setattr(trap_any, "SOON_S", 0.0)
    sent: list[str] = []
    trap_any.trigger_sas({k: v for k, v in FACTS.items() if k != "wildcard"}, lambda peer: sent.append(peer["pair"]))
    assert sent == [peer["pair"] for peer in FACTS["peers"]]


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """guard.sh of a node with one peer whose charon was killed, with commands that write down their words."""
    for made in ("etc", "run", "bin", "swanctl"):
        (tmp_path / made).mkdir()
    text = SCRIPT.read_text()
    for old, new in (
        ("ETC=/etc/ipsecplan", f"ETC={tmp_path}/etc"),
        ("RUN=/run/ipsecplan", f"RUN={tmp_path}/run"),
        ("SWANCTL=/etc/swanctl", f"SWANCTL={tmp_path}/swanctl"),
        ("PATH=/usr/sbin", f"PATH={tmp_path}/bin:/usr/sbin"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "guard.sh").write_text(text)
    (tmp_path / "etc" / "peers").write_text("10.0.0.1 10.0.0.2 pair-2\n")
    (tmp_path / "etc" / "pairs.conf").write_text("connections { pair-2 { children { a : ipsecplan-start { } } } }\n")
    (tmp_path / "etc" / "start-none.conf").write_text("ipsecplan-start {\n    start_action = none\n}\n")
    answers = {
        "ip": 'case "$2 $3" in "state list") echo "src a dst b" ;; esac',
        "ss": "",
        "sleep": "",
        "swanctl": f"""case "$1" in
            --list-sas) echo "pair-2: #1, ESTABLISHED, IKEv2" ;;
            --load-conns) [ -z "$3" ] || cp "$3" {tmp_path}/loaded ;; esac""",
    }
    for name, answer in answers.items():
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{tmp_path}/said\n{answer}\n')
        (tmp_path / "bin" / name).chmod(0o755)

    def run(word: str) -> list[str]:
        (tmp_path / "said").write_text("")
        subprocess.run(["/bin/sh", str(tmp_path / "guard.sh"), word], check=True, timeout=60)
        return (tmp_path / "said").read_text().splitlines()

    return run


def test_a_charon_behind_a_killed_one_introduces_itself(script: Callable[[str], list[str]], tmp_path: Path) -> None:
    assert not any("policy" in line for line in script("orphans")), "traps of single pairs replace such policies"
    assert script("wake") == ["swanctl --initiate --ike pair-2 --timeout -1"]
    (tmp_path / "etc" / "any.conf").write_text("")
    said = script("orphans")
    assert "ip xfrm policy deleteall dir out src 10.0.0.1/32 dst 10.0.0.2/32" in said
    assert "ip xfrm policy deleteall dir in src 10.0.0.2/32 dst 10.0.0.1/32" in said
    assert script("wake") == [
        f"swanctl --load-conns --file {tmp_path}/swanctl/ipsecplan-introduce.conf",
        "swanctl --terminate --ike ipsecplan-any --force",
        "swanctl --initiate --ike pair-2 --timeout -1",
        "sleep 0.5",
        "swanctl --list-sas",
        "swanctl --load-conns",
    ]
    assert "start_action = none" in (tmp_path / "loaded").read_text(), (
        "swanctl takes no connection that refers to a section of another file"
    )
    assert list((tmp_path / "swanctl").iterdir()) == []
    assert script("wake") == [], "once"
