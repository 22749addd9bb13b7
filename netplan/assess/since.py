"""Two assessments compared: what came, what went, what stayed. And the reader of an earlier report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from netplan.assess import json_file
from netplan.assess.rows import WORST, Report, Row, Topic, Verdict
from netplan.problems import Location, fail
from netplan.refusals import refusals

MAX_BYTES = 1 << 28
HINT = "give what `ipsecplan assess --json` printed"
Key = tuple[str, str, str]  # topic, check, subject


@dataclass(frozen=True, slots=True)
class Change:
    """One subject of one check whose answer is another than before; None where it was not asked then, or now."""

    topic: str
    check: str
    subject: str
    before: Verdict | None
    after: Verdict | None
    said: str

    @property
    def word(self) -> str:
        """What became of it."""
        if self.after == "unjudged":
            return "not judged"
        was, now = _rank(self.before), _rank(self.after)
        if now < was:
            return "worse" if self.before else "new"
        return "mended" if self.after in ("good", None) else "better"

    def as_json(self) -> dict[str, str | None]:
        """Return the change as data."""
        return {
            "change": self.word,
            "topic": self.topic,
            "check": self.check,
            "subject": self.subject,
            "before": self.before,
            "after": self.after,
            "said": self.said,
        }


def read_report(path: Path) -> Report:
    """Return an earlier report, as ``assess --json`` printed it. Raises ProblemError (IPP717, IPP201)."""
    document = json_file.read(path, MAX_BYTES, "IPP717", HINT)
    inside = document.get("result", document) if isinstance(document, dict) else document
    try:
        return Report.model_validate_json(json.dumps(inside))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        fail("IPP717", f"no report of assess: {where}: {first['msg']}", location=Location(str(path)), hint=HINT)


def newest(folder: Path) -> Path | None:
    """Return the newest report that ``assess --keep`` left in a directory; None where there is none yet."""
    with refusals(folder, "read", "IPP201"):
        kept = sorted(folder.glob("assess-*.json")) if folder.is_dir() else []
    return kept[-1] if kept else None


def check_same(before: Report, now: Report, path: Path) -> None:
    """Raise ProblemError (IPP717) where two reports are not of one cluster and one policy."""
    for what, old, new in (
        ("cluster", before.cluster, now.cluster),
        ("policy", before.policy.name, now.policy.name),
    ):
        if old != new:
            said = f"it is about another {what}: {old}, not {new}"
            fail("IPP717", said, location=Location(str(path)), hint="compare reports of one cluster and policy")


def changes(before: Report, now: Report) -> list[Change]:
    """Return what is other than before, the worst first."""
    old, new = _answers(before), _answers(now)
    silent = {(topic, subject.split(" ")[0]) for (topic, _, subject), (word, _) in new.items() if word == "unjudged"}
    found = []
    for key in [*new, *(key for key in old if key not in new)]:
        was, is_ = old.get(key), new.get(key)
        first, last = (was[0] if was else None), (is_[0] if is_ else None)
        # what is not asked any more has only ended where nothing of its topic, or of its node, is left open
        if last is None and {(key[0], ""), (key[0], key[2].split(" ")[0])} & silent:
            last = "unjudged"
        if first == last or {first, last} <= {"good", None}:
            continue
        said = (is_ or was or ("good", ""))[1]
        found.append(Change(*key, first, last, said))
    order = ("new", "worse", "not judged", "better", "mended")
    return sorted(found, key=lambda change: (order.index(change.word), _rank(change.after)))


def _rank(verdict: Verdict | None) -> int:
    return WORST.index(verdict) if verdict else WORST.index("good")


def _answers(report: Report) -> dict[Key, tuple[Verdict, str]]:
    """Return the worst answer for each subject of each check."""
    found: dict[Key, tuple[Verdict, str]] = {}
    for topic, row in report.rows:
        for subject in _subjects(row):
            key = _key(topic, row, subject)
            if key not in found or _rank(row.verdict) < _rank(found[key][0]):
                found[key] = (row.verdict, row.said)
    return found


def _key(topic: Topic, row: Row, subject: str) -> Key:
    return topic.name, row.check, subject


def _subjects(row: Row) -> Iterator[str]:
    yield from row.subjects or [""]
