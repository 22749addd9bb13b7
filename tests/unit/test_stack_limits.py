"""The ends of the ranges: the largest packet that there is, the least link, and what is said just beyond them."""

from __future__ import annotations

import pytest

from netplan.problems import Problem, ProblemError
from netplan.stack import largest_inner, parse, parse_size, required_link, solve, wire_size

VXLAN = "ip4/udp/vxlan/eth/ip4"
OVERHEAD = 20 + 8 + 8 + 14


def refused(call: object, *given: object) -> Problem:
    with pytest.raises(ProblemError) as raised:
        call(*given)  # type: ignore[operator]
    (problem,) = raised.value.problems
    return problem


def test_the_largest_packet_is_wrapped_and_one_byte_more_is_not() -> None:
    stack = parse(VXLAN)
    assert wire_size(stack, 65535 - OVERHEAD) == 65535
    problem = refused(wire_size, stack, 65536 - OVERHEAD)
    assert problem.code == "IPP106"
    assert problem.hint == f"the largest inner packet of this stack is {65535 - OVERHEAD}"


def test_the_hint_counts_the_bytes_of_the_link_layer() -> None:
    stack = parse(f"pppoe/{VXLAN}")
    assert stack.link_bytes > 0
    problem = refused(wire_size, stack, 65536 - OVERHEAD)
    assert problem.hint == f"the largest inner packet of this stack is {largest_inner(stack, 65535 + stack.link_bytes)}"


@pytest.mark.parametrize(
    ("link", "hint"), [(67, None), (65536, "a loopback of 65536 carries packets of 65535"), (65537, None)]
)
def test_a_link_that_no_packet_has_is_refused(link: int, hint: str | None) -> None:
    problem = refused(solve, parse("ip4"), link)
    assert (problem.code, problem.hint) == ("IPP106", hint)
    assert problem.message == f"link MTU {link} is out of range: 68 to 65535"


def test_a_packet_that_is_smaller_than_its_headers_is_refused() -> None:
    problem = refused(wire_size, parse("ip4"), 19)
    assert (problem.code, problem.hint) == ("IPP106", None)
    assert problem.message == "inner packet size 19 is out of range: 20 to 65535"


def test_a_link_that_is_too_small_says_what_would_do() -> None:
    stack = parse("ip4/esp:aes256gcm16/" + VXLAN)
    problem = refused(solve, stack, 100)
    assert problem.code == "IPP105"
    assert f"a link of {required_link(stack, 68)}" in (problem.hint or "")
    assert f"IPv6 inside {required_link(stack, 1280)}" in (problem.hint or "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1500", 1500),
        (" 9000\n", 9000),
        ("123456789", 123456789),
        ("1234567890", "a size '1234567890' is out of range: above 0, at most 65535"),
        ("-5", "a size '-5' is out of range: above 0, at most 65535"),
        ("5-", "a size '5-' is not a whole number"),
        ("1500.0", "a size '1500.0' is not a whole number"),
        ("\u0661", "a size '\u0661' is not a whole number"),
        ("", "a size '' is not a whole number"),
    ],
)
def test_a_size_is_digits(text: str, said: int | str) -> None:
    if isinstance(said, int):
        assert parse_size(text, "a size") == said
        return
    with pytest.raises(ProblemError) as error:
        parse_size(text, "a size")
    (problem,) = error.value.problems
    assert (problem.code, problem.message) == ("IPP106", said)
    assert problem.hint == (None if "range" in said else "write plain digits, such as 1500")
