"""``ipsecplan trace``: the walk of one packet, hop by hop, and what happens to one that is too large."""

from __future__ import annotations

import click

from netplan.audit import Skipped, describe, texts
from netplan.cli.links import link_mtu
from netplan.cli.output import as_json, emit, emit_json, note
from netplan.path import fate as fates
from netplan.path.model import NotKnown
from netplan.path.trace import Trace, trace
from netplan.problems import ExitCode, Problem, ProblemError, printable
from netplan.stack import parse_size


@click.command(
    "trace",
    epilog="\b\nExamples:\n"
    "  ipsecplan trace 10.244.1.5 10.244.2.7 dumps/\n"
    "  ipsecplan trace 10.244.1.5 10.244.2.7 --size 1450 ssh://root@node-a ssh://root@node-b\n"
    "  ipsecplan trace node-a:cali0a1b2c3d4e5 192.0.2.7 node-a/ --size 1500 --no-df",
)
@click.argument("src")
@click.argument("dst")
@click.argument("paths", nargs=-1)
@click.option("--size", help="Bytes of the IP packet; without it, one byte more than what passes.")
@click.option("--mtu", help="IP MTU between the hosts, or a name of 'explain underlays'.")
@click.option("--no-df", "no_df", is_flag=True, help="The packet may be fragmented (IPv4 without don't-fragment).")
@click.option("--json", "json_", is_flag=True, help="Print one JSON object.")
def command(
    src: str, dst: str, paths: tuple[str, ...], size: str | None, mtu: str | None, no_df: bool, json_: bool
) -> int:
    """Walk a packet from SRC to DST over the hosts in PATHS (as for audit), device by device.

    SRC is an address of a pod or host, or a pod's device, as DEVICE or HOST:DEVICE. DST is an address. Every hop shows
    the headers put on, the bytes so far, its MTU, and the largest packet inside; then what becomes of one of --size.

    Exit code 0: the packet passes in one piece. 4: it does not. 9: the walk can't be made from what was given.
    """
    if not paths:
        raise click.UsageError("give the hosts' dumps or files, or ssh://HOST")
    with as_json(json_):
        given = None if size is None else parse_size(size, "packet size")
        path_mtu = None if mtu is None else link_mtu(mtu)
        inputs = list(texts(paths))
        world = describe(inputs)
        try:
            found = trace(world.hosts, world.peers, src, dst, path_mtu)
        except NotKnown as reason:
            problem = Problem("IPP920", f"the walk from {src} to {dst} can't be made: {reason}")
            left_out = (each.problem for each in inputs if isinstance(each, Skipped))
            raise ProblemError([problem, *left_out], ExitCode.UNJUDGED) from reason
        wanted = given if given is not None else found.exact + 1
        outcome = fates.fate(found, wanted, df=not no_df)
        passes = outcome.kind == "passes" or given is None
        code = ExitCode.OK if passes else ExitCode.DIFFERENCE
        if json_:
            emit_json(_object(found, wanted, outcome), (), code)
        else:
            _show(found, wanted, outcome)
        return int(code)


def _object(found: Trace, size: int, outcome: fates.Fate) -> dict[str, object]:
    return {
        "src": found.src,
        "dst": found.dst,
        "host": found.host,
        "entry": found.entry,
        "exact": found.exact,
        "size": size,
        "fate": outcome.kind,
        "fate_at": outcome.hop.device if outcome.hop else None,
        "reported_mtu": outcome.value,
        "text": outcome.text,
        "assumed": list(found.assumed),
        "hops": [
            {
                "device": hop.device,
                "kind": hop.kind,
                "added": hop.added,
                "stack": hop.stack,
                "bytes": hop.bytes_of(size),
                "mtu": hop.mtu,
                "largest_inside": hop.passes,
            }
            for hop in found.hops
        ],
    }


def _show(found: Trace, size: int, outcome: fates.Fate) -> None:
    emit(printable(f"{found.src} -> {found.dst}, from {found.host or 'the host'}, {found.entry}"))
    rows = [("hop", "adds", "bytes", "MTU", "largest inside", "packet")]
    for hop in found.hops:
        name = {
            "route": f"route over {hop.device}",
            "ipv6": f"IPv6 on {hop.device}",
            "path": f"path behind {hop.device}".strip(),
        }.get(hop.kind, hop.device)
        name = hop.device if hop.device.startswith("the link of") else name
        rows.append((name, hop.added or "-", str(hop.bytes_of(size)), str(hop.mtu), str(hop.passes), hop.stack))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        emit(printable("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()))
    emit(f"exact MTU: {found.exact}")
    if (fits := min(hop.inner for hop in found.hops)) > found.exact:
        emit(
            f"WireGuard pads packets to a multiple of 16 bytes, up to its device's MTU: where that is no larger than "
            f"the path, {fits} pass"
        )
    at = f" at {outcome.hop.device}" if outcome.hop and outcome.hop.device else ""
    value = f" {outcome.value}" if outcome.value is not None else ""
    emit(printable(f"{size} bytes: {outcome.kind}{value}{at}: {outcome.text}"))
    for each in found.assumed:
        note(printable(f"assumed: {each}"))
