"""What `audit --sarif` prints holds to SARIF 2.1.0: the properties of the objects that we write, by section 3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from netplan.audit.model import Finding, Skipped
from netplan.audit.sarif import SCHEMA, sarif
from netplan.cli.main import main
from netplan.explain.errors import CODE_HELP
from netplan.problems import Location

CASES = Path(__file__).parents[1] / "cases" / "audit"
TEXT = {"type": "string", "minLength": 1}
ABSOLUTE = {"type": "string", "pattern": "^[a-z][a-z0-9+.-]*:[^ ]+$"}  # 3.49.12: a helpUri is absolute
REFERENCE = {"type": "string", "pattern": "^[!-~]*$"}  # 3.4.3: a uri is encoded
LEVEL = {"enum": ["none", "note", "warning", "error"]}
FROM_1 = {"type": "integer", "minimum": 1}


def exactly(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties and no others, of which some must be there."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


MESSAGE = exactly("text", text=TEXT, markdown=TEXT)  # 3.11, 3.12
RULE = exactly(  # 3.49
    "id", id=TEXT, name=TEXT, shortDescription=MESSAGE, fullDescription=MESSAGE, help=MESSAGE, helpUri=ABSOLUTE
)
DRIVER = exactly(  # 3.19
    "name",
    name=TEXT,
    version=TEXT,
    informationUri=ABSOLUTE,
    rules={"type": "array", "items": RULE, "uniqueItems": True},
)
PLACE = exactly(  # 3.29
    "artifactLocation",
    artifactLocation=exactly("uri", uri=REFERENCE),
    region=exactly("startLine", startLine=FROM_1, startColumn=FROM_1),
)
RESULT = exactly(  # 3.27
    "message ruleId",
    ruleId=TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=LEVEL,
    message=MESSAGE,
    locations={"type": "array", "items": exactly("", physicalLocation=PLACE)},
)
NOTICE = exactly("message", level=LEVEL, message=MESSAGE, descriptor=exactly("id", id=TEXT))  # 3.58
RUN = exactly(  # 3.14
    "tool",
    tool=exactly("driver", driver=DRIVER),
    invocations={
        "type": "array",
        "items": exactly(
            "executionSuccessful",
            executionSuccessful={"type": "boolean"},
            toolExecutionNotifications={"type": "array", "items": NOTICE},
        ),
    },
    results={"type": "array", "items": RESULT},
)
LOG = exactly(  # 3.13
    "version runs", **{"$schema": ABSOLUTE, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}}
)


def findings(*codes: str, **location: Any) -> tuple[Finding, ...]:
    place = Location(**{"path": "a b/ü.yaml", "line": 1, **location})
    return tuple(
        Finding(code=code, severity="error", system="calico", field="mtu", location=place, message="large")
        for code in codes
    )


class Outcome:
    def __init__(self, *found: Finding) -> None:
        self.findings = found
        self.skipped = (Skipped("a b/ü.txt", "no format that audit knows"),)


@pytest.mark.parametrize("code", [code for code in CODE_HELP if code.startswith("IPP9")])
def test_every_rule_has_its_help_inside(code: str) -> None:
    log = sarif(Outcome(*findings(code, column=4), *findings(code, line=None)))  # type: ignore[arg-type]
    jsonschema.validate(log, LOG)
    (rule,) = log["runs"][0]["tool"]["driver"]["rules"]
    about = CODE_HELP[code]
    assert "helpUri" not in rule
    for text in (about.means, about.state, about.remedy, *about.look):
        assert text in rule["help"]["text"]
        assert text in rule["help"]["markdown"]
    assert rule["help"]["markdown"].startswith(f"# {code}: ")
    assert [r["ruleIndex"] for r in log["runs"][0]["results"]] == [0, 0]


@pytest.mark.parametrize("case", ["unsafe-kube-ovn-vxlan-ipsec", "healthy-openshift-default"])
def test_what_audit_prints(case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(CASES / case)
    main(["audit", "in", "--mtu", "1500", "--sarif"])
    log = json.loads(capsys.readouterr().out)
    jsonschema.validate(log, LOG)
    assert log["$schema"] == SCHEMA


@pytest.mark.parametrize(
    "spoil",
    [
        lambda rule: rule.update(helpUri="docs/errors.md#ipp911"),
        lambda rule: rule.update(help="a text"),
        lambda rule: rule["help"].pop("text"),
        lambda rule: rule.update(url="x:y"),
    ],
)
def test_a_wrong_rule_is_seen(spoil: Any) -> None:
    log = sarif(Outcome(*findings("IPP911")))  # type: ignore[arg-type]
    spoil(log["runs"][0]["tool"]["driver"]["rules"][0])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(log, LOG)
