"""A verdict as a page for a browser, without scripts and bounded however many pairs there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netplan import __version__
from netplan.problems import Problem
from netplan.templates.render import render_html
from netplan.verify.verdict import PairVerdict, Verdict

MOST_HOSTS = 24  # in the map
MOST_ROWS = 400
MOST_PROBLEMS = 50


def page(
    verdict: Verdict | None,
    *,
    cluster: str,
    digest: str,
    at: str,
    seconds: float,
    problems: Sequence[Problem],
    left_out: Iterable[str] = (),
) -> str:
    """Return the page. ``at``: time of the measurement (ISO 8601, UTC), ``digest`` that of the bundle."""
    pairs = verdict.pairs if verdict else ()
    ordered = sorted(pairs, key=lambda pair: (pair.ok, pair.source, pair.destination))
    names = sorted({pair.source for pair in pairs} | {pair.destination for pair in pairs})
    return render_html(
        "html/verify.html.j2",
        tool=__version__,
        cluster=cluster,
        digest=digest[:16],
        at=at,
        seconds=round(seconds, 1),
        ok=verdict is not None and verdict.ok and not any(p.severity == "error" for p in problems),
        passed=verdict.directions - verdict.tally.failed if verdict else 0,
        total=verdict.directions if verdict else 0,
        plaintext=sum(pair.plaintext for pair in pairs),
        pings=verdict.tally.pings if verdict else 0,
        problems=problems[:MOST_PROBLEMS],
        problems_left=len(problems[MOST_PROBLEMS:]),
        left_out=list(left_out),
        names=names,
        map=_map(names, pairs) if 0 < len(names) <= MOST_HOSTS else [],
        rows=ordered[:MOST_ROWS],
        rows_left=(verdict.directions if verdict else 0) - len(ordered[:MOST_ROWS]),
        errors=[(name, verdict.risen(name)) for name in verdict.rising] if verdict else [],
    )


def _map(names: Sequence[str], pairs: Sequence[PairVerdict]) -> list[tuple[str, list[tuple[str, str]]]]:
    found = {(pair.source, pair.destination): pair for pair in pairs}
    return [(one, [_cell(found.get((one, other)), same=one == other) for other in names]) for one in names]


def _cell(pair: PairVerdict | None, *, same: bool) -> tuple[str, str]:
    """Return text and colour of a cell; a pair that was not measured says so."""
    if pair is None:
        return ("", "self") if same else ("no data", "open")
    return (f"PASS {pair.inner_mtu}", "m4") if pair.ok else (f"FAIL {pair.inner_mtu}", "m0")
