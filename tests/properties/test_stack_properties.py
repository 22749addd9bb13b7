"""What must hold for every stack the grammar admits, on every link."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netplan.problems import ProblemError
from netplan.stack import Stack, largest_inner, parse, required_link, solve, wire_size
from netplan.stack.headers import MAX_PACKET

from ..sizes import size
from .stack_strategies import stacks
from .stack_strategies import test_every_token_can_be_drawn as test_every_token_can_be_drawn  # a test of the drawing

links = st.one_of(st.integers(68, 2000), st.sampled_from([1280, 1492, 1500, 9000, 9001]), st.integers(2000, MAX_PACKET))
quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
fast = settings(max_examples=300, deadline=None, suppress_health_check=quiet)
thorough = settings(max_examples=size(1_000, 10_000), deadline=None, suppress_health_check=quiet)


def check(text: str, link: int) -> None:
    stack = parse(text)
    again = parse(stack.text)
    assert (again.wire, again.counted) == (stack.wire, stack.counted)
    try:
        solution = solve(stack, link)
    except ProblemError as error:
        assert error.problems[0].code == "IPP105"  # noqa: PT017 - either outcome is right, by what it says
        assert required_link(stack, stack.inner_headers) > link
        return
    inner = solution.inner_mtu
    # tight: the largest fits, one byte more doesn't
    assert wire_size(stack, inner) + stack.link_bytes <= link
    assert solution.next_gain_at is None or solution.next_gain_at > link
    # the ledger has every byte once, in order
    offset = 0
    for row in solution.ledger:
        assert row.offset == offset
        assert row.bytes >= 0
        offset += row.bytes
    assert offset == solution.outer_packet == wire_size(stack, inner)
    counted = sum(row.bytes for row in solution.link_ledger if row.counted)
    assert offset + counted + solution.slack == link
    # pad is what the ledger says
    assert solution.pad == sum(row.bytes for row in solution.ledger if row.name == "ESP padding")
    reverse(stack, inner)
    monotone(stack, link, inner)


def reverse(stack: Stack, inner: int) -> None:
    """The needed link of the largest inner packet carries exactly that one, and the next gain is real."""
    need = required_link(stack, inner)
    assert largest_inner(stack, need) == inner
    assert largest_inner(stack, need - 1) < inner


def monotone(stack: Stack, link: int, inner: int) -> None:
    for more in (1, 4, 16, 100):
        if link + more <= MAX_PACKET:
            assert inner <= largest_inner(stack, link + more) <= inner + more + 16 * len(stack.tokens)
    gain = solve(stack, link).next_gain_at
    if gain is not None and gain <= MAX_PACKET:
        assert largest_inner(stack, gain) > inner
        assert largest_inner(stack, gain - 1) == inner


@fast
@given(stacks(), links)
def test_every_stack_is_tight_both_ways(text: str, link: int) -> None:
    check(text, link)


@pytest.mark.slow
@thorough
@given(stacks(), links)
def test_very_many_stacks_are_tight_both_ways(text: str, link: int) -> None:
    check(text, link)


@fast
@given(stacks(), st.integers(0, 60_000))
def test_reverse_is_the_inverse(text: str, extra: int) -> None:
    stack = parse(text)
    wanted = stack.inner_headers + extra
    try:
        need = required_link(stack, wanted)
    except ProblemError:
        assert largest_inner(stack, MAX_PACKET + stack.link_bytes) < wanted
        return
    assert largest_inner(stack, need) >= wanted
    assert largest_inner(stack, need - 1) < wanted


@fast
@given(st.text(max_size=60), links)
def test_any_text_is_a_stack_or_a_problem(text: str, link: int) -> None:
    try:
        solve(parse(text), link)
    except ProblemError as error:
        for problem in error.problems:
            assert problem.code.startswith("IPP1")
            assert problem.lines()


@fast
@given(stacks(), st.data())
def test_a_spoilt_stack_is_a_problem_with_its_place(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    spoilt = text[:at] + data.draw(st.sampled_from(["/", ":", "x", "-", "9", " ", "\t", "é"])) + text[at + 1 :]
    try:
        parse(spoilt)
    except ProblemError as error:
        problem = error.problems[0]
        assert problem.location.column is not None
        assert 1 <= problem.location.column <= len(spoilt) + 1
        assert problem.location.source == spoilt
