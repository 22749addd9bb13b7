"""No string that a user can write anywhere in a plan or an inventory gets into a file as anything but itself.

Each payload is put into each field that takes text. Accepted would mean: a plan was made and some file of its bundle
differs in structure from that of the harmless plan. Allowed is only a refusal, or files that are the same but for the
payload as quoted data.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from netplan.bundle import build
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules import validate, validate_with
from netplan.inputs.rules_hosts import nodes
from netplan.inputs.yaml_source import Source
from netplan.ipsec import swanctl
from netplan.ipsec.swanctl_parser import read
from netplan.model.planfile import PlanFile
from netplan.plan.build import make_plan
from netplan.plan.types import Plan
from netplan.problems import ProblemError, errors
from tests.sizes import some

CORPUS = [
    json.loads(line) for line in (Path(__file__).parents[1] / "data" / "injections.jsonl").read_text().splitlines()
]
BASE: dict[str, Any] = {"name": "demo", "inventory": "inventory.yml", "nodes": "all"}
CONFS = ("conf.d/ipsecplan.conf", "/pairs.conf", "/any.conf")
IDS = re.compile(r"(n|pair)-[0-9a-f]{12}")


def _plan(file: dict[str, Any], change: Callable[[list[Host]], object] = len) -> Plan | None:
    hosts = [
        Host(f"n{n}", {"underlay_address": f"10.77.0.1{n}", "pod_cidr": f"10.244.{n}.0/24"}, frozenset({"all", "grp"}))
        for n in (1, 2, 3)
    ]
    change(hosts)
    try:
        loaded = LoadedPlan(PlanFile.model_validate({**BASE, **file}), Source("plan.yaml"), Path("plan.yaml"))
        inventory = Inventory(Path("inventory.yml"), "inventory.yml", "all", tuple(hosts))
        if errors(validate(loaded)) or errors(validate_with(loaded, inventory)):
            return None
        return make_plan(loaded.plan, nodes(loaded.plan, inventory))
    except (ValidationError, ProblemError):
        return None


def _variable(name: str, text: str) -> Plan | None:
    def change(hosts: list[Host]) -> None:
        hosts[0].variables[name] = text

    return _plan({}, change)


def _network(name: str, about: Any, address: str = "fd00::1") -> Plan | None:
    """An additional network of that name, and the first host's variable about it; both families beside it."""

    def change(hosts: list[Host]) -> None:
        for number, host in enumerate(hosts, 1):
            at = about if number == 1 else {"address": f"10.1.0.{number}"}
            own = address if number == 1 else f"fd00::{number}"
            host.variables.update(underlay_address_ipv6=own, underlay_networks={name: at})

    return _plan({"ipsec": {"protect": "hosts"}, "underlay": {"family": "dual", "networks": [{"name": name}]}}, change)


def _host(text: str) -> Plan | None:
    def change(hosts: list[Host]) -> None:
        hosts[0] = Host(text, hosts[0].variables, hosts[0].groups | {text})

    return _plan({}, change)


def _group(text: str) -> Plan | None:
    """A group with a hostile name is the inventory's own business; the plan may name it, the files never do."""

    def change(hosts: list[Host]) -> None:
        hosts[0] = Host("n1", hosts[0].variables, hosts[0].groups | {text})

    return _plan(
        {"ipsec": {"topology": {"hub": text}}, "underlay": {"paths": [{"between": [text, "grp"], "mtu": 1400}]}}, change
    )


FIELDS: dict[str, Callable[[str], Plan | None]] = {
    "clear": lambda text: _plan({"ipsec": {"protect": "hosts", "clear": [text]}}),
    "clear, appended": lambda text: _plan({"ipsec": {"protect": "hosts", "clear": ["tcp/22" + text]}}),
    "name": lambda t: _plan({"name": t}),
    "name, at rest": lambda t: _plan({"name": t, "ipsec": {"topology": "trap-any"}}),
    "esp, at rest": lambda t: _plan({"ipsec": {"topology": "trap-any", "esp": [t, "aes256gcm16-x25519"]}}),
    "device": lambda t: _plan({"overlay": {"device": t}}),
    "bridge": lambda t: _plan({"overlay": {"bridge": t}}),
    "esp": lambda t: _plan({"ipsec": {"esp": [t]}}),
    "esp, appended": lambda t: _plan({"ipsec": {"esp": ["aes256gcm16-x25519" + t]}}),
    "ike": lambda t: _plan({"ipsec": {"ike": [t]}}),
    "ike, appended": lambda t: _plan({"ipsec": {"ike": ["aes256gcm16-prfsha384-ecp384" + t]}}),
    "profile": lambda t: _plan({"ipsec": {"profile": t}}),
    "topology": lambda t: _plan({"ipsec": {"topology": t}}),
    "mode": lambda t: _plan({"ipsec": {"mode": t}}),
    "lifetime": lambda t: _plan({"ipsec": {"lifetimes": {"child": t}}}),
    "lifetime, appended": lambda t: _plan({"ipsec": {"lifetimes": {"ike": "4h" + t}}}),
    "plugin": lambda t: _plan({"cni": {"plugin": t}}),
    "group": _group,
    "host": _host,
    "host, appended": lambda t: _host("n1" + t),
    "underlay_address": lambda t: _variable("underlay_address", t),
    "underlay_address, appended": lambda t: _variable("underlay_address", "10.77.0.11" + t),
    "network": lambda t: _network(t, {"address": "10.1.0.1"}),
    "network, appended": lambda t: _network("p" + t, {"address": "10.1.0.1"}),
    "underlay_networks": lambda t: _network("p", {"address": t}),
    "underlay_networks, appended": lambda t: _network("p", {"address": "10.1.0.1" + t, "mtu": "1500" + t}),
    "underlay_address_ipv6": lambda t: _network("p", {"address": "10.1.0.1"}, t),
    "pod_cidr": lambda t: _variable("pod_cidr", t),
    "pod_cidr, appended": lambda t: _variable("pod_cidr", "10.244.1.0/24" + t),
    "underlay_mtu": lambda t: _variable("underlay_mtu", t),
    "behind_nat": lambda t: _variable("behind_nat", t),
    "strongswan_version": lambda t: _variable("strongswan_version", t),
    "strongswan_algorithms": lambda t: _variable("strongswan_algorithms", t),
}


