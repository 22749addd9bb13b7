"""The YAML reader: what is refused, what stays text, and where things stand."""

from __future__ import annotations

import time

import pytest

from netplan.inputs.yaml_source import LENIENT, MAX_BYTES, Key, Span, documents, parse
from netplan.problems import Location, ProblemError


def test_scalars_are_yaml_1_2_core_and_nothing_more() -> None:
    source = parse(b"a: no\nb: 12:34:56\nc: 1_000\nd: '7'\ne: 7\nf: true\ng:\nh: 1e3\ni: 0x1F\nj: on\n", "t")
    assert source.data == {
        "a": "no",
        "b": "12:34:56",
        "c": "1_000",
        "d": "7",
        "e": 7,
        "f": True,
        "g": None,
        "h": 1000.0,
        "i": "0x1F",
        "j": "on",
    }


def test_every_key_and_value_has_its_place() -> None:
    source = parse(b"underlay:\n  paths:\n    - {between: [a, bb], mtu: 1400}\n", "t")
    assert source.keys["underlay",] == Span(1, 1, 8)
    assert source.values["underlay", "paths", 0, "between", 1] == Span(3, 21, 2)
    assert source.values["underlay", "paths", 0, "mtu"] == Span(3, 31, 4)
    assert source.location(("underlay", "paths", 0, "mtu"), on="key") == Location(
        "t", 3, 26, 3, "    - {between: [a, bb], mtu: 1400}"
    )
    for at, span in source.values.items():
        location = source.location(at)
        assert (location.line, location.column, location.width) == span


@pytest.mark.parametrize(
    ("at", "line"), [(("a", "absent"), 1), (("a", "b", "c"), 2), (("absent",), 1), (("a", "b", 7), 2)]
)
def test_a_key_that_is_absent_stands_at_the_nearest_enclosing_key(at: Key, line: int) -> None:
    assert parse(b"a:\n  b: [1, 2]\nz: 1\n", "t").location(at).line == line


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"a: &x 1\nb: *x\n", "IPP204"),
        (b"a: !!python/name:os.system x\n", "IPP204"),
        (b"a: {<<: {b: 1}}\n", "IPP204"),
        (b"a: 1\na: 2\n", "IPP203"),
        (b"a: 0777\n", "IPP205"),
        (b"? [a]\n: 1\n", "IPP202"),
        (b"a: 1\n---\nb: 2\n", "IPP202"),
        (b"", "IPP202"),
        (b"\xff\xfe", "IPP202"),
        (b"a: " + b"[" * 30 + b"]" * 30, "IPP202"),
        (b"#" * (MAX_BYTES + 1), "IPP202"),
    ],
)
def test_refused(text: bytes, code: str) -> None:
    with pytest.raises(ProblemError) as raised:
        parse(text, "t")
    assert raised.value.problems[0].code == code


def test_a_number_that_python_refuses_to_read_is_text() -> None:
    assert parse(b"a: " + b"1" * 5000, "t").data == {"a": "1" * 5000}


BOMB = "l0: &l0 [x]\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))


def test_a_yaml_bomb_costs_nothing() -> None:
    began = time.process_time()
    with pytest.raises(ProblemError):
        parse(BOMB.encode(), "t")
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        pytest.param(BOMB, "more than 400000 values after anchors are expanded", None, id="bomb"),
        pytest.param("a: &a\n  b: *a\n", "an anchor that contains itself", None, id="circle"),
        pytest.param("a: " + "[" * 61 + "]" * 61, "nested more than 60 levels deep", 1, id="deep"),
        pytest.param("- a\n" * 800_001, "more than 400000 values", None, id="many"),
        pytest.param("#" * (LENIENT.max_bytes + 1), "more than 4 MiB of YAML", None, id="large"),
        pytest.param("a: [\nb: 1\n", "not YAML: ", 1, id="broken"),
    ],
)
def test_what_other_programs_write_has_limits_too(text: str, reason: str, line: int | None) -> None:
    began = time.process_time()
    with pytest.raises(ProblemError) as raised:
        list(documents(text, "t"))
    assert time.process_time() - began < 20
    (problem,) = raised.value.problems
    assert problem.code == "IPP904"
    assert problem.message.startswith(reason)
    assert line is None or problem.location.line == line


def test_what_other_programs_write_may_have_more() -> None:
    text = "a: &x {b: 1, c: no}\nd: {<<: *x, b: 2}\na: TRUE\n---\n- 0777\n- !x 1\n"
    first, second = documents(text, "t")
    assert first.data == {"a": True, "d": {"b": 2, "c": "no"}}
    assert second.data == ["0777", 1]
    assert first.location(("d", "b"), on="key") == Location("t", 2, 13, 1, "d: {<<: *x, b: 2}")
