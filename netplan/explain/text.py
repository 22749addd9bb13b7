"""A Solution as plain text: the answer, the byte ledger, and the calculation step by step.

The command line, the planner and REVIEW.md print what stands here, so there is one way to show a ledger.
"""

from __future__ import annotations

from netplan.stack.headers import MAX_PACKET
from netplan.stack.kernel import as_counted
from netplan.stack.solve import Solution, largest_inner, linux_limits, required_link
from netplan.stack.transforms import ESP_TRAILER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from netplan.stack.ledger import LedgerRow


def answer(solution: Solution) -> list[str]:
    """Return the result for people: numbers, then what to know about them, then the ledger."""
    return [*summary(solution), "", *ledger_table(solution), *notes(solution)]


def summary(solution: Solution) -> list[str]:
    """Return the numbers, one a line."""
    gain = solution.next_gain_at
    step = "no larger packet exists" if gain is None else f"the next larger MTU comes at link {gain}"
    return [
        f"{solution.stack.text} on a link MTU of {solution.link_mtu}",
        "",
        f"  inner MTU     {solution.inner_mtu:>5}   largest {_family(solution)} packet inside",
        f"  TCP MSS       {solution.mss4:>5}   IPv4; {solution.mss6} for IPv6",
        f"  outer packet  {solution.outer_packet:>5}   overhead {solution.overhead}",
        f"  unused        {solution.slack:>5}   of the link; {step}",
    ]


def ledger_table(solution: Solution) -> list[str]:
    """Return every byte of the largest packet in wire order, with its source."""
    link, rows = solution.link_ledger, solution.ledger
    width = max(len(row.name) for row in (*link, *rows))
    lines = [f"  offset  bytes  {'what':<{width}}  where the size is from"]
    if link:
        lines += [_row(row, "link", width) for row in link]
    lines += [_row(row, str(row.offset), width) for row in rows]
    lines.append(f"  {'':>6}  {solution.outer_packet:>5}  {'outermost IP packet':<{width}}")
    return [line.rstrip() for line in lines]


def notes(solution: Solution) -> list[str]:
    """Return what to know beside the numbers, ready to print after them."""
    lines = [f"  note: {note}" for note in solution.notes]
    return ["", *lines] if lines else []


def steps(solution: Solution) -> list[str]:
    """Return the calculation from link MTU to inner MTU, one header a line with what is left."""
    stack = solution.stack
    left = solution.link_mtu
    lines = [f"  {left:>6}  link MTU"]
    for token in stack.tokens[: stack.absorbed]:
        lines.append(f"  {left:>6}  {token.text}: {token.head_bytes} bytes outside the link MTU")
    if linux_limits(stack, solution.link_mtu):
        rows, headers = as_counted(list(stack.tokens)), stack.counted.headers if stack.counted else 0
    else:
        rows, headers = [(t.head_bytes + t.tail_bytes, t.transform) for t in stack.tokens], stack.inner_headers
    for index, token in enumerate(stack.tokens[stack.absorbed :], stack.absorbed):
        counted, transform = rows[index]
        kept = counted - token.head_bytes - token.tail_bytes
        left -= counted
        parts = [f"{part.bytes} {part.name}" for part in (*token.head, *token.tail)] if kept >= 0 else []
        parts += [f"{kept} kept free by Linux"] if kept > 0 else []
        if parts:
            lines.append(f"  {left:>6}  - {' - '.join(parts)}")
        if index == stack.outer - 1 and left > MAX_PACKET:
            left = MAX_PACKET
        if transform:
            left = left // transform.align * transform.align
            lines.append(f"  {left:>6}  rounded down to a multiple of {transform.align}")
            left -= ESP_TRAILER
            lines.append(f"  {left:>6}  - {ESP_TRAILER} ESP pad length and next header")
    for size, _ in rows[len(stack.tokens) :]:
        left -= size
        lines.append(f"  {left:>6}  - {size} IPv6 options in front of ESP, which Linux subtracts here")
    behind = [stack.tokens[index].head_bytes for index in range(stack.carried, len(stack.tokens))]
    back = " + ".join(str(size) for size in (headers - sum(behind), *behind))
    lines.append(f"  {solution.inner_mtu:>6}  + {back}: the header{'s' if '+' in back else ''} of the inner packet")
    return lines


def probes(solution: Solution) -> list[str]:
    """Return the packet sizes worth sending over the real path, and what follows when they pass or don't."""
    stack, inner = solution.stack, solution.inner_mtu
    lines = [f"  {inner:>6}  must pass, as an outer packet of {solution.outer_packet}"]
    gain = solution.next_gain_at
    if gain is not None:
        lines.append(f"  {inner + 1:>6}  must not pass in one piece; if it does, the link MTU is {gain} or more")
    below = largest_inner(stack, required_link(stack, inner) - 1)
    if below >= stack.inner_headers:
        need = required_link(stack, below)
        lines.append(f"  {below:>6}  the step below: passes from a link MTU of {need} on")
    return lines


def explained(solution: Solution, follows: Iterable[str] = ()) -> list[str]:
    """Return the answer with its calculation, the sizes to probe, and what ``follows`` from it."""
    lines = [
        *answer(solution),
        "",
        "The calculation, outermost header first:",
        *steps(solution),
        "",
        "Prove it on the path (IP packet sizes, don't-fragment set):",
        *probes(solution),
    ]
    more = [f"  {line}" for line in follows]
    return [*lines, "", "What follows from it:", *more] if more else lines


def _row(row: LedgerRow, offset: str, width: int) -> str:
    tail = "; ".join(text for text in (row.source, row.note) if text)
    return f"  {offset:>6}  {row.bytes:>5}  {row.name:<{width}}  {tail}"


def _family(solution: Solution) -> str:
    return "IPv4" if solution.stack.family == "ip4" else "IPv6"
