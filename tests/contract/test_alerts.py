"""Alert rules against Prometheus' own tool: what fires, and what looks alike and doesn't.

promtool is in Debian's package `prometheus`, from Debian 13 on in one of its own; without it the tables alone count.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from netplan import codes
from netplan.agent.textfile import exposition
from netplan.agent.textfile.memory import Memory
from netplan.explain.errors import CODE_HELP
from netplan.monitoring import alerts, dashboard, exporter, render
from netplan.monitoring.exporter import Cluster
from netplan.plan.types import Plan
from tests.support import replies
from tests.support.alert_cases import CASES, Series
from tests.support.plans import make_planned
from tests.support.programs import program
from tests.unit import test_monitoring
from tests.unit.test_textfile import everything, node

PROMTOOL = program("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: make .test-setup")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_planned(3, monitoring={}).plan


def test_every_alert_has_a_case_and_a_page(plan: Plan) -> None:
    found = alerts.alerts(plan)
    assert {alert.name for alert in found} == set(CASES)
    assert len({alert.name for alert in found}) == len(found)
    for alert in found:
        assert alert.code in codes.CODES
        assert alert.code in CODE_HELP
        assert not alert.summary.endswith(".")


def test_no_label_of_a_rule_hides_one_of_a_series(plan: Plan) -> None:
    rules = yaml.safe_load(render.files(plan)["prometheus/alerts.yml"])["groups"][0]["rules"]
    own = {label for rule in rules for label in rule["labels"]} - {"severity"}
    series = " ".join(name for both in CASES.values() for found in both for name in found)
    assert not [label for label in own if f"{label}=" in series]
    assert all("severity=" in rule["expr"] for rule in rules if "exporter_drift" in rule["expr"])


def test_no_alert_trusts_what_means_something_else(plan: Plan) -> None:
    """Carrier errors of an XFRM interface mean that an SA is missing, and some are there from the start."""
    asked = " ".join(alert.expr for alert in alerts.alerts(plan))
    assert "device_errors" not in asked
    assert "node_network" not in asked
    assert "node_xfrm" not in asked, "node_exporter's own collector is off, absent from Debian 12, and lacks rows"


def test_alerts_fit_the_plan() -> None:
    def lacking(**ipsec: Any) -> set[str]:
        return set(CASES) - {alert.name for alert in alerts.alerts(make_planned(3, ipsec=ipsec).plan)}

    assert lacking() == set()
    assert lacking(auth="psk") == {"IpsecCertificateEnds", "IpsecCertificateOver"}
    assert lacking(topology="trap-any") == {"IpsecPairDown", "IpsecPairsDown"}


def test_files_are_what_their_programs_read(plan: Plan) -> None:
    for path, text in render.files(plan, "https://wiki.example/").items():
        found = json.loads(text) if path.endswith(".json") else yaml.safe_load(text)
        assert found, path
    rules = yaml.safe_load(render.files(plan, "https://wiki.example/")["prometheus/alerts.yml"])["groups"][0]["rules"]
    assert all(
        rule["annotations"]["runbook_url"].startswith("https://wiki.example/docs/errors.md#ipp") for rule in rules
    )


def test_panels_have_places_of_their_own() -> None:
    panels = json.loads(dashboard.dashboard())["panels"]
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(len({t["refId"] for t in panel["targets"]}) == len(panel["targets"]) for panel in panels)


def promtool(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROMTOOL or "promtool", *words], input=stdin, capture_output=True, text=True, timeout=300)


@needs_promtool
@pytest.mark.slow
def test_promtool_takes_the_rules_and_the_metrics(plan: Plan, tmp_path: Path) -> None:
    files = render.files(plan)
    for name in ("alerts", "recording"):
        (tmp_path / f"{name}.yml").write_text(files[f"prometheus/{name}.yml"], encoding="utf-8")
        done = promtool("check", "rules", "--lint-fatal", str(tmp_path / f"{name}.yml"))
        assert (done.returncode, "FAILED" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr
    jobs = yaml.safe_load(files["prometheus/scrape.yml"])
    whole = {**jobs, "rule_files": ["alerts.yml", "recording.yml"]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    done = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
    here = node(3)
    of_node = exposition.text(everything(here, replies.counters(here, path_mtu={"n-1": 1300}), Memory()))
    for text in (of_node, of_exporter()):
        done = promtool("check", "metrics", stdin=text)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def of_exporter() -> str:
    """Return every metric of the exporter, as it is scraped."""
    pod = {"port": "veth1", "mtu": 1450, "port_mtu": 1450}
    drift = {"code": "IPP681", "message": "", "hint": None, "severity": "error", "found": "", "planned": ""}
    said = test_monitoring.status(
        state={"schema": 1, "state": "confirmed", "tx": "t", "release": "a", "at": "", "last": {}},
        mtu={"devices": {"ov0": 1416}, "bridge": 1416, "pods": [pod], "unknown_ports": []},
        drift=[drift],
        differs=["veth1"],
        transaction={"left_s": 3.0},
    )
    both = test_monitoring.proof(test_monitoring.direction("a"), test_monitoring.direction("b", passes=False))
    whole = exporter.of_look("east", 1416, ok=True, at=1.0, seconds=1.0, pairs=1, encrypted=1)
    run = SimpleNamespace(runs=[SimpleNamespace(outcome="confirmed", exit_code=0, verb="apply")])
    whole |= exporter.of_proof("east", both) | exporter.of_journals("east", [run])  # type: ignore[list-item]
    text = test_monitoring.text_of(Cluster("east", {"a": exporter.of_node("east", "a", 1416, said)}, whole))
    assert set(re.findall(f"^{exporter.PREFIX}([a-z_]+)", text, re.MULTILINE)) == set(exporter.METRICS)
    return text


@needs_promtool
@pytest.mark.slow
def test_promtool_passes_a_rule_that_is_there_twice_unless_a_lint_is_fatal(plan: Plan, tmp_path: Path) -> None:
    """So STEPS.md asks for --lint-fatal."""
    whole = yaml.safe_load(render.files(plan)["prometheus/recording.yml"])
    whole["groups"][0]["rules"] *= 2
    (tmp_path / "twice.yml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    done = promtool("check", "rules", str(tmp_path / "twice.yml"))
    assert (done.returncode, "duplicate" in done.stdout + done.stderr) == (0, True)
    assert promtool("check", "rules", "--lint-fatal", str(tmp_path / "twice.yml")).returncode == 3
    assert "--lint-fatal" in "\n".join(render.steps(plan))


@needs_promtool
@pytest.mark.slow
def test_each_alert_fires_on_its_fault_and_on_nothing_that_looks_alike(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text(render.files(plan)["prometheus/alerts.yml"], encoding="utf-8")
    rules = {r["alert"]: r for r in yaml.safe_load((tmp_path / "alerts.yml").read_text())["groups"][0]["rules"]}
    tests = [
        {
            "name": f"{name} {word}",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in found.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)',
                    "eval_time": "20m",
                    "exp_samples": [{"labels": "{}", "value": int(word == "fires")}],
                }
            ],
        }
        for name, both in CASES.items()
        if name in rules
        for word, found in zip(("fires", "stays"), both, strict=True)
    ]
    unit: Series | dict[str, Any] = {"rule_files": ["alerts.yml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(unit), encoding="utf-8")
    done = promtool("test", "rules", str(tmp_path / "tests.yml"))
    assert done.returncode == 0, done.stdout + done.stderr
