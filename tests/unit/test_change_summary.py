"""What is asked before a change, and what a bundle is beside its plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.bundle import reader, write
from netplan.bundle.node_json import node_facts
from netplan.cli.ask import older_than_plan, to_change
from netplan.pipeline import Planned, make
from netplan.problems import ExitCode
from netplan.rollout.change_summary import summary
from netplan.rollout.outcome import Outcome
from tests.support import replies
from tests.support.plans import make_planned
from tui.draw import bundle_words


def status(state: str, size: int | None, *drift: dict[str, Any]) -> Any:
    release = {"none": "", "confirmed": "e" * 64}[state]
    found = replies.added("status", {"overlay": {"devices": []}, "peers": []})
    found |= {"state": {"state": state, "release": release}, "drift": list(drift)}
    found["mtu"] = {"devices": {"ov0": size}, "bridge": None, "pods": [], "unknown_ports": []}
    return found


def row(message: str, found: str = "", planned: str = "") -> dict[str, Any]:
    return {"code": "IPP680", "message": message, "severity": "error", "hint": None, "found": found, "planned": planned}


def lines(*statuses: Any, held: int | None = None) -> list[str]:
    planned = make_planned(3, ipsec={"esp": ["aes256gcm16-x25519"]})
    facts = {node.id: node_facts(planned.plan, node) for node in planned.plan.nodes}
    found = dict(zip(facts, statuses, strict=True))
    return summary(facts, dict.fromkeys(facts, "d" * 64), found, held).lines()


def test_a_question_says_sizes_cipher_pairs_and_traffic() -> None:
    same = status("none", 1450)
    said = lines(same, same, status("none", 1500))
    assert said[0] == "pod MTU 1450 on n1, n2 and 1500 on n3 -> 1416"
    assert said[1].startswith("3 pairs, ESP AES_GCM_16-256")
    assert said[1].endswith("transport mode")
    assert said[2].startswith("n1, n2, n3: in clear now")


def test_a_question_says_which_size_is_kept_instead_of_the_planned_one() -> None:
    small = status("confirmed", 1392)
    said = lines(small, small, small, held=1392)
    assert said[0] == "pod MTU 1392, as it is; planned 1416, by `apply --raise-mtu`"
    assert said[2].startswith("n1, n2, n3: another release")


def test_a_question_names_every_file_that_differs() -> None:
    other = status("confirmed", 1416, row("/etc/x was changed", "aaa", "bbb"), row("another release is applied"))
    said = lines(other, other, status("confirmed", 1416, row("/etc/\x1b[2J is missing")))
    assert said[-3:] == [
        "2 files differ from the bundle:",
        "  /etc/\N{REPLACEMENT CHARACTER}[2J is missing   (n3)",
        "  /etc/x was changed (aaa -> bbb)   (n1, n2)",
    ]


def test_the_question_ends_with_the_number_of_nodes() -> None:
    outcome = Outcome("planned", ExitCode.OK, changes=3)
    assert to_change(outcome).startswith("3 of 0 nodes to change; ")


PLAN = "name: demo\ninventory: inventory.yml\nnodes: all\n"
HOSTS = "all: {hosts: {n1: {underlay_address: 10.0.0.1, pod_cidr: 10.1.0.0/24},"
HOSTS += " n2: {underlay_address: 10.0.0.2, pod_cidr: 10.2.0.0/24}}}\n"


@pytest.fixture
def rendered(tmp_path: Path) -> Path:
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "inventory.yml").write_text(HOSTS)
    made = make(tmp_path / "plan.yaml")
    return write.write(tmp_path / "bundle", made.plan, made.inventory).directory


def test_a_bundle_that_is_older_than_its_plan_is_named(rendered: Path) -> None:
    plan = rendered.parent / "plan.yaml"
    assert older_than_plan(rendered) == []
    plan.write_text("# a comment changes nothing\n" + PLAN)
    assert older_than_plan(rendered) == []
    plan.write_text(PLAN + "ipsec: {esp: [aes128gcm16-x25519]}\n")
    (problem,) = older_than_plan(rendered)
    assert (problem.code, problem.severity) == ("IPP505", "warning")
    assert "plan.yaml" in problem.message
    (rendered.parent / "old.yaml").write_text(PLAN)
    assert older_than_plan(rendered) == [], "its own plan is there, too"


def test_a_bundle_of_another_plan_is_named_in_the_planner(rendered: Path) -> None:
    bundle = reader.read(rendered)
    plan = make(rendered.parent / "plan.yaml").plan.file
    path = rendered.parent / "plan.yaml"
    assert bundle_words.unlike_plan(bundle, plan, path) == []
    (other,) = bundle_words.unlike_plan(bundle, make_planned(2, name="other").plan.file, path)
    assert "NOT the open plan" in other
    (older,) = bundle_words.unlike_plan(bundle, make_planned(2, ipsec={"mode": "tunnel"}).plan.file, path)
    assert "OLDER than the open plan" in older
    assert bundle_words.about(bundle)[0].startswith("pod MTU 1416, ")
    assert bundle_words.about(bundle)[0].endswith(", 1 pair")


def test_no_plan_beside_a_bundle_is_no_older_one(tmp_path: Path, planned: Planned) -> None:
    bundle = write.write(tmp_path / "elsewhere" / "b", planned.plan, planned.inventory).directory
    assert older_than_plan(bundle) == []
