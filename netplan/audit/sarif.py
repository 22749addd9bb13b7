"""Findings as SARIF 2.1.0, which code hosts show beside the lines they concern."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from netplan import __version__
from netplan.audit.model import Finding
from netplan.codes import CODES
from netplan.explain.errors import CODE_HELP
from netplan.problems import error_page

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.audit import Report


def sarif(outcome: Report) -> dict[str, Any]:
    """Return the log object: one run, a rule for each code that occurs, a result for each finding."""
    codes = sorted({f.code for f in outcome.findings})
    skipped = [
        {
            "level": "note",
            "message": {"text": f"{s.path}: skipped: {s.reason}"},
            "descriptor": {"id": "IPP910"},
        }
        for s in outcome.skipped
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "ipsecplan",
                        "version": __version__,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": skipped}],
                "results": [_result(finding, codes) for finding in outcome.findings],
            }
        ],
    }


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


def _result(finding: Finding, codes: list[str]) -> dict[str, Any]:
    text = finding.message + (f". Change: {finding.change}" if finding.change else "")
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": codes.index(finding.code),
        "level": finding.severity,
        "message": {"text": text},
    }
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote((finding.location.path or "").strip("<>"))}}
    if finding.location.line:
        region: dict[str, Any] = {"startLine": finding.location.line}
        if finding.location.column:
            region["startColumn"] = finding.location.column
        physical["region"] = region
    result["locations"] = [{"physicalLocation": physical}]
    return result
