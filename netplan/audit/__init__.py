"""Judge what is already there: read dumps and files, say per number what it is, what it should be and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netplan.audit.inputs import Text, texts
from netplan.audit.judge import Given, verdicts
from netplan.audit.model import Evidence, Finding, Skipped, Verdict
from netplan.audit.readers import read
from netplan.audit.world import World, build
from netplan.inputs.static_inventory import no_collection


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome of an audit: findings, what was skipped and why, and how many inputs were understood."""

    findings: tuple[Finding, ...]
    skipped: tuple[Skipped, ...]
    understood: int
    verdicts: tuple[Verdict, ...] = ()
    links: tuple[tuple[str, str, int], ...] = ()  # host, device and MTU of the links that were taken as they are

    @property
    def numbers(self) -> int:
        """How many sizes were found."""
        return len(self.verdicts)

    @property
    def unjudged(self) -> int:
        """How many sizes, or things that decide one such as an algorithm, could not be judged."""
        others = sum(f.code == "IPP918" and f.system == "xfrm" for f in self.findings)
        return sum(v.status == "unjudged" for v in self.verdicts) + others

    @property
    def empty(self) -> bool:
        """Whether something was understood, and no size is in it: nothing can be said of anything."""
        return bool(self.understood) and not self.verdicts and not self.links and not self.findings

    @property
    def breaks(self) -> int:
        """How many findings mean that packets are lost, or leave in the clear."""
        return sum(f.severity == "error" for f in self.findings)


def _evidence(inputs: Iterable[Text | Skipped]) -> Evidence:
    evidence = Evidence()
    for each in inputs:
        if isinstance(each, Skipped):
            evidence.skipped.append(each)
        else:
            read(each, evidence)
    return evidence


def describe(inputs: Iterable[Text | Skipped]) -> World:
    """Read every input and return the hosts that all of it together describes."""
    return build(_evidence(inputs))


def audit(inputs: Iterable[Text | Skipped], given: Given) -> Report:
    """Read every input, then judge all of it together."""
    with no_collection():
        evidence = _evidence(inputs)
        judged, found, world = verdicts(evidence, given)
    links = [(h.name, i.name, i.mtu) for h in world.hosts.values() for i in h.interfaces.values() if i.role == "link"]
    return Report(tuple(found), tuple(evidence.skipped), evidence.understood, tuple(judged), tuple(links))


__all__ = ["Finding", "Given", "Report", "Skipped", "Text", "Verdict", "World", "audit", "describe", "texts"]
