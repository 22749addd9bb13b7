"""``ipsecplan audit``: check existing MTUs: the value found, the value that fits, and why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import click

from netplan.audit import Finding, Given, Report, Skipped, audit, texts
from netplan.audit.lives import CODE as LIVES
from netplan.audit.table import table
from netplan.cli.links import link_mtu
from netplan.cli.options import HTML
from netplan.cli.output import as_json, colour_wanted, emit, emit_json, note, report
from netplan.cli.steps import write_page
from netplan.explain.text import ledger_table
from netplan.problems import ExitCode, Problem, printable, window
from netplan.stack import parse, solve

_REASONS = 4  # that the line about skipped inputs names


@click.command(
    "audit",
    epilog="\b\nExamples:\n"
    "  kubectl get cm,ds,installation,felixconfiguration,ippool -A -o yaml | ipsecplan audit -\n"
    "  ipsecplan audit dumps/ /etc/docker/daemon.json --mtu 1500\n"
    "  ipsecplan audit ssh://root@node-a ssh://root@node-b --plan plan.yaml\n"
    "  ipsecplan audit values.yaml --stack ip4/esp:aes256gcm16/udp/vxlan/eth/ip4 --mtu 1500 --sarif",
)
@click.argument("paths", nargs=-1)
@click.option("--plan", "plan", type=click.Path(path_type=Path), help="Take link MTU and packet stack from this plan.")
@click.option("--stack", help="The packet of pods, in the stack notation of `calc`.")
@click.option("--mtu", help="IP MTU between the hosts, or a name of 'explain underlays', such as azure-fabric.")
@click.option("--explain", is_flag=True, help="Print the byte ledger of every finding.")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
@click.option("--sarif", "sarif_", is_flag=True, help="Print SARIF 2.1.0 for code scanning.")
@HTML
@click.option("--strict", is_flag=True, help="Let sizes fail that waste bytes, or are judged on an assumption.")
@click.option("--verbose", is_flag=True, help="List every input that was skipped and every size that was judged.")
def command(
    paths: tuple[str, ...],
    plan: Path | None,
    stack: str | None,
    mtu: str | None,
    explain: bool,
    json_: bool,
    sarif_: bool,
    page_file: Path | None,
    strict: bool,
    verbose: bool,
) -> int:
    """Check the MTUs in PATHS (files, directories, ssh://HOST, - for stdin) against what really fits.

    Reads dumps of Kubernetes objects, Helm values, CNI lists, daemon.json, docker network inspect, ip -d -j link and
    route, ip xfrm, swanctl.conf and swanctl --raw, networkd, netplan, NetworkManager and ifupdown files. All inputs
    of one run are checked together: IPsec in one explains the MTU in another.

    Exit code 0: all sizes are judged and none is too large. 4: a size is too large, or IPsec misses the overlay. 9: a
    size could not be judged, or none was found. 3: nothing could be read.
    """
    if not paths:
        raise click.UsageError("give files or directories, or - for standard input")
    with as_json(json_):
        outcome = audit(texts(paths), _given(plan, stack, mtu))
        code = _code(outcome, strict)
        if page_file:
            from netplan.audit.page import page  # with templates, which no other output needs

            write_page(page_file, page(outcome))
        if sarif_:
            from netplan.audit.sarif import sarif

            emit(json.dumps(sarif(outcome), indent=2))
        elif json_:
            emit_json(_result(outcome), _problems(outcome), code)
        else:
            _show(outcome, explain, verbose)
        return int(code)


def _given(plan: Path | None, stack: str | None, mtu: str | None) -> Given:
    if plan is not None and (stack or mtu):
        raise click.UsageError("--plan already says --stack and --mtu")
    if plan is not None:
        from netplan import pipeline  # half of the start, for an option that few give

        limiting = pipeline.make(plan).plan.limiting
        return Given(
            link_mtu=limiting.link_mtu, stack=limiting.worst.stack.text, said=f"class {limiting.name} of {plan}"
        )
    link = link_mtu(mtu) if mtu is not None else None
    if stack is not None:
        if link is None:
            raise click.UsageError("--stack needs --mtu")
        solve(parse(stack), link)  # a wrong stack is reported before anything is read
    return Given(link_mtu=link, stack=stack, said="--mtu")


def _code(outcome: Report, strict: bool) -> ExitCode:
    doubtful = any(f.too_large or f.code == LIVES for f in outcome.findings) or any(
        v.status == "assumed" for v in outcome.verdicts
    )
    if outcome.breaks or (strict and doubtful):
        return ExitCode.DIFFERENCE
    if not outcome.understood:
        return ExitCode.INVALID
    return ExitCode.UNJUDGED if outcome.unjudged or outcome.empty else ExitCode.OK


def _problems(outcome: Report) -> list[Problem]:
    problems = [s.problem for s in outcome.skipped]
    if outcome.empty:
        hint = "give `ip -d -j addr` and `ip -j route` of a host, or the files that set the MTU"
        problems.append(
            Problem(
                "IPP919",
                message="no MTU or MSS is in what was read, so nothing was judged",
                hint=hint,
                severity="warning",
            )
        )
    if not outcome.understood:
        hint = "`ipsecplan audit --help` lists what it reads"
        problems.append(Problem(code="IPP919", message="nothing that audit knows was found", hint=hint))
    return problems


def _result(outcome: Report) -> dict[str, object]:
    return {
        "inputs": outcome.understood,
        "numbers": outcome.numbers,
        "breaks": outcome.breaks,
        "unjudged": outcome.unjudged,
        "verdicts": [v.as_json() for v in outcome.verdicts],
        "links": [{"host": host, "device": device, "mtu": mtu} for host, device, mtu in outcome.links],
        "findings": [f.as_json() for f in outcome.findings],
        "skipped": [{"file": s.path, "line": s.line, "reason": s.reason} for s in outcome.skipped],
    }


def _show(outcome: Report, explain: bool, verbose: bool) -> None:
    for finding in outcome.findings:
        _show_finding(finding, explain)
    if outcome.understood and (verbose or not outcome.breaks):
        for line in table(outcome, everything=verbose):
            emit(printable(line))
    problems = _problems(outcome)
    several = len(outcome.skipped) > 1 and outcome.understood and not verbose
    report([p for p in problems if p.code != "IPP910"] if several else problems)
    if several:
        note(f"inputs skipped: {printable(_reasons(outcome.skipped))} (--verbose lists them)")
    if outcome.understood:
        worse = sum(f.severity == "warning" for f in outcome.findings)
        waste = sum(f.code == "IPP912" for f in outcome.findings)
        assumed = sum(v.status == "assumed" for v in outcome.verdicts)
        note(
            f"inputs {outcome.understood}, numbers {outcome.numbers}: too large or unprotected {outcome.breaks}, "
            f"{f'doubtful {worse}, ' if worse else ''}wasteful {waste}, on an assumption {assumed}, "
            f"not judged {outcome.unjudged}, inputs skipped {len(outcome.skipped)}"
        )


def _reasons(skipped: tuple[Skipped, ...]) -> str:
    """Return the reasons with their numbers, the most frequent first."""
    counts = Counter(s.reason for s in skipped)
    said = [f"{reason} ({number})" for reason, number in counts.most_common(_REASONS)]
    return "; ".join(said) + ("; ..." if len(counts) > _REASONS else "")


def _show_finding(finding: Finding, explain: bool) -> None:
    import sys

    where = str(finding.location)
    head = f"{printable(where)}: {finding.severity} {finding.code}: {printable(finding.message)}"
    tint = {"error": "red", "warning": "yellow"}.get(finding.severity)
    colour = tint is not None and colour_wanted(sys.stdout)
    emit(click.style(head, fg=tint, bold=True) if colour else head, colour=colour or None)
    if finding.location.source is not None:
        emit(f"  {finding.location.line} | {window(finding.location.source)[0]}")
    if finding.solution is not None:
        emit(f"  why: {finding.solution.stack.text} on a link of {finding.solution.link_mtu}")
        if explain:
            for line in ledger_table(finding.solution):
                emit(line)
    if finding.change:
        emit(f"  change: {printable(finding.change)}")
    for each in finding.notes:
        emit(f"  note: {printable(each)}")
