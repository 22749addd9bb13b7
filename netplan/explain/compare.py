"""Several packets side by side: what each suite, overlay or outer family costs, and when its SA must be renewed."""

from __future__ import annotations

from typing import NoReturn

from netplan.stack import Solution, Stack, parse, solve
from netplan.stack.frozen import frozen
from netplan.stack.headers import FRAMING, HEADERS
from netplan.stack.transforms import (
    BIRTHDAY_64,
    CIPHERS,
    SEQUENCE_NUMBERS,
    SMALL_BLOCK,
    UnknownAlgorithm,
    esp_transform,
)
from netplan.stack.types import IP, SECURITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


RATES = (1, 10, 25, 100)  # Gbit/s
BAR = 44  # longest bar of the chart, in characters
REKEY_TIME = 3600  # seconds; strongSwan's default for a CHILD_SA

# a name for an overlay -> the tokens between what protects the packet and the innermost IP header
_OVERLAYS = {
    "vxlan": "udp/{}/eth",
    "vxlan-gpe": "udp/{}",
    "geneve": "udp/{}/eth",
    "gre": "{}",
    "gretap": "{}",
    "nvgre": "{}/eth",
    "stt": "{}/eth",
    "erspan": "{}/eth",
    "l2tpv3": "{}/eth",
    "wireguard": "udp/{}",
}


@frozen
class Row:
    """One packet of the comparison, at its largest."""

    label: str
    solution: Solution

    @property
    def frame(self) -> int:
        """Bytes of the wire that one full packet takes, Ethernet framing and gap included."""
        outside = sum(row.bytes for row in self.solution.link_ledger if not row.counted)
        outside -= HEADERS["eth"].bytes if self.solution.stack.tokens[0].name == "eth" else 0
        counted = self.solution.stack.link_bytes
        return self.solution.outer_packet + counted + outside + sum(FRAMING.values())

    @property
    def payload(self) -> int:
        """TCP payload of one full packet, without TCP options."""
        return self.solution.mss6 if self.solution.stack.family == "ip6" else self.solution.mss4

    @property
    def goodput(self) -> float:
        """Share of the wire that is TCP payload, 0 to 1."""
        return self.payload / self.frame

    def packets(self, rate: int) -> float:
        """Full packets a second at ``rate`` Gbit/s."""
        return rate * 1e9 / 8 / self.frame

    def wrap(self, rate: int) -> float:
        """Seconds until 2^32 full packets, where an SA without extended sequence numbers ends."""
        return SEQUENCE_NUMBERS / self.packets(rate)

    @property
    def advice(self) -> str:
        """What to set so that the SA is renewed in time."""
        tokens = self.solution.stack.tokens
        words = [word for token in tokens if token.transform for word in token.transform.keyword.split("-")]
        if not any(token.name in SECURITY for token in tokens):
            return "no SA"
        if any(CIPHERS[word].block == SMALL_BLOCK for word in words if word in CIPHERS):
            return f"64-bit block: rekey_bytes = {BIRTHDAY_64} at the latest (Sweet32)"
        late = [rate for rate in RATES if self.wrap(rate) < REKEY_TIME]
        if late:
            return f"from {late[0]} Gbit/s on: esn, or rekey_packets = {SEQUENCE_NUMBERS // 2}"
        return "rekey_time = 1h is early enough"

    def as_json(self) -> dict[str, Any]:
        """Return the object for ``--json``."""
        return {
            "label": self.label,
            **self.solution.as_json(ledger=False),
            "frame": self.frame,
            "tcp_payload": self.payload,
            "goodput": round(self.goodput, 4),
            "rates": {
                str(rate): {"packets": round(self.packets(rate)), "seconds_to_2_32": round(self.wrap(rate))}
                for rate in RATES
            },
            "advice": self.advice,
        }


def compare(stack: Stack, items: list[str], link: int) -> list[Row]:
    """Return one row for the stack itself and one for each item, see :func:`variant`. Raises ProblemError."""
    rows = [Row(label="as given", solution=solve(stack, link))]
    rows += [Row(label=item, solution=solve(variant(stack, item), link)) for item in items]
    return rows


