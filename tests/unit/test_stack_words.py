"""What is said of stacks, word for word: of each kind that is refused, and of each header with each of its options.

``tests/cases/stack/refused`` has one stack a line, in quotes as Python writes them. ``expected`` has each with its
mark, the message and the hint, ``ledgers`` the bytes of every header and their sources; ``make golden`` writes both
anew, then read the difference.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from netplan.problems import ProblemError, present
from netplan.stack import Solution, parse, solve
from netplan.stack.header_types import Header
from netplan.stack.headers import HEADERS, STARTS
from netplan.stack.types import ESP_ONLY
from tests.support.golden import check

ROOT = Path(__file__).parents[1] / "cases" / "stack"
REFUSED = [ast.literal_eval(line) for line in (ROOT / "refused").read_text(encoding="utf-8").splitlines()]


def said(stack: str) -> str:
    with pytest.raises(ProblemError) as error:
        solve(parse(stack), 1500)
    (problem,) = error.value.problems
    where = present(problem.location, "each has a place")
    assert where.source == stack
    mark = " " * (present(where.column, "a column") - 1) + "^" * where.width
    hint = "(no hint)" if problem.hint is None else problem.hint
    return f"{ascii(stack)[1:-1]}\n{mark}\n{problem.code} {problem.message}\n{hint}\n"


def test_every_kind_of_refusal_is_worded_as_before() -> None:
    assert len(set(REFUSED)) == len(REFUSED) >= 90
    check(ROOT / "expected", "\n".join(map(said, REFUSED)))


def stacks_of(header: Header) -> list[str]:
    """Return a stack for each option of a header, and for each header that makes it larger, as short as may be."""
    if header.name in STARTS:
        before = ""
    elif header.name in ESP_ONLY:
        before = "ip4/esp:aes256gcm16/"
    else:
        carriers = ("ip4", "ip6", "udp")
        before = {"udp": "ip4/udp/"}.get(
            found := next(c for c in carriers if header.name in HEADERS[c].carries), f"{found}/"
        )
    behind = "/ip4" if "ip4" in header.carries else "/eth/ip4" if "eth" in header.carries else ""
    number = header.number
    numbers = [f"{amount}" for amount in sorted({number.low, number.low + number.step, number.high})] if number else []
    options = ["", *(f":{word}" for word in (*numbers, *(number.presets if number else ()), *header.flags))]
    whole = [f"{before}{header.name}{option}{behind}" for option in options]
    return [
        *whole,
        *([f"{before}{header.name}"] if header.ends and behind else []),
        *(f"ip4/{other}/{header.name}{behind}" for other in header.after),
    ]


def told(solution: Solution) -> str:
    kinds = " ".join(token.kind for token in solution.stack.tokens)
    rows = [
        (row.bytes, f"{row.name}{' (encrypted)' if row.encrypted else ''}", row.source, row.note)
        for row in (*solution.link_ledger, *solution.ledger)
    ]
    lines = [f"  {size:>4} {name} [{source}]{f' ({note})' if note else ''}" for size, name, source, note in rows]
    return "\n".join(
        [f"{solution.stack.text} ({kinds}): {solution.inner_mtu}", *lines, *(f"  ! {note}" for note in solution.notes)]
    )


# IPsec, and what stands around it: every note, source and row that the table of headers does not have by itself
PROTECTED = (
    *(f"{ip}/ah:{word}/{ip}" for ip in ("ip4", "ip6") for word in ("sha256", "sha1", "sha512-x25519", "sha256:align8")),
    *(
        f"ip4/esp:{word}/ip4"
        for word in ("aes128gmac", "null-sha256", "aes256", "des-md5", "aes256gcm16-sha256", "null-md5")
    ),
    *(
        f"ip4/esp:{word}/ip4"
        for word in ("camellia256ctr-sha256", "aes128-camelliaxcbc", "camellia128ccm8", "aes128-md5_128")
    ),
    *(f"ip4/esp:{word}/ip4" for word in ("aes-256-gcm", "AES_GCM_16_256", "aes128_ccm_8-x25519", "chacha20-poly1305")),
    *(
        f"ip4/esp:{word}/ip4"
        for word in ("aes256gcm16:tfc", "chacha20poly1305-ke1_mlkem768-x25519-esn", "aes256ctr-sha384")
    ),
    *("ip6/udp/esp:aes256-sha384/ip6", "ip6/esp:aes256-sha512/beet/ip4", "ip4/esp:aes256-sha256/beet/ip6"),
    *(
        f"ip6/dstopts:8/{udp}esp:aes256-sha256/{inner}"
        for udp in ("", "udp/")
        for inner in ("ip4", "ip6", "gre/eth/ip6")
    ),
    *("ip6/dstopts:8/gre/ip6/esp:aes256-sha256/ip4", "ip6/dstopts:8/esp:aes256-sha256/ip4/esp:aes128gcm16/ip4"),
    *("ip4/tcp/esp:aes256gcm16/ip4", "eth/vlan/ip4/esp:aes128gcm16", "qinq/ip4/esp:aes128-sha1/ip4", "vlan/ip4"),
    *("macsec/vlan/ip4/esp:aes128gcm16/ip4/udp/geneve:8/eth/ip6/tcp", "pppoe/ip6/esp:null-sha1/udp/vxlan/eth/vlan/ip4"),
    *("ip4/ah:sha256/esp:aes128-sha1/ip4/udp", " IP4 / ESP:aes128gcm16 / ip6 "),
)


def test_every_header_says_the_same_of_itself_in_the_ledger() -> None:
    stacks = [*(stack for header in HEADERS.values() for stack in stacks_of(header)), *PROTECTED]
    found = [
        told(solve(parse(stack), link))
        for link in (9000, 1290)
        for stack in stacks
        if link == 9000 or stack in PROTECTED
    ]
    for header in HEADERS.values():
        found += [f"{header.name}:{flag} {size:+} {words}" for flag, (size, words) in header.flags.items()]
    check(ROOT / "ledgers", "\n".join(found) + "\n")
