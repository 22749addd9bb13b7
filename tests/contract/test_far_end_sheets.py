"""Every sheet for an unmanaged peer, read back: audit's readers find in it what the plan says. A round trip."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from netplan.audit.formats.registry import TEXTS
from netplan.audit.model import Esp, Evidence
from netplan.audit.strongswan import swanctl_conf
from netplan.ipsec import unmanaged_peer
from netplan.ipsec.far_end.ends import FarEnd, far_end
from netplan.model.node import Node
from netplan.model.proposals import esp_proposal
from netplan.plan.types import Plan
from tests.support.plans import make_planned

PROGRAMS = ("libreswan.conf", "routeros.rsc", "fortios.conf", "cisco-ios-xe.cfg")
# IKE, ESP, and the sheets there are: the other programs lack a word
SUITES: dict[str, tuple[list[str], list[str], set[str]]] = {
    "default": (["aes256gcm16-prfsha384-ecp384"], ["aes256gcm16-x25519"], {"libreswan.conf", "fortios.conf"}),
    "everybody's": (["aes256-sha384-ecp384"], ["aes256gcm16-ecp384"], set(PROGRAMS)),
    "cbc": (["aes128-sha256-modp3072"], ["aes128-sha256-modp3072"], set(PROGRAMS)),
    "two": (
        ["aes256gcm16-prfsha384-ecp384", "aes256-sha512-ecp521"],
        ["aes256gcm16-ecp521", "aes256-sha512-ecp521"],
        set(PROGRAMS),
    ),
    "no-pfs": (["aes256-sha256-ecp256"], ["aes256-sha256"], set(PROGRAMS)),
    "sha384": (["aes256-sha256-ecp256"], ["aes128-sha384-ecp256"], set(PROGRAMS) - {"routeros.rsc"}),
}
SETTINGS = [
    {"mode": mode, "nat_traversal": nat, "protect": protect}
    for mode, nat, protect in itertools.product(("transport", "tunnel"), ("never", "always"), ("overlay", "hosts"))
]


def planned(suites: str, settings: dict[str, Any]) -> tuple[Plan, Node, FarEnd]:
    ike, esp, _ = SUITES[suites]
    hosts: dict[str, object] = {"clear": []} if settings["protect"] == "hosts" else {}
    plan = make_planned(4, {4: {"ipsecplan_managed": False}}, ipsec={"ike": ike, "esp": esp, **settings, **hosts}).plan
    node = next(n for n in plan.nodes if not n.managed)
    return plan, node, far_end(plan, node)


def readings(name: str, text: str) -> list[Esp]:
    """Return what the first reader that takes a text finds, as `ipsecplan audit FILE` does."""
    evidence = Evidence()
    reader = next(read for takes, read in TEXTS if takes(f"/etc/{name}", text))
    assert reader(f"/etc/{name}", text, evidence) is None
    return evidence.esps


def wanted(plan: Plan, node: Node) -> list[Esp]:
    """Return what the reader of swanctl.conf finds in the file for strongSwan, which the bundle proves by itself."""
    evidence = Evidence()
    assert swanctl_conf("ipsecplan.conf", unmanaged_peer.files(plan, node)["ipsecplan.conf"], evidence) is None
    return evidence.esps


def brief(esp: Esp, *, ends: bool = True) -> tuple[object, ...]:
    """Return what a reading says, comparable: suite and mode, with ``ends`` also addresses and ports."""
    suite = esp.suite.replace("sha2_", "sha")  # two spellings of one keyword
    if not ends:
        return suite, esp.mode
    sides = (tuple(str(ip_network(word)) for word in side) for side in (esp.local, esp.remote))
    return suite, esp.mode, *sides, tuple(sorted(esp.ports)) if esp.ports is not None else None


def cases() -> Iterator[Any]:
    for suites in SUITES:
        for settings in SETTINGS:
            yield pytest.param(suites, settings, id="-".join((suites, *map(str, settings.values()))))


@pytest.mark.parametrize(("suites", "settings"), cases())
def test_the_readers_find_the_plan_in_every_sheet(suites: str, settings: dict[str, Any]) -> None:
    plan, node, end = planned(suites, settings)
    sheets = {sheet.name: sheet for sheet in unmanaged_peer.sheets(plan, node)}
    assert set(sheets) == set(PROGRAMS)
    may = SUITES[suites][2]
    assert {name for name, sheet in sheets.items() if sheet.text} == may
    assert all(sheet.lacks for name, sheet in sheets.items() if name not in may)
    theirs = wanted(plan, node)
    assert len(theirs) == len(end.tunnels) * len(end.selectors) * len(plan.file.ipsec.esp)
    for name in may:
        own = readings(name, sheets[name].text)
        ends = name != "cisco-ios-xe.cfg"  # its reader takes transform sets, which have no ends
        kept = {esp_proposal(one.text).suite for one in kept_by(name, end)}  # type: ignore[union-attr]
        assert {brief(esp, ends=ends) for esp in own} == {
            brief(esp, ends=ends) for esp in theirs if esp.suite in kept
        }, name
        if name in ("libreswan.conf", "fortios.conf"):
            assert {esp.nat_t for esp in own} == {esp.nat_t for esp in theirs}


def kept_by(name: str, end: FarEnd) -> list[Any]:
    """Return the proposals that a sheet says: all, but RouterOS's, which has the first of them."""
    return list(end.tunnels[0].esp[:1] if name == "routeros.rsc" else end.tunnels[0].esp)


