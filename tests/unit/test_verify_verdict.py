"""The verdict: every promise that was not measured is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from netplan.verify.verdict import judge
from tests.support.probe_rows import NODES, ROW


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
