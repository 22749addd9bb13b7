"""A verdict as JUnit XML, which every CI system reads: one test case for each direction of a pair and each assert.

Of a cluster with more directions than a verdict has one by one: a case for each assert, and one for each direction and
assert that does not hold, as far as the verdict has them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from xml.etree import ElementTree as Xml

from netplan.problems import Problem, counted, printable
from netplan.verify.checks import CHECKS
from netplan.verify.verdict import PairClass, Verdict

NOT_MEASURED = "IPP705"
ERRORS = "the XFRM error counters are flat"


def junit(
    verdict: Verdict | None,
    *,
    cluster: str,
    at: str,
    seconds: float,
    problems: list[Problem],
    left_out: Iterable[str] = (),
) -> str:
    """Return the report as text.

    ``left_out``: names of nodes that were not measured: each a test case that could not run where a problem (IPP705) is
    about it, else one that was skipped because somebody wanted it. ``at`` is the time of the measurement (ISO 8601,
    UTC), ``seconds`` how long it took. Without a verdict (no node could measure) each of ``problems`` is a test case
    that could not run, an ``error`` in JUnit's words.
    """
    cases = list(_cases(verdict)) if verdict and verdict.directions else [_error(problem) for problem in problems]
    unwanted = [problem for problem in problems if problem.code == NOT_MEASURED]
    if verdict and verdict.directions:
        cases += map(_error, unwanted)
    skipped = [_skipped(name) for name in left_out if not any(p.message.startswith(f"{name} ") for p in unwanted)]
    cases += skipped
    failures = sum(case.find("failure") is not None for case in cases)
    errors = sum(case.find("error") is not None for case in cases)
    counts = {
        "name": printable(f"ipsecplan verify {cluster}"),
        "tests": str(len(cases)),
        "failures": str(failures),
        "errors": str(errors),
        "time": f"{seconds if math.isfinite(seconds) else 0:.3f}",
    }
    root = Xml.Element("testsuites", counts)
    suite = Xml.SubElement(
        root, "testsuite", {**counts, "skipped": str(len(skipped)), "timestamp": at, "hostname": "localhost"}
    )
    suite.extend(cases)
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _cases(verdict: Verdict) -> Iterator[Xml.Element]:
    alone = verdict.directions == len(verdict.pairs)
    for name in () if alone else CHECKS:
        failed = {kind: n for kind, n in verdict.tally.classes.items() if name in kind.wrong}
        said = f"{sum(failed.values())} of them: {_some(verdict, failed)}" if failed else None
        yield _case(f"all {counted(verdict.directions, 'direction')}", name, said, "")
    for pair in verdict.pairs:
        for check in pair.checks if alone else [check for check in pair.checks if check.wrong]:
            yield _case(f"{pair.source} -> {pair.destination}", check.name, check.wrong, pair.line())
    for node in verdict.nodes:
        yield _case(node, ERRORS, verdict.risen(node), "")


def _some(verdict: Verdict, classes: Iterable[PairClass]) -> str:
    return ", ".join(f"{source} -> {to}" for kind in classes for source, to in verdict.tally.examples[kind])[:400]


def _case(subject: str, name: str, wrong: str | None, line: str) -> Xml.Element:
    about = {"classname": printable(subject), "name": printable(name), "time": "0"}
    case = Xml.Element("testcase", about)
    if wrong:
        failed = Xml.SubElement(case, "failure", {"message": printable(wrong), "type": "not as planned"})
        failed.text = printable(line)
    return case


def _skipped(name: str) -> Xml.Element:
    case = Xml.Element("testcase", {"classname": printable(name), "name": "left out", "time": "0"})
    Xml.SubElement(case, "skipped", {"message": "left out of the measurement on request"})
    return case


def _error(problem: Problem) -> Xml.Element:
    case = Xml.Element("testcase", {"classname": "nodes", "name": problem.code, "time": "0"})
    Xml.SubElement(case, "error", {"message": problem.message, "type": problem.code})
    return case
