"""An assessment as a page for a browser, without scripts and bounded however many nodes there are."""

from __future__ import annotations

from collections.abc import Sequence

from netplan import __version__
from netplan.assess.rows import WORDS, Report
from netplan.assess.since import Change
from netplan.templates.render import render_html

MOST_CHANGES = 400
KIND = {"good": "good", "bad": "bad", "doubt": "", "unjudged": "soft"}


def page(report: Report, changes: Sequence[Change] | None = None, against: str = "") -> str:
    """Return the page. ``changes`` since the report of ``against`` (ISO 8601); None where none was compared."""
    return render_html(
        "html/assess.html.j2",
        tool=__version__,
        report=report,
        words=WORDS,
        kind=KIND,
        counts=[(WORDS[word], report.count(word), KIND[word]) for word in WORDS],
        changes=None if changes is None else changes[:MOST_CHANGES],
        changes_left=len((changes or ())[MOST_CHANGES:]),
        against=against,
    )
