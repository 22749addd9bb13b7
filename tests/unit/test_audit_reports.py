"""Public trouble reports and real tools' dumps: the right answer, whatever the order of the inputs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from netplan.audit import Given, Text, audit
from netplan.cli.main import main

CASES = Path(__file__).parent.parent / "cases"
REPORTS = CASES / "reports"
NAMES = sorted(p.name for p in REPORTS.iterdir() if p.is_dir())
SEVERAL = sorted(p for p in [*REPORTS.iterdir(), *(CASES / "audit").iterdir()] if len(list(p.glob("in/**/*.*"))) > 1)


def expected(name):
    return json.loads((REPORTS / name / "expect.json").read_text())


def cases():
    for name in NAMES:
        waiting = expected(name).get("waiting")
        marks = [pytest.mark.xfail(strict=True, reason=waiting)] if waiting else []
        yield pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", cases())
def test_report_gets_the_right_answer(name, capsys, monkeypatch):
    monkeypatch.chdir(REPORTS / name)
    expect = expected(name)
    code = main(["audit", "in", "--json", *expect["args"]])
    result = json.loads(capsys.readouterr().out)["result"]
    found = [[f["code"], f["system"], f["found"], f["exact"]] for f in result["findings"]]
    assert sorted(found, key=json.dumps) == sorted(expect["findings"], key=json.dumps)
    assert code == expect["exit"]
    assert result["skipped"] == []
    if "verdicts" in expect:
        verdicts = [[v["status"], v["field"], v["exact"]] for v in result["verdicts"]]
        assert sorted(verdicts, key=json.dumps) == sorted(expect["verdicts"], key=json.dumps)


@pytest.mark.parametrize("name", NAMES)
def test_no_advice_exceeds_what_a_device_on_the_path_carries(name, capsys, monkeypatch):
    monkeypatch.chdir(REPORTS / name)
    main(["audit", "in", "--json", *expected(name)["args"]])
    result = json.loads(capsys.readouterr().out)["result"]
    for finding in result["findings"]:
        if finding["code"] == "IPP912" and finding["exact_field"] is not None:
            largest = max([link["mtu"] for link in result["links"]] + [finding["link_mtu"]])
            assert finding["exact_field"] <= largest
            assert finding["exact"] <= finding["link_mtu"]


def test_every_number_has_a_verdict_with_its_reason(capsys, monkeypatch):
    for name in NAMES:
        monkeypatch.chdir(REPORTS / name)
        code = main(["audit", "in", "--json", *expected(name)["args"]])
        result = json.loads(capsys.readouterr().out)["result"]
        assert len(result["verdicts"]) == result["numbers"]
        for verdict in result["verdicts"]:
            assert verdict["status"] in ("judged", "assumed", "unjudged")
            assert bool(verdict["assumed"]) == (verdict["status"] == "assumed")
            assert (verdict["exact"] is None) == (verdict["status"] == "unjudged")
            assert bool(verdict["why"]) == (verdict["status"] == "unjudged")
        if code == 0:
            assert result["unjudged"] == 0
            assert result["numbers"] or result["links"]


def said(outcome):
    found = [json.dumps(f.as_json(), default=str) for f in outcome.findings]
    return found, sorted(json.dumps(v.as_json(), default=str) for v in outcome.verdicts)


@pytest.mark.parametrize("case", SEVERAL, ids=lambda p: p.name)
def test_inputs_in_any_order_give_the_same_answer(case):
    files = sorted(f for f in case.glob("in/**/*") if f.is_file())
    texts = [Text(str(f.relative_to(case)), f.read_text()) for f in files]
    given = Given(link_mtu=None, said="--mtu")
    first = said(audit(texts, given))
    for seed in range(3):
        random.Random(seed).shuffle(texts)
        assert said(audit(texts, given)) == first
