"""The corpus of dumps: every fault found with its numbers, and nothing else said."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from netplan.cli.main import main

CASES = Path(__file__).parent.parent / "cases" / "audit"
NAMES = sorted(p.name for p in CASES.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_case(name, capsys, monkeypatch):
    monkeypatch.chdir(CASES / name)
    expect = json.loads(Path("expect.json").read_text())
    code = main(["audit", "in", "--json", *expect["args"]])
    printed = json.loads(capsys.readouterr().out)
    found = [
        {
            "code": f["code"],
            "system": f["system"],
            "found": f["found"],
            "ends": f["ends_with"],
            "exact": f["exact"],
        }
        for f in printed["result"]["findings"]
    ]
    order = json.dumps
    assert sorted(found, key=order) == sorted(expect["findings"], key=order)
    assert (code, printed["exit_code"]) == (expect["exit"], expect["exit"])
    assert printed["result"]["skipped"] == []
    for finding in printed["result"]["findings"]:
        assert finding["line"], finding
        assert finding["change"], finding
        if finding["code"] in ("IPP911", "IPP912"):
            assert finding["too_large_by"] - finding["too_small_by"] == finding["ends_with"] - finding["exact"]
            assert sum(row["bytes"] for row in finding["ledger"]) <= finding["link_mtu"]


def test_there_are_enough_cases():
    healthy = [n for n in NAMES if n.startswith("healthy-")]
    assert len(NAMES) >= 60
    assert len(healthy) >= 20
    for name in healthy:
        findings = json.loads((CASES / name / "expect.json").read_text())["findings"]
        assert all(f["code"] == "IPP912" for f in findings), "a healthy cluster has no alarm, at most a note on waste"


def test_every_unsafe_published_value_has_a_case():
    with open(Path(__file__).parent.parent / "data" / "published_mtu.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["exact_or_conservative"] == "unsafe"]
    assert len(rows) == 19
    cases = [json.loads((CASES / n / "expect.json").read_text()) for n in NAMES if n.startswith("unsafe-")]
    by_row = {c["published"]: c for c in cases}
    for row in rows:
        case = by_row[row["scenario"]]
        delta = int(row["note"].partition("delta=")[2].partition(";")[0])
        assert any(f["ends"] - f["exact"] == delta for f in case["findings"]), row
