"""The JUnit report: well-formed, of the common shape, one case for each direction and assert."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from netplan.problems import Problem
from netplan.verify.checks import CHECKS
from netplan.verify.junit import ERRORS, junit
from netplan.verify.verdict import judge
from tests.support.probe_rows import NODES, ROW

BOTH = {"n-a": [ROW], "n-b": [{**ROW, "peer": "n-a"}]}


def report(rows: Any = BOTH, rising: Any = None, nodes: Any = NODES, problems: Any = ()) -> Xml.Element:
    text = junit(
        judge(nodes, rows, rising), cluster="demo", at="2026-01-02T03:04:05Z", seconds=1.5, problems=list(problems)
    )
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    root = Xml.fromstring(text.encode())  # noqa: S314  our own output
    shape(root)
    return root


def shape(root: Xml.Element) -> None:
    """What Jenkins, GitLab and GitHub's reporters agree on."""
    assert root.tag == "testsuites"
    for suite in root:
        assert suite.tag == "testsuite"
        assert {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"} <= suite.attrib.keys()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", suite.attrib["timestamp"])
        cases = list(suite)
        assert [c.tag for c in cases] == ["testcase"] * int(suite.attrib["tests"])
        for kind, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert sum(c.find(kind) is not None for c in cases) == int(suite.attrib[attribute])
        keys = [(c.attrib["classname"], c.attrib["name"]) for c in cases]
        assert len(set(keys)) == len(keys), "a reporter would merge two cases"
        for case in cases:
            float(case.attrib["time"])
            for child in case:
                assert child.tag in ("failure", "error", "skipped")
                assert {"message", "type"} <= child.attrib.keys()
    for key in ("tests", "failures", "errors"):
        assert int(root.attrib[key]) == sum(int(suite.attrib[key]) for suite in root)


def failed(root: Xml.Element) -> list[tuple[str, str]]:
    return [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase") if len(c)]


def test_every_direction_and_every_assert_is_a_case() -> None:
    root = report()
    names = [(c.attrib["classname"], c.attrib["name"]) for c in root.iter("testcase")]
    wanted = [(way, name) for way in ("a -> b", "b -> a") for name in CHECKS]
    assert names == [*wanted, ("a", ERRORS), ("b", ERRORS)]
    assert failed(root) == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"passes": False}, "a full packet arrives"),
        ({"refused": False}, "one byte more is refused"),
        ({"esp": 0}, "ESP of the planned size"),
        ({"esp_full": 0}, "ESP of the planned size"),
        ({"outer": 1504}, "ESP of the planned size"),
        ({"fragments": 2}, "no fragment"),
        ({"plaintext": 1}, "nothing in clear"),
        ({"planted_seen": 0}, "the leak probe sees"),
        ({"flow_sent": 9, "flow_gap": 2}, "the flow is uninterrupted"),
        ({"flow_sent": 0}, "the flow is uninterrupted"),
        ({"algorithms": ["AES_CBC-128"]}, "the planned algorithms"),
        ({"modes": ["TUNNEL"]}, "the planned mode"),
    ],
)
def test_each_assert_can_fail_alone(change: dict[str, Any], name: str) -> None:
    assert failed(report({**BOTH, "n-a": [{"flow_gap": 0, **ROW, **change}]})) == [("a -> b", name)]


def test_one_lost_ping_is_no_interruption() -> None:
    assert failed(report({**BOTH, "n-a": [{**ROW, "flow_sent": 20, "flow_gap": 1}]})) == []


def test_what_was_not_measured_has_failed() -> None:
    assert failed(report({"n-a": [ROW]})) == [("b -> a", name) for name in CHECKS]


def test_rising_error_counters_fail_their_node() -> None:
    root = report(rising={"n-b": {"XfrmInNoStates": 3}, "n-a": {}})
    assert failed(root) == [("b", ERRORS)]
    assert "XfrmInNoStates rose by 3" in Xml.tostring(root, encoding="unicode")


def test_unreachable_nodes_are_errors_and_not_nothing() -> None:
    problem = Problem(code="IPP661", message="n1 can't be reached: \x1b[31m <&> \x00 \ud800")
    root = report(nodes=[], problems=[problem])
    assert [c.attrib["name"] for c in root.iter("testcase")] == ["IPP661"]
    assert root.attrib["errors"] == "1"


@pytest.mark.parametrize("name", ['<a href="x">', "]]>", "&amp;", "\x0b", "a\u202eb", "{{ 7*7 }}"])
def test_a_name_is_data(name: str) -> None:
    nodes = [{**NODES[0], "name": name}, NODES[1]]
    root = report(nodes=nodes)
    assert failed(root) == []