def _shape(plan: Plan, text: str) -> list[tuple[str, Any]]:
    """Every installed file reduced to what decides: swanctl.conf as charon means it, other files line by line, with
    ids, addresses and numbers that the field may legitimately set made equal."""
    out: list[tuple[str, Any]] = []
    for file in build.build(plan):
        path = IDS.sub("ID", file.path)
        if "/etc/" not in file.path and "/usr/" not in file.path:
            continue
        if path.endswith((*CONFS, "/ipsecplan.conf")) and "sysctl" not in path:
            found = swanctl.connections_of(read(file.text + swanctl.start_file("none")))
            out.append((path, [len(found), sorted(sorted(c) for c in found.values()), _root(file.text)]))
        else:
            body = file.text.replace(text, "PAYLOAD") if len(text) > 3 else file.text
            out.append(
                (path, [re.sub(r"[0-9a-f.:/]+|PAYLOAD", "#", line) for line in IDS.sub("ID", body).splitlines()])
            )
    return sorted(out, key=lambda item: (item[0], str(item[1])))


def _installed(plan: Plan | None) -> list[tuple[str, str]]:
    assert plan is not None
    return [(f.path, f.text) for f in build.build(plan) if "/etc/" in f.path or "/usr/" in f.path]


def _root(text: str) -> list[str]:
    return sorted(re.sub(r"-\d+", "-N", name) for name in read(text).sections)


def test_the_corpus_is_large_and_has_no_double() -> None:
    assert len(CORPUS) >= 219
    assert max(Counter(p["text"] for p in CORPUS).values()) <= 3  # the same text may attack two grammars
    assert len({p["text"] for p in CORPUS}) >= 219


@pytest.mark.parametrize("field", FIELDS)
def test_nothing_is_accepted(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    networks = field.startswith(("network", "underlay_networks", "underlay_address_ipv6"))
    harmless = (
        _network("p", {"address": "10.1.0.1"})
        if networks
        else _plan({"ipsec": {"topology": "trap-any"}} if field.endswith("at rest") else {})
    )
    assert harmless is not None
    gateways = _group("gateways")
    refused = data = 0
    for payload in some(CORPUS, 4, list(FIELDS).index(field)):  # fields share the corpus, `make drills` doesn't
        text = payload["text"]
        plan = FIELDS[field](text)
        if plan is None:
            refused += 1
            continue
        data += 1
        for file in build.build(plan):
            if file.path.endswith(".md"):
                assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]", file.text), (
                    payload
                )
        if field == "group":  # its name decides about pairs and stands in no file: not a byte may differ
            assert _installed(plan) == _installed(gateways), payload
            continue
        if field not in ("device", "bridge"):
            _compare(plan, harmless, text, payload)
        else:
            assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", text), payload
    with capsys.disabled():
        print(f"\n  {field}: {refused} refused, {data} harmless data, 0 accepted", end="")


def _compare(plan: Plan, harmless: Plan, text: str, payload: object) -> None:
    one, other = _shape(plan, text), _shape(harmless, text)
    assert {path for path, _ in one} == {path for path, _ in other}, payload
    for (path, found), (_, wanted) in zip(one, other, strict=True):
        if path.endswith(CONFS):
            assert found[0] == wanted[0], (path, payload)
            assert set(found[2]) <= {re.sub(r"-\d+", "-N", n) for n in _names()}, (path, payload)
        else:
            assert len(found) == len(wanted), (path, payload)


def _names() -> list[str]:
    return ["ipsecplan-conn", "ipsecplan-child", "connections", *(f"ipp-1{s}" for s in ("", "c", "o", "i", "a"))]
