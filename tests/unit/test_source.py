"""The YAML reader: what is refused, what stays text, and where things stand."""

from __future__ import annotations

import time

import pytest

from netplan.inputs.yaml_source import MAX_BYTES, Mark, parse
from netplan.problems import ProblemError


def test_scalars_are_yaml_1_2_core_and_nothing_more() -> None:
    source = parse(b"a: no\nb: 12:34:56\nc: 1_000\nd: '7'\ne: 7\nf: true\ng:\nh: 1e3\ni: 0x1F\nj: on\n", "t")
    assert source.data == {
        "a": "no", "b": "12:34:56", "c": "1_000", "d": "7", "e": 7, "f": True, "g": None, "h": 1000.0, "i": "0x1F",
        "j": "on",
    }  # fmt: skip


def test_every_key_and_value_has_its_place() -> None:
    source = parse(b"underlay:\n  paths:\n    - {between: [a, bb], mtu: 1400}\n", "t")
    assert source.keys["underlay",] == Mark(1, 1, 8)
    assert source.values["underlay", "paths", 0, "between", 1] == Mark(3, 21, 2)
    assert source.values["underlay", "paths", 0, "mtu"] == Mark(3, 31, 4)


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


def test_a_yaml_bomb_costs_nothing() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 12))
    began = time.process_time()
    with pytest.raises(ProblemError):
        parse(("l0: &l0 [x]\n" + levels).encode(), "t")
    assert time.process_time() - began < 0.5
