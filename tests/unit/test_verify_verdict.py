"""The verdict: every promise that was not measured is a failure."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from netplan.verify.junit import junit
from netplan.verify.verdict import KEPT, judge, judge_node, whole
from tests.support.probe_rows import NODES, ROW
from tests.support.replies import row


def test_all_good() -> None:
    verdict = judge(NODES, {"n-a": [ROW], "n-b": [{**ROW, "peer": "n-a"}]})
    assert verdict.ok
    assert verdict.problems() == []
    assert [pair.line() for pair in verdict.pairs] == [
        "a -> b  DF 1416 passes, 1417 refused, ESP seen (outer 1500), 0 plaintext (1 planted, seen)",
        "b -> a  DF 1416 passes, 1417 refused, ESP seen (outer 1500), 0 plaintext (1 planted, seen)",
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"passes": False, "said": "100% packet loss"}, "1416 bytes does not arrive"),
        ({"refused": False, "over_answers": 1}, "1417 bytes arrives"),
        ({"refused": False}, "1417 bytes was not refused"),
        ({"esp": 0, "esp_full": 0, "outer": 0}, "no ESP packet left"),
        ({"esp_full": 0, "outer": 1496}, "no ESP packet of 1500 bytes left the node, the largest has 1496"),
        ({"outer": 1504}, "an ESP packet of 1504 bytes"),
        ({"fragments": 2}, "2 ESP packets are fragments"),
        ({"plaintext": 3}, "3 overlay packets left the node in clear"),
        ({"planted_seen": 0}, "proves nothing"),
        ({"planted": 0, "planted_seen": 0}, "proves nothing"),
        ({"algorithms": ["NULL"]}, "negotiated NULL"),
        ({"algorithms": []}, "negotiated nothing"),
        ({"modes": ["TUNNEL"]}, "TUNNEL mode"),
        ({"modes": []}, "in no mode"),
        ({"planted": 10**9, "planted_seen": 10**9}, "proves nothing"),
        ({"outer": 0, "esp_full": 1}, "contradicts itself"),
        ({"esp": 1, "esp_full": 2}, "contradicts itself"),
        ({"flow_sent": 0}, "no flow was measured"),
        ({"flow_sent": 20, "flow_gap": 2}, "2 of 20 pings lost in a row"),
    ],
)
def test_one_thing_wrong(change: dict[str, Any], words: str) -> None:
    verdict = judge(NODES, {"n-a": [{**ROW, **change}], "n-b": [{**ROW, "peer": "n-a"}]})
    assert not verdict.ok
    (problem,) = verdict.problems()
    assert words in problem.message
    assert problem.message.startswith("a -> b: ")


@pytest.mark.parametrize("key", ["flow_sent", "flow_gap"])
def test_a_row_without_a_flow_proves_nothing(key: str) -> None:
    row = {name: value for name, value in ROW.items() if name != key}
    verdict = judge(NODES, {"n-a": [row], "n-b": [{**ROW, "peer": "n-a"}]})
    assert "no flow was measured" in verdict.problems()[0].message


def test_silence_proves_nothing() -> None:
    verdict = judge(NODES, {"n-a": [ROW]})
    assert [pair.ok for pair in verdict.pairs] == [True, False]
    assert "not measured" in verdict.problems()[0].message
    assert not judge([], {}).ok
    assert judge([], {}).problems()


def _mesh(number: int) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """node.json of so many nodes, and what each measured."""
    ids = [f"n-{n}" for n in range(number)]
    nodes = [
        {
            "id": node,
            "name": f"host-{node}",
            "esp": {"negotiated": ["A"], "mode": "TRANSPORT"},
            "peers": [
                {"id": peer, "name": f"host-{peer}", "inner_mtu": 1416, "outer_packet": 1500, "link_mtu": 1500}
                for peer in ids
                if peer != node
            ],
        }
        for node in ids
    ]
    return nodes, {node: [row(peer=peer) for peer in ids if peer != node] for node in ids}


def test_many_directions_are_counted_by_class_and_the_outliers_are_named() -> None:
    nodes, rows = _mesh(30)
    rows["n-3"][4] = row(peer="n-5", passes=False, said="no answer")
    verdict = judge(nodes, rows)
    assert (verdict.directions, verdict.tally.failed, verdict.ok) == (870, 1, False)
    assert [(pair.source, pair.destination) for pair in verdict.pairs] == [("host-n-3", "host-n-5")]
    good, bad, outlier = verdict.lines()
    assert good.startswith("869 directions as planned: DF 1416 passes, 1417 refused, ESP of 1500, no plaintext  (")
    assert bad == "1 direction not as planned: a full packet arrives  (host-n-3 -> host-n-5)"
    assert "DF 1416 FAILS" in outlier
    assert [problem.message[:24] for problem in verdict.problems()] == ["host-n-3 -> host-n-5: a "]
    assert [kind["directions"] for kind in verdict.as_json()["classes"]] == [869, 1]


def test_where_everything_fails_a_verdict_says_how_much_and_stays_small() -> None:
    nodes, _ = _mesh(60)
    verdict = judge(nodes, {})
    assert verdict.tally.failed == verdict.directions == 3540
    assert len(verdict.pairs) == KEPT
    assert verdict.problems()[-1].message == "and 3140 more directions that are not as planned"
    assert len(json.dumps(verdict.as_json())) < 2**20


def test_verdict_of_a_thousand_nodes_is_small() -> None:
    """What is kept of a node does not grow with its peers, whether it measured or not."""
    peers = [
        {"id": f"n-{n}", "name": f"host-n-{n}", "inner_mtu": 1416, "outer_packet": 1500, "link_mtu": 1500}
        for n in range(999)
    ]
    rows = [row(peer=peer["id"]) for peer in peers]
    node = {"id": "n-x", "name": "host-x", "esp": {"negotiated": ["A"], "mode": "TRANSPORT"}, "peers": peers}
    good, silent = (judge_node(node, said, every=False) for said in (rows, []))
    assert [len(pickle.dumps(tally)) < 20_000 for tally in (good, silent)] == [True, True]
    verdict = whole([], [silent if number % 100 == 0 else good for number in range(1000)], [], {})
    assert (verdict.directions, verdict.tally.failed) == (999_000, 9_990)
    assert len(json.dumps(verdict.as_json())) < 2**20
    assert len(junit(verdict, cluster="lab", at="x", seconds=1, problems=[])) < 2**20
