"""What an assessment says, as data: rows in topics, and the report of one run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["good", "doubt", "bad", "unjudged"]
WORST: tuple[Verdict, ...] = ("bad", "unjudged", "doubt", "good")  # what a topic is called by, the first that it has
WORDS: dict[Verdict, str] = {"good": "GOOD", "doubt": "DOUBT", "bad": "BAD", "unjudged": "NOT JUDGED"}
NAMED = 200  # subjects that a row names; it counts them all


class Part(BaseModel):
    """Base of every part of a report: a report of somebody else is read with the same types."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Row(Part):
    """One thing that was asked of some subjects, and its answer.

    ``check``: its stable name. ``subjects``: the first NAMED of ``number`` nodes, pairs or namespaces. ``rule``: the
    policy's section that asks it, empty for a rule of ours. ``seen``: where the answer is from, and when.
    """

    check: str
    verdict: Verdict
    said: str
    subjects: list[str] = []
    number: int = 0
    code: str = ""
    rule: str = ""
    seen: str = ""
    change: str = ""

    @property
    def about(self) -> str:
        """The subjects in words, a few of them."""
        left = self.number - len(self.subjects[:6])
        return ", ".join(self.subjects[:6]) + (f" and {left} more" if left > 0 else "")


class Topic(Part):
    """A part of the report."""

    name: str
    title: str
    rows: list[Row]

    @property
    def verdict(self) -> Verdict:
        """The worst of its rows; a topic without rows was not judged."""
        found = {row.verdict for row in self.rows}
        return next((word for word in WORST if word in found), "unjudged")


class Source(Part):
    """Something that the report was made from. ``at``: when it was said (ISO 8601, UTC); empty where nothing was."""

    what: str
    at: str
    said: str


class Named(Part):
    """The policy: what it is called, and the document with its edition."""

    name: str
    title: str
    source: str


class Report(Part):
    """One assessment. ``at``: when (ISO 8601, UTC); ``live``: whether the nodes were asked."""

    schema_version: Literal[1] = 1
    cluster: str
    digest: str
    at: str
    live: bool
    policy: Named
    sources: list[Source]
    topics: list[Topic]

    @property
    def rows(self) -> Iterator[tuple[Topic, Row]]:
        """Generate every row with its topic, in order."""
        return ((topic, row) for topic in self.topics for row in topic.rows)

    def count(self, verdict: Verdict) -> int:
        """Return how many rows have a verdict."""
        return sum(row.verdict == verdict for _, row in self.rows)

    @property
    def verdict(self) -> Verdict:
        """The worst of its topics."""
        found = {topic.verdict for topic in self.topics}
        return next(word for word in WORST if word in found or word == "good")


Found = tuple[str, Verdict, str]  # subject, verdict, what is said of it


def grouped(
    check: str, found: Iterable[Found], *, code: str = "", rule: str = "", seen: str = "", change: str = ""
) -> list[Row]:
    """Return one row for all subjects of which the same is said, the worst first.

    ``code`` and ``change`` are only for what is not good; what could not be judged has a code of its own.
    """
    groups: dict[tuple[Verdict, str], list[str]] = {}
    for subject, verdict, said in found:
        groups.setdefault((verdict, said), []).append(subject)
    ordered = sorted(groups.items(), key=lambda item: WORST.index(item[0][0]))
    return [
        Row(
            check=check,
            verdict=verdict,
            said=said,
            subjects=names[:NAMED],
            number=len(names),
            code={"good": "", "unjudged": "IPP716"}.get(verdict, code),
            rule=rule,
            seen=seen,
            change="" if verdict == "good" else change,
        )
        for (verdict, said), names in ordered
    ]


def unjudged(check: str, said: str, *, change: str, rule: str = "") -> Row:
    """Return the row of something that could not be judged, and what would have to be given."""
    return Row(check=check, verdict="unjudged", said=said, code="IPP716", rule=rule, change=change)
