"""Findings as SARIF 2.1.0, which code hosts show beside the lines they concern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

from netplan import __version__
from netplan.codes import CODES
from netplan.explain.errors import CODE_HELP
from netplan.problems import Location, Problem, error_page

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_Finding = tuple[str, str, str, Location]  # code, level, text, place
TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.audit import Report


def sarif(outcome: Report) -> dict[str, Any]:
    """Return the log object: one run, a rule for each code that occurs, a result for each finding."""
    skipped = [
        {
            "level": "note",
            "message": {"text": f"{s.path}: skipped: {s.reason}"},
            "descriptor": {"id": "IPP910"},
        }
        for s in outcome.skipped
    ]
    findings = [
        (f.code, f.severity, f.message + (f". Change: {f.change}" if f.change else ""), f.location)
        for f in outcome.findings
    ]
    return _log(findings, skipped)


def of_problems(problems: Iterable[Problem]) -> dict[str, Any]:
    """Return the log object of Problems, such as those of a plan and its inventory."""
    return _log(
        [(p.code, p.severity, p.message + (f" ({p.hint})" if p.hint else ""), p.location) for p in problems], []
    )


def _log(findings: Sequence[_Finding], notes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    codes = sorted({code for code, *_ in findings})
    driver = {"name": "ipsecplan", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": [*notes]}],
        "results": [_result(finding, codes) for finding in findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(code: str) -> dict[str, Any]:
    """Return a rule with its help inside: the project has no public address that a ``helpUri`` could name."""
    about = CODE_HELP[code]
    title, look = CODES[code], "\n".join(f"    {command}" for command in about.look)
    parts = {"State": about.state, "Look": f"\n\n{look}", "Remedy": about.remedy, "More": error_page(code)}
    text = "\n\n".join([about.means, *(f"{word}: {said}" for word, said in parts.items())])
    marked = "\n\n".join([about.means, *(f"**{word}:** {said}" for word, said in parts.items())])
    return {
        "id": code,
        "shortDescription": {"text": title},
        "fullDescription": {"text": about.means},
        "help": {"text": text, "markdown": f"# {code}: {title}\n\n{marked}"},
    }


def _result(finding: _Finding, codes: list[str]) -> dict[str, Any]:
    code, level, text, location = finding
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote((location.path or "").strip("<>"))}}
    if location.line:
        region: dict[str, Any] = {"startLine": location.line}
        if location.column:
            region["startColumn"] = location.column
        physical["region"] = region
    return {
        "ruleId": code,
        "ruleIndex": codes.index(code),
        "level": level,
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}],
    }
