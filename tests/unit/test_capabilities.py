"""What a host's charon and kernel can do, as far as anybody looked: words in an inventory, reasons for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from netplan.agent.protocol import words
from netplan.cli.facts import tried
from netplan.inputs import inventory
from netplan.inputs.host_variables import HostContext, read_hosts
from netplan.model.proposals.capabilities import TRIED, UNKNOWN, Capabilities
from tests.support.plans import make_planned

HOSTS = """\
all:
  hosts:
    n1: {underlay_address: 10.77.0.11, pod_cidr: 10.244.1.0/24}
    n2: {underlay_address: 10.77.0.12, pod_cidr: 10.244.2.0/24, kernel_iptfs: VALUE}
"""
SEEN = {
    "strongswan_version": "6.1.0",
    "strongswan_algorithms": ["AES_GCM_16", "ML_KEM_768", "CURVE_25519"],
    "kernel_iptfs": "drops",
    "kernel_per_cpu_sas": "works",
}


def test_the_words_are_those_of_the_protocol() -> None:
    assert get_args(words.Tried) == TRIED


def test_what_was_tried_reaches_the_plan_and_makes_no_bundle_old(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS.replace("VALUE", "works"))
    before = inventory.read(path)
    inventory.facts_file(path).write_text(json.dumps({"schema": 1, "hosts": {"n1": SEEN, "n2": SEEN}}))
    after = inventory.read(path)
    assert after.digests == before.digests
    typed = read_hosts(HostContext.of(make_planned(2).plan.file), after)
    assert typed.problems == ()
    one, two = (node.capabilities for node in typed.found)
    assert (one.iptfs, two.iptfs, one.per_cpu_sas) == ("drops", "works", "works")
    assert one.key_exchanges == {"ML_KEM_768", "CURVE_25519"}
    assert one.refuses("iptfs") == "its kernel accepts such an SA and then drops every packet (tried with one)"
    assert two.refuses("iptfs") is None
    assert (one.proven("iptfs"), two.proven("iptfs"), one.proven("per_cpu_sas")) == (False, True, True)


@pytest.mark.parametrize("value", ["yes", "true", "[works]", "'drops '"])
def test_another_word_is_refused(tmp_path: Path, value: str) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text(HOSTS.replace("VALUE", value))
    (problem,) = read_hosts(HostContext.of(make_planned(2).plan.file), inventory.read(path)).problems
    assert (problem.code, problem.location.line if problem.location else 0) == ("IPP304", 4)
    assert "works, drops, refused, untried" in problem.message


def test_what_nobody_tried_is_neither_refused_nor_proven() -> None:
    assert UNKNOWN.refuses("iptfs") is None
    assert not UNKNOWN.proven("iptfs")
    new = Capabilities((6, 0, 2))
    assert new.refuses("per_cpu_sas") is None
    assert not new.proven("per_cpu_sas")
    # the kernel may well do it; this charon can't ask for it
    old = Capabilities((6, 0, 1), iptfs="works")
    assert old.refuses("iptfs") == "strongSwan 6.0.1 has no mode = iptfs (RFC 9347); it came with 6.0.2"
    assert not old.proven("iptfs")
    assert Capabilities((6, 1, 0), iptfs="refused").refuses("iptfs") == "its kernel refuses such an SA (tried)"


def test_facts_say_what_became_of_the_packets() -> None:
    hosts = {f"n{n}": {"kernel_iptfs": "drops" if n else "works", "kernel_per_cpu_sas": "works"} for n in range(10)}
    assert tried(hosts) == [
        "a packet in an IP-TFS SA drops: n1, n2, n3, n4, n5, n6, n7, n8 ...",
        "a packet in an IP-TFS SA works: n0",
        "a packet in an SA for one processor works: n0, n1, n2, n3, n4, n5, n6, n7 ...",
    ]
