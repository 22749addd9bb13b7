"""An assessment for other programs: SARIF 2.1.0 for code hosts and scanners, JUnit XML for continuous integration."""

from __future__ import annotations

import xml.etree.ElementTree as Xml
from typing import Any
from urllib.parse import quote

from netplan import __version__
from netplan.assess.rows import Report, Row, Topic, Verdict
from netplan.codes import CODES
from netplan.problems import error_page, printable

SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: dict[Verdict, str] = {"bad": "error", "doubt": "warning", "unjudged": "note"}


def sarif(report: Report, target: str) -> dict[str, Any]:
    """Return the log object: a result for each row that is not good. ``target``: the path that was assessed."""
    found = [(topic, row) for topic, row in report.rows if row.verdict != "good"]
    codes = sorted({row.code for _, row in found})
    rules = [{"id": c, "shortDescription": {"text": CODES[c]}, "helpUri": error_page(c)} for c in codes if c in CODES]
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ipsecplan", "version": __version__, "rules": rules}},
                "invocations": [{"executionSuccessful": True, "endTimeUtc": report.at}],
                "properties": {"cluster": report.cluster, "policy": report.policy.model_dump()},
                "results": [_result(topic, row, index, target) for topic, row in found],
            }
        ],
    }


def _result(topic: Topic, row: Row, index: dict[Any, int], target: str) -> dict[str, Any]:
    about = f"{row.about}: " if row.about else ""
    text = f"{about}{row.said}" + (f". Change: {row.change}" if row.change else "")
    return {
        "ruleId": row.code,
        **({"ruleIndex": index[row.code]} if row.code in index else {}),
        "level": LEVELS[row.verdict],
        "message": {"text": printable(text)},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": {"uri": quote(target)}},
                "logicalLocations": [{"name": name} for name in row.subjects[:20]],
            }
        ],
        "partialFingerprints": {"check/v1": f"{topic.name}/{row.check}/{row.about}"[:200]},
    }


def junit(report: Report) -> str:
    """Return the report as JUnit XML: a suite for each topic; a doubt passes and says so, what is not judged is
    skipped. A topic never is green by having nothing in it."""
    root = Xml.Element("testsuites", {"name": printable(f"ipsecplan assess {report.cluster} {report.policy.name}")})
    for topic in report.topics:
        cases = [_case(topic, row) for row in topic.rows]
        counts = {
            "tests": str(len(cases)),
            "failures": str(sum(row.verdict == "bad" for row in topic.rows)),
            "errors": "0",
            "skipped": str(sum(row.verdict == "unjudged" for row in topic.rows)),
            "time": "0",
        }
        suite = Xml.SubElement(root, "testsuite", {"name": topic.title, "timestamp": report.at[:19], **counts})
        suite.extend(cases)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _case(topic: Topic, row: Row) -> Xml.Element:
    name = f"{row.check}: {row.about}" if row.about else row.check
    case = Xml.Element("testcase", {"classname": topic.name, "name": printable(name), "time": "0"})
    said = printable(row.said)
    if row.verdict == "bad":
        failed = Xml.SubElement(case, "failure", {"message": said, "type": row.code})
        failed.text = printable(f"{row.rule}\n{row.change}".strip())
    elif row.verdict == "unjudged":
        Xml.SubElement(case, "skipped", {"message": printable(f"not judged: {row.said}")})
    elif row.verdict == "doubt":
        Xml.SubElement(case, "system-out").text = f"doubt: {said}"
    return case