def variant(stack: Stack, item: str) -> Stack:
    """Return the stack with one thing changed.

    ``item`` is a whole stack (it has a slash), an ESP proposal (replaces every ESP algorithm), an overlay such as
    ``geneve:8`` (replaces what stands before the innermost IP header), ``ip4`` or ``ip6`` (the outer family), or
    ``nat-t``. Raises :class:`netplan.problems.ProblemError`, with IPP107 for what is none of these.
    """
    item = item.strip().lower()
    if "/" in item:
        return parse(item)
    words = [token.text for token in stack.tokens]
    names = [token.name for token in stack.tokens]
    if item in IP:
        words[stack.outer] = item
        return parse("/".join(words))
    if item == "nat-t" and "esp" in names:
        at = names.index("esp")
        return stack if names[at - 1] == "udp" else parse("/".join([*words[:at], "udp", *words[at:]]))
    if item.partition(":")[0] in _OVERLAYS:
        start = stack.inner
        while start > 0 and names[start - 1] not in (*IP, *SECURITY, "dstopts", "srh"):
            start -= 1
        middle = _OVERLAYS[item.partition(":")[0]].format(item)
        return parse("/".join([*words[:start], middle, *words[stack.inner :]]))
    try:
        esp_transform(item)
    except UnknownAlgorithm as error:
        _unfit(item, str(error), error.start, error.length, error.hint)
    if "esp" not in names:
        _unfit(item, "the stack has no esp whose algorithm could be replaced", 0, len(item), None)
    return parse("/".join(f"esp:{item}" if name == "esp" else word for name, word in zip(names, words, strict=True)))


def table(rows: list[Row]) -> list[str]:
    """Return the comparison as a table for people, the safe common value and a chart."""
    width = max(len(row.label) for row in rows)
    lines = [f"  {'':<{width}}    MTU  MSS v4  MSS v6  unused   wire  goodput"]
    for row in rows:
        solution = row.solution
        lines.append(
            f"  {row.label:<{width}}  {solution.inner_mtu:>5}  {solution.mss4:>6}  {solution.mss6:>6}"
            f"  {solution.slack:>6}  {row.frame:>5}  {row.goodput:>7.2%}"
        )
    worst = min(rows, key=lambda row: row.solution.inner_mtu)
    lines += ["", f"  safe for all of them: {worst.solution.inner_mtu} ({worst.label})"]
    lines += ["", *chart(rows, width)]
    lines += ["", "  full packets a second, and time to 2^32 of them, at"]
    rates = "  ".join(f"{f'{rate} Gbit/s':>16}" for rate in RATES)
    lines.append(f"  {'':<{width}}  {rates}")
    for row in rows:
        cells = "  ".join(f"{row.packets(rate):>9,.0f} {_span(row.wrap(rate)):>6}" for rate in RATES)
        lines.append(f"  {row.label:<{width}}  {cells}")
    lines += ["", "  rekey, by full packets; small ones come sooner"]
    lines += [f"  {row.label:<{width}}  {row.advice}" for row in rows]
    return lines


def chart(rows: list[Row], width: int) -> list[str]:
    """Return a bar for each row: bytes of the wire beside the TCP payload, per full packet."""
    lost = [row.frame - row.payload for row in rows]
    scale = max(lost) / BAR
    lines = ["  bytes of the wire beside TCP payload, per full packet"]
    for row, amount in zip(rows, lost, strict=True):
        lines.append(f"  {row.label:<{width}}  {'#' * max(1, round(amount / scale))} {amount}")
    return lines


def csv_text(rows: list[Row]) -> str:
    """Return the comparison as comma separated values with a header line."""
    import csv
    import io

    out = io.StringIO()
    head = ["label", "stack", "link_mtu", "inner_mtu", "mss4", "mss6", "outer_packet", "slack", "frame", "goodput"]
    rates = [f"{what}_{rate}g" for rate in RATES for what in ("packets", "seconds_to_2_32")]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*head, *rates, "advice"])
    for row in rows:
        s = row.solution
        fixed = [row.label, s.stack.text, s.link_mtu, s.inner_mtu, s.mss4, s.mss6, s.outer_packet, s.slack, row.frame]
        speeds = [round(value) for rate in RATES for value in (row.packets(rate), row.wrap(rate))]
        writer.writerow([*fixed, f"{row.goodput:.4f}", *speeds, row.advice])
    return out.getvalue().rstrip("\n")


def _span(seconds: float) -> str:
    """Return a time in the unit that reads best."""
    for limit, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= limit:
            return f"{seconds / limit:.1f}{unit}" if seconds < 10 * limit else f"{seconds / limit:.0f}{unit}"
    return f"{seconds:.0f}s"


def _unfit(item: str, message: str, start: int, width: int, hint: str | None) -> NoReturn:
    from netplan.problems import Location, fail

    more = "--compare takes ESP proposals, overlays such as geneve:8, ip4, ip6, nat-t, or whole stacks"
    joint = " " if hint and hint.endswith("?") else "; "
    location = Location(column=start + 1, width=max(1, width), source=item)
    fail("IPP107", f"--compare {item}: {message}", location=location, hint=f"{hint}{joint}{more}" if hint else more)
