"""``ipsecplan calc``: the exact MTU of a packet stack."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from netplan.cli import complete
from netplan.cli.output import as_json, emit, emit_json
from netplan.explain import text
from netplan.explain.advice import advice, paths, paths_text
from netplan.explain.compare import compare, csv_text, table
from netplan.explain.packets import MODES, PACKETS, packet
from netplan.explain.presets import ALIASES, UNDERLAYS, UnderlayPreset
from netplan.problems import ExitCode, Location, Problem, ProblemError, closest, quoted
from netplan.refusals import refused
from netplan.stack import Stack, parse, parse_size, required_link, solve

DEFAULT_LINK = 1500
STACKS_KEPT = 1024  # of a batch, each a few kilobytes
Answer = tuple[list[str], Any]  # lines for people, and the result for --json


@click.command(short_help="Exact MTU of a packet stack, with every byte accounted for.")
@click.argument("stack", required=False, shell_complete=complete.packets)
@click.option(
    "--esp", metavar="SUITE", shell_complete=complete.suites, help="With a name for STACK: ESP between the hosts."
)
@click.option("--mode", type=click.Choice(MODES), default="transport", show_default=True, help="With --esp.")
@click.option("--nat-t", "nat_t", is_flag=True, help="With --esp: in UDP, for NAT.")
@click.option("--ip6", is_flag=True, help="With a name for STACK: IPv6 between the hosts.")
@click.option("--mtu", metavar="N", help=f"Link MTU in bytes (default {DEFAULT_LINK}).")
@click.option(
    "--underlay",
    metavar="NAME",
    shell_complete=complete.underlays,
    help="Link MTU of a cloud or fabric, such as gcp; 'explain underlays' lists them.",
)
@click.option(
    "--path", "path_texts", multiple=True, metavar="NAME=MTU", help="One path of several; shows which one limits."
)
@click.option("--reverse", is_flag=True, help="Which link MTU does --payload need?")
@click.option("--payload", metavar="N", help="Size of the inner IP packet, for --reverse.")
@click.option("--explain", is_flag=True, help="Show the calculation, the sizes to probe, and what follows.")
@click.option(
    "--compare",
    "items",
    metavar="A,B",
    help="Side by side: suites, overlays (geneve:8), ip4, ip6, nat-t, or whole stacks.",
)
@click.option("--csv", "csv_wanted", is_flag=True, help="With --compare: comma separated values.")
@click.option(
    "--svg", "picture", type=click.Path(path_type=Path), metavar="FILE", help="Draw the packet to scale (- for stdout)."
)
@click.option("--batch", metavar="FILE", help="Read 'STACK MTU' lines (- for stdin), write one JSON object a line.")
@click.option("--json", "json_wanted", is_flag=True, help="One JSON object with the ledger.")
def command(
    stack: str | None,
    esp: str | None,
    mode: str,
    nat_t: bool,
    ip6: bool,
    mtu: str | None,
    underlay: str | None,
    path_texts: tuple[str, ...],
    reverse: bool,
    payload: str | None,
    explain: bool,
    items: str | None,
    csv_wanted: bool,
    picture: Path | None,
    batch: str | None,
    json_wanted: bool,
) -> int:
    """Exact MTU of STACK: a packet written outermost header first, or the name of a network's, such as calico-vxlan.

    \b
    Examples:
      ipsecplan calc calico-vxlan --esp aes256gcm16 --underlay aws
      ipsecplan calc ip4/esp:aes256gcm16/udp/vxlan/eth/ip4 --mtu 1500
      ipsecplan calc ip4/udp/esp:aes128-sha256/ip4 --reverse --payload 1500
      ipsecplan calc ip4/esp:aes256gcm16/ip4 --compare aes128-sha256,chacha20poly1305,nat-t
    """
    links = {"--mtu": mtu, "--underlay": underlay, "--path": path_texts or None, "--reverse": reverse or None}
    _exclusive({"--batch": batch, "STACK": stack})
    _exclusive(links if batch is None else {"--batch": batch, **links})
    _exclusive({"--compare": items, "--path": path_texts or None, "--reverse": reverse or None, "--batch": batch})
    if reverse != (payload is not None):
        raise click.UsageError("--reverse and --payload go together")
    if csv_wanted and (items is None or json_wanted):
        raise click.UsageError("--csv goes with --compare, and not with --json")
    if batch is not None:
        return int(_batch_file(batch))
    if stack is None:
        raise click.UsageError("which stack? such as ip4/esp:aes256gcm16/udp/vxlan/eth/ip4")
    with as_json(json_wanted):
        parsed = _stack(stack, esp, mode, nat_t, ip6)
        preset = _underlay(underlay) if underlay is not None else None
        link = preset.mtu if preset else parse_size(mtu, "link MTU") if mtu is not None else DEFAULT_LINK
        if payload is not None:
            lines, result = _reverse(parsed, parse_size(payload, "inner packet size"), explain)
        elif path_texts:
            lines, result = _paths(parsed, path_texts)
        elif items is not None:
            rows = compare(parsed, items.split(","), link)
            lines = [csv_text(rows)] if csv_wanted else [f"{parsed.text} on a link MTU of {link}", "", *table(rows)]
            result = [row.as_json() for row in rows]
        else:
            lines, result = _plain(parsed, link, explain)
        if picture is not None:
            _draw(picture, parsed, required_link(parsed, parse_size(payload, "inner packet size")) if payload else link)
            if str(picture) == "-":
                return int(ExitCode.OK)
        if preset:
            lines = [*lines, "", f"  underlay {preset.line()}"] if not csv_wanted else lines
            result = {"underlay": preset.as_json(), **result} if isinstance(result, dict) else result
        if json_wanted:
            emit_json(result)
        else:
            emit("\n".join(lines))
    return int(ExitCode.OK)


def _stack(text: str, esp: str | None, mode: str, nat_t: bool, ip6: bool) -> Stack:
    """Return the stack that was written or named. ``esp`` and what goes with it is for a name."""
    name = text.strip().lower()
    if name not in PACKETS:
        if esp or nat_t or ip6:
            near = closest(name, PACKETS)
            hint = f"did you mean {near}?" if near else "such as calico-vxlan, cilium-geneve, flannel-vxlan, vxlan, gre"
            said = f"--esp, --nat-t and --ip6 go with the name of a packet, which {quoted(text)} is not"
            raise ProblemError(Problem("IPP101", said, hint=hint))
        near = None if "/" in name else closest(name, PACKETS)
        try:
            return parse(text)
        except ProblemError as error:
            if near and error.problems[0].code == "IPP101" and not error.problems[0].hint:
                raise ProblemError([replace(error.problems[0], hint=f"did you mean {near}?")]) from error
            raise
    if nat_t and not esp:
        raise click.UsageError("--nat-t goes with --esp")
    return parse(packet(name, esp, mode, nat_t=nat_t, outer="ip6" if ip6 else "ip4"))


def _draw(path: Path, stack: Stack, link: int) -> None:
    """Write the packet as SVG."""
    from netplan.cli.steps import write_page  # imports that no other answer needs
    from netplan.explain.drawing import svg

    made = svg(solve(stack, link))
    if str(path) == "-":
        emit(made.rstrip("\n"))
    else:
        write_page(path, made)


def _exclusive(options: dict[str, Any]) -> None:
    """Refuse two options that exclude each other."""
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise click.UsageError(f"{given[0]} and {given[1]} exclude each other")


def _plain(stack: Stack, link: int, explain: bool) -> Answer:
    solution = solve(stack, link)
    if not explain:
        return text.answer(solution), solution.as_json()
    follows = advice(solution)
    return text.explained(solution, follows), {**solution.as_json(), "advice": follows}


def _reverse(stack: Stack, wanted: int, explain: bool) -> Answer:
    lines, result = _plain(stack, required_link(stack, wanted), explain)
    first = f"inner packets of {wanted} need a link MTU of {result['link_mtu']}"
    return [first, "", *lines], {"payload": wanted, **result}


def _paths(stack: Stack, texts: tuple[str, ...]) -> Answer:
    links: dict[str, int] = {}
    for item in texts:
        name, equals, size = item.rpartition("=")
        if not equals or not name or name in links:
            raise click.UsageError(f"--path is NAME=MTU with a name of its own, not {quoted(item)}")
        links[name] = parse_size(size, "link MTU")
    found = paths(stack, links)
    return paths_text(stack, found), [path.as_json() for path in found]


def _underlay(name: str) -> UnderlayPreset:
    word = name.strip().lower()
    preset = UNDERLAYS.get(ALIASES.get(word, word))
    if preset is None:
        near = closest(name, UNDERLAYS)
        hint = f"did you mean {near}? " if near else ""
        raise ProblemError(
            Problem(
                code="IPP112",
                message=f"no underlay is called {quoted(name)}",
                hint=hint + "'ipsecplan explain underlays' lists them",
            )
        )
    return preset


def _batch_file(name: str) -> ExitCode:
    try:
        file = click.open_file(name, encoding="utf-8", errors="replace")
    except OSError as error:
        raise ProblemError(refused(error, name, "read", "IPP201")) from error
    with file as lines:
        return _batch(lines)


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
    parsed = lru_cache(STACKS_KEPT)(parse)  # a batch asks for few stacks, with many link MTUs
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
                        "IPP108",
                        f"{quoted(content)} is not 'STACK MTU'",
                        location=Location(column=1, width=len(content), source=content),
                        hint="such as: ip4/esp:aes256gcm16/ip4 1500",
                    )
                )
            yield solve(parsed(stack), parse_size(mtu, "link MTU")).as_json(ledger=False), True
        except ProblemError as error:
            problem = {**error.problems[0].as_json(), "line": number}
            yield {"stack": stack, "error": problem}, False
