"""Judge what is already there: read dumps and files, say per number what it is, what it should be and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netplan.audit.formats import precedence
from netplan.audit.inputs import Text, texts
from netplan.audit.judge import Given, findings
from netplan.audit.model import Evidence, Finding, Skipped
from netplan.audit.readers import read


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an audit: findings, what was skipped and why, and how many inputs were understood."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    understood: int
    numbers: int

    @property
    def breaks(self) -> int:
        """How many findings mean that packets are lost, or leave in the clear."""
        return sum(f.severity == "error" for f in self.findings)


def audit(inputs: Iterable[Text | Skipped], given: Given) -> Report:
    """Read every input, then judge all of it together."""
    evidence = Evidence()
    for each in inputs:
        if isinstance(each, Skipped):
            evidence.skipped.append(each)
        else:
            read(each, evidence)
    precedence.settle(evidence)
    return Report(
        tuple(findings(evidence, given)), tuple(evidence.skipped), evidence.understood, len(evidence.settings)
    )


__all__ = ["Finding", "Given", "Report", "Skipped", "Text", "audit", "texts"]