GROUP_OF: dict[str, Callable[[str], set[str]]] = {
    "libreswan.conf": lambda text: set(re.findall(r"^\tesp=.*;dh(\d+)", text, re.M)),
    "fortios.conf": lambda text: set(re.findall(r"set dhgrp (\d+)\n        set replay", text)),
    "cisco-ios-xe.cfg": lambda text: set(re.findall(r"^ set pfs group(\d+)$", text, re.M)),
    "routeros.rsc": lambda text: {
        {"ecp256": "19", "ecp384": "20", "ecp521": "21", "modp3072": "15"}[word]
        for word in re.findall(r"pfs-group=(\w+)", text)
        if word != "none"
    },
}


@pytest.mark.parametrize("suites", SUITES)
def test_every_sheet_names_the_pfs_group(suites: str) -> None:
    """A wrong one shows only at the second child or the first rekey, so it has to be there, and right."""
    plan, node, end = planned(suites, SETTINGS[0])
    number = end.tunnels[0].esp[0].number
    for sheet in unmanaged_peer.sheets(plan, node):
        if sheet.text:
            assert GROUP_OF[sheet.name](sheet.text) == ({str(number)} if number else set()), sheet.name
            warned = re.sub(r"\s*\n[#!] ", " ", sheet.text)
            assert ("the second child and every rekey then fail" in warned) == bool(number), sheet.name


@pytest.mark.parametrize("suites", SUITES)
def test_every_sheet_says_identities_lives_and_the_peers(suites: str) -> None:
    plan, node, end = planned(suites, SETTINGS[0])
    for sheet in unmanaged_peer.sheets(plan, node):
        for word in (
            (end.id, str(end.child_life), str(end.dpd), *(t.peer_identity for t in end.tunnels)) if sheet.text else ()
        ):
            assert word in sheet.text, (sheet.name, word)
        for tunnel in end.tunnels if sheet.text else ():
            assert tunnel.peer in sheet.text


def test_no_name_of_fortios_is_too_long() -> None:
    plan, node, _ = planned("default", SETTINGS[0])
    text = next(s.text for s in unmanaged_peer.sheets(plan, node) if s.name == "fortios.conf")
    names = re.findall(r'edit "([^"]+)"', text.split("config vpn ipsec phase2-interface")[0])
    assert names
    assert max(map(len, names)) <= 15


def test_a_changed_value_is_noticed() -> None:
    """The round trip can fail: another key length, mode or port in a sheet is not what the plan says."""
    plan, node, _ = planned("everybody's", SETTINGS[0])
    theirs = {brief(esp) for esp in wanted(plan, node)}
    for name, changes in {
        "libreswan.conf": (("aes_gcm256", "aes_gcm128"), ("type=transport", "type=tunnel"), ("udp/4789", "udp/4790")),
        "routeros.rsc": (("aes-256-gcm", "aes-128-gcm"), ("tunnel=no", "tunnel=yes"), ("port=4789", "port=4790")),
        "fortios.conf": (
            ("proposal aes256gcm\n", "proposal aes128gcm\n"),
            ("transport-mode", "tunnel-mode"),
            ("4789", "4790"),
        ),
    }.items():
        text = next(s.text for s in unmanaged_peer.sheets(plan, node) if s.name == name)
        assert {brief(esp) for esp in readings(name, text)} == theirs
        for old, new in changes:
            assert old in text
            assert {brief(esp) for esp in readings(name, text.replace(old, new))} != theirs, (name, old)
