"""What was read and judged, as a table: the answer of a run that found nothing wrong."""

from __future__ import annotations

from netplan.audit.model import Verdict
from netplan.problems import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.audit import Report

_ROWS = 40  # shown without --verbose; alike ones are one row
_WORDS = {"judged": "judged", "assumed": "assumed", "unjudged": "NOT JUDGED"}
Row = tuple[str, ...]


def table(outcome: Report, *, everything: bool = False) -> list[str]:
    """Return the lines: one for each kind of number, then the links that were taken, then every assumption."""
    rows: dict[Row, list[str]] = {}
    for verdict in outcome.verdicts:
        rows.setdefault(_row(verdict), []).append(verdict.setting.location.path or "")
    lines = _aligned([("number", "is", "exact", "verdict", "packet", "link", "in"), *_shown(rows, everything)])
    left = len(rows) - _ROWS
    lines += [f"... {counted(left, 'more row')} (--verbose)"] if left > 0 and not everything else []
    links: dict[tuple[str, int], list[str]] = {}
    for host, device, mtu in outcome.links:
        links.setdefault((device, mtu), []).append(host)
    if links:
        said = [
            f"{d} {m}" + (f" ({counted(len(h), 'host')})" if len(h) > 1 else "") for (d, m), h in sorted(links.items())
        ]
        more = ["..."] if len(said) > _ROWS and not everything else []
        lines.append("links, taken as they are: " + ", ".join([*(said if everything else said[:_ROWS]), *more]))
    assumed = dict.fromkeys(a for v in outcome.verdicts for a in v.assumed)
    return [*lines, *(f"assumed: {each}" for each in assumed)]


def _row(verdict: Verdict) -> Row:
    setting, solution = verdict.setting, verdict.solution
    return (
        f"{setting.system} {setting.field}",
        str(setting.value) if setting.value else f"automatic {verdict.ends or ''}".strip(),
        "-" if verdict.exact is None else str(verdict.exact),
        _WORDS[verdict.status],
        solution.stack.text if solution else "-",
        f"{solution.link_mtu}{f' of {verdict.limit}' if verdict.limit else ''}" if solution else "-",
    )


def _shown(rows: dict[Row, list[str]], everything: bool) -> list[Row]:
    members = [
        (*row, paths[0] if len(set(paths)) == 1 else f"{paths[0]} and {len(set(paths)) - 1} more")
        for row, paths in rows.items()
    ]
    return members if everything else members[:_ROWS]


def _aligned(rows: list[Row]) -> list[str]:
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
