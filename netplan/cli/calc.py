"""``ipsecplan calc``: the exact MTU of a packet stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from netplan.cli.output import as_json, emit, emit_json
from netplan.explain import text
from netplan.problems import ExitCode, Problem, ProblemError, quoted
from netplan.stack import parse, parse_size, required_link, solve

DEFAULT_LINK = 1500


@click.command(short_help="Exact MTU of a packet stack, with every byte accounted for.")
@click.argument("stack", required=False)
@click.option("--mtu", default=None, metavar="N", help=f"Link MTU in bytes (default {DEFAULT_LINK}).")
@click.option("--reverse", is_flag=True, help="Which link MTU does --payload need?")
@click.option("--payload", metavar="N", help="Size of the inner IP packet, for --reverse.")
@click.option("--explain", is_flag=True, help="Show the calculation and the sizes to probe.")
@click.option("--batch", metavar="FILE", help="Read 'STACK MTU' lines (- for stdin), write one JSON object a line.")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with the ledger.")
def command(
    stack: str | None,
    mtu: str | None,
    reverse: bool,
    payload: str | None,
    explain: bool,
    batch: str | None,
    json_wanted: bool,
) -> int:
    """Exact MTU of STACK, a packet written outermost header first.

    \b
    Examples:
      ipsecplan calc ip4/esp:aes256gcm16/udp/vxlan/eth/ip4 --mtu 1500
      ipsecplan calc ip4/udp/esp:aes128-sha256/ip4 --reverse --payload 1500
    """
    if batch is not None:
        if stack is not None or reverse or payload is not None or mtu is not None:
            raise click.UsageError("--batch reads stack and MTU from its lines; give neither on the command line")
        try:
            file = click.open_file(batch, encoding="utf-8", errors="replace")
        except OSError as error:
            raise click.FileError(batch, hint=error.strerror or "can't be read") from error
        with file as lines:
            return int(_batch(lines))
    if stack is None:
        raise click.UsageError("which stack? such as ip4/esp:aes256gcm16/udp/vxlan/eth/ip4")
    if reverse != (payload is not None):
        raise click.UsageError("--reverse and --payload go together")
    with as_json(json_wanted):
        parsed = parse(stack)
        if payload is not None:
            if mtu is not None:
                raise click.UsageError("--reverse computes the link MTU; leave out --mtu")
            wanted = parse_size(payload, "inner packet size")
            solution = solve(parsed, required_link(parsed, wanted))
            lines_out = text.reverse(solution, wanted)
        else:
            solution = solve(parsed, parse_size(mtu, "link MTU") if mtu is not None else DEFAULT_LINK)
            lines_out = text.explained(solution) if explain else text.answer(solution)
        if json_wanted:
            result = solution.as_json()
            emit_json({"payload": wanted, **result} if payload is not None else result)
        else:
            emit(text.joined(lines_out))
    return int(ExitCode.OK)


def _batch(lines: Iterable[str]) -> ExitCode:
    """Answer every line; go on after a bad one and tell of it in the exit code."""
    code = ExitCode.OK
    write = sys.stdout.write
    for answer, good in _answers(lines):
        write(json.dumps(answer) + "\n")
        if not good:
            code = ExitCode.INVALID
    sys.stdout.flush()
    return code


def _answers(lines: Iterable[str]) -> Iterator[tuple[dict[str, Any], bool]]:
    for number, line in enumerate(lines, start=1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        stack, mtu = content, ""
        try:
            if len(words := content.rsplit(maxsplit=1)) == 2:
                stack, mtu = words
            else:
                raise ProblemError(
                    Problem(
                        code="IPP108",
                        message=f"{quoted(content)} is not 'STACK MTU'",
                        column=1,
                        width=len(content),
                        source=content,
                        hint="such as: ip4/esp:aes256gcm16/ip4 1500",
                    )
                )
            yield solve(parse(stack), parse_size(mtu, "link MTU")).as_json(ledger=False), True
        except ProblemError as error:
            problem = {**error.problems[0].as_json(), "line": number}
            yield {"stack": stack, "error": problem}, False
