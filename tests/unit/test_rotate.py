"""Rotation by the engine against a stand-in for the nodes: every phase on all nodes before the next, resumable."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from netplan.bundle import write
from netplan.bundle.node_json import node_facts
from netplan.ipsec.ca import open_authority
from netplan.ipsec.swanctl_parser import read
from netplan.problems import ExitCode
from netplan.rollout.engine import Engine
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import silent
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.transport.reply import Answer
from netplan.rollout.verbs.rotate import rotate
from tests.support import replies
from tests.support.certificates import csr
from tests.support.plans import make_planned


class Nodes:
    """Answers like nodes, remembers which secrets each has loaded; a ``broken`` (count, node) does not answer."""

    def __init__(self, state: str = "confirmed") -> None:
        self.state, self.loaded, self.steps, self.broken = state, {}, [], set()  # type: ignore[var-annotated]

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        del targets, payload, fresh
        answers = {}
        self.steps.append((tuple(next(iter(requests.values()))["phases"]), set(requests)))
        for node, request in requests.items():
            name = request["phases"][0]
            result: dict[str, Any] = {
                "phase": name,
                "ok": True,
                "changed": True,
                "detail": "",
                "seconds": 0,
                "findings": [],
            }
            if name == "status":
                result |= replies.status(state={"state": self.state, "release": "d" * 64, "last": {}})
            if name == "load-psk":
                if (len(self.loaded.setdefault(node, [])) + 1, node) in self.broken:
                    answers[node] = Answer(unreachable="gone")
                    arrived(node, answers[node])
                    continue
                self.loaded[node].append(request["secrets"])
            answers[node] = Answer(results=[result])
            arrived(node, answers[node])
        return answers


@pytest.fixture
def engine(tmp_path: Path) -> Callable[[Nodes], Engine]:
    plan = make_planned(3, ipsec={"auth": "psk"}).plan

    def make(nodes: Nodes) -> Engine:
        found = [Target(n.id, n.name, "d" * 64, node_facts(plan, n), (), {}, {}) for n in plan.nodes]
        state = ClusterState(tmp_path / "state", "demo")
        (state.folder / "journal").mkdir(parents=True, exist_ok=True)
        return Engine("demo", "d" * 64, found, nodes, state, silent, Options())

    return make


def signs(text: str) -> dict[str, str]:
    """Pair -> the key that charon signs with: the last one in the file."""
    sections = read(text).section("secrets").sections
    return {name.rsplit("-", 1)[0]: s.values["secret"] for name, s in sections.items()}


def accepts(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, section in read(text).section("secrets").sections.items():
        found.setdefault(name.rsplit("-", 1)[0], set()).add(section.values["secret"])
    return found


def compatible(one: str, other: str) -> bool:
    shared = signs(one).keys() & signs(other).keys()
    assert shared
    return all(signs(one)[p] in accepts(other)[p] and signs(other)[p] in accepts(one)[p] for p in shared)


def test_every_mixture_on_the_way_authenticates(engine: Callable[[Nodes], Engine]) -> None:
    nodes = Nodes()
    outcome = rotate(engine(nodes), "psk", lambda _: True)
    assert outcome.outcome == "rotated"
    assert [phases for phases, _ in nodes.steps] == [("status",), *[("load-psk",)] * 3, ("release-lease",)]
    first, second, third = (files for files in nodes.loaded.values())
    for step in range(3):
        assert compatible(first[step], second[step])
        if step:
            assert compatible(first[step], third[step - 1])
            assert compatible(first[step - 1], second[step])
    assert signs(first[0]) != signs(first[2])
    keys = [k for f in nodes.loaded.values() for t in f for k in re.findall(r"0x([0-9a-f]+)", t)]
    assert all(len(key) == 64 for key in keys)


def test_interrupted_and_run_again_goes_on(engine: Callable[[Nodes], Engine]) -> None:
    nodes = Nodes()
    made = engine(nodes)
    late = list(made.targets)[1]
    nodes.broken = {(2, late)}
    outcome = rotate(made, "psk", lambda _: True)
    assert (outcome.outcome, outcome.exit_code) == ("interrupted", ExitCode.UNREACHABLE)
    assert nodes.steps[-1] == (("release-lease",), set(made.targets)), "another machine need not wait"
    store = json.loads((made.state.folder / "psk.json").read_text())
    assert sorted(store["phases"].values()) == [1, 2, 2]
    nodes.broken = set()
    nodes.steps.clear()
    assert rotate(engine(nodes), "psk", lambda _: True).outcome == "rotated"
    assert next(chosen for phases, chosen in nodes.steps if phases == ("load-psk",)) == {late}
    assert all(compatible(a[-1], b[-1]) for a in nodes.loaded.values() for b in nodes.loaded.values() if a is not b)
    assert json.loads((made.state.folder / "psk.json").read_text())["phases"] == {}


def test_nothing_is_rotated_where_nothing_is_confirmed(engine: Callable[[Nodes], Engine]) -> None:
    nodes = Nodes("open")
    outcome = rotate(engine(nodes), "psk", lambda _: True)
    assert outcome.outcome == "failed"
    assert [phases for phases, _ in nodes.steps] == [("status",)]


def test_no_secret_is_in_a_bundle_or_a_journal(engine: Callable[[Nodes], Engine], tmp_path: Path) -> None:
    nodes = Nodes()
    made = engine(nodes)
    rotate(made, "psk", lambda _: True)
    planned = make_planned(3, ipsec={"auth": "psk"})
    write.write(tmp_path / "bundle", planned.plan, planned.inventory)
    keys = {k for f in nodes.loaded.values() for t in f for k in re.findall(r"0x([0-9a-f]+)", t)}
    files = [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "psk.json"]
    assert len(files) > 30
    assert not [p for p in files for k in keys if k in p.read_text()]


def test_a_new_ca_is_trusted_before_it_signs_and_alone_at_the_end(tmp_path: Path) -> None:
    plan = make_planned(3).plan
    nodes = Certified()
    state = ClusterState(tmp_path / "state", "demo")
    (state.folder / "journal").mkdir(parents=True)
    found = [Target(n.id, n.name, "d" * 64, node_facts(plan, n), (), {}, {}) for n in plan.nodes]

    def run() -> str:
        return rotate(Engine("demo", "d" * 64, found, nodes, state, silent, Options()), "ca", lambda _: True).outcome

    old = open_authority(state.ca, "demo")
    nodes.broken = {("install-certificate", plan.nodes[1].id)}
    assert run() == "interrupted"
    assert open_authority(state.ca, "demo").pem == old.pem  # nothing is dropped while a node has an old certificate
    assert {len(set(a)) for a in nodes.trusted.values()} == {2}
    nodes.broken = set()
    assert run() == "rotated"
    new = open_authority(state.ca, "demo")
    assert new.certificate.subject != old.certificate.subject
    assert {tuple(a) for a in nodes.trusted.values()} == {(new.pem, new.pem)}
    assert len(nodes.certificates) == 3
    for pem in nodes.certificates.values():
        x509.load_pem_x509_certificate(pem.encode()).verify_directly_issued_by(new.certificate)
    assert len(list(state.ca.glob("*/ca.pem"))) == 2, "the old one is kept"


class Certified(Nodes):
    """Nodes with certificates: each asks with a key of its own; ``broken`` holds (phase, node)."""

    def __init__(self) -> None:
        super().__init__()
        self.trusted: dict[str, list[str]] = {}
        self.certificates: dict[str, str] = {}

    def step(
        self,
        requests: Mapping[str, dict[str, Any]],
        targets: Mapping[str, Target],
        *,
        payload: bool,
        fresh: bool,
        arrived: Callable[[str, Answer], None],
    ) -> dict[str, Answer]:
        del targets, payload, fresh
        answers = {}
        for node, request in requests.items():
            name = request["phases"][0]
            result: dict[str, Any] = {"phase": name, "ok": True, "changed": True, "detail": "", "seconds": 0}
            result["findings"] = []
            if (name, node) in self.broken:
                answers[node] = Answer(unreachable="gone")
                arrived(node, answers[node])
                continue
            if name == "status":
                result |= replies.status(state={"state": "confirmed", "release": "d" * 64, "last": {}})
            elif name == "load-ca":
                self.trusted[node] = request["authorities"]
            elif name == "new-key":
                result["request"] = csr()
            elif name == "install-certificate":
                self.certificates[node] = request["certificate"]
            answers[node] = Answer(results=[result])
            arrived(node, answers[node])
        return answers
