"""What an audit found as a page for a browser, without scripts and bounded however much was read."""

from __future__ import annotations

from collections import Counter

from netplan import __version__
from netplan.audit import Report
from netplan.explain.drawing import figure
from netplan.templates.render import render_html

MOST_FINDINGS = 100
MOST_DRAWN = 12  # packets; of more findings the packet is named
MOST_ROWS = 400


def page(report: Report) -> str:
    """Return the page."""
    drawn = 0
    findings = []
    for finding in report.findings[:MOST_FINDINGS]:
        shown = finding.solution is not None and drawn < MOST_DRAWN
        drawn += shown
        findings.append((finding, figure(finding.solution) if shown and finding.solution else None))
    return render_html(
        "html/audit.html.j2",
        tool=__version__,
        report=report,
        findings=findings,
        findings_left=len(report.findings[MOST_FINDINGS:]),
        verdicts=report.verdicts[:MOST_ROWS],
        verdicts_left=len(report.verdicts[MOST_ROWS:]),
        assumed=list(dict.fromkeys(a for v in report.verdicts for a in v.assumed))[:MOST_ROWS],
        links=report.links[:MOST_ROWS],
        skipped=Counter(s.reason for s in report.skipped).most_common(MOST_FINDINGS),
    )
