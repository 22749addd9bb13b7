"""swanctl.conf: quoting, the independent reader, and that what is rendered reads back as the plan."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.ipsec import swanctl
from netplan.ipsec.swanctl_parser import SettingsError, read

from .conftest import make_planned


def test_references_give_what_charon_would_see() -> None:
    got = (
        read(
            "base { a = 1\n b = 2\n sub { x = 1 } }\nmore : base { b = 3 }\n"
            "connections { c : more { sub { y = 2 } a = } }\n"
        )
        .section("connections")
        .section("c")
    )
    assert (got.get("a", "none"), got.get("b", "none")) == ("none", "3")
    assert got.section("sub").values == {"x": "1", "y": "2"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a = b # c", {"a": "b"}),
        ('a = "b # c"', {"a": "b # c"}),
        (r'a = "x\"y\\z"', {"a": r'x"y\z'}),
        ("a = 1\na = 2", {"a": "2"}),  # the last one wins
        ('a = "two\\\nlines"', {"a": "twolines"}),
        ("a = b } c { d = e", None),
        ('a = "open', None),
        ("a.b { }", None),
        ("}", None),
        ("a {", None),
    ],
)
def test_the_reader_reads_as_charon_does(text: str, values: dict[str, str] | None) -> None:
    if values is None:
        with pytest.raises(SettingsError):
            read(text)
    else:
        assert read(text).values == values


@given(st.text(max_size=60))
@settings(max_examples=300, deadline=None)
def test_a_quoted_value_is_one_value_or_refused(value: str) -> None:
    try:
        quoted = swanctl.quote(value)
    except ValueError:
        return
    assert read(f"k = {quoted}\nother = 1").values == {"k": value, "other": "1"}


@pytest.mark.parametrize("bad", ["a\nb = evil", "a\0", "a\x1b[2J", "e\u0301", "\u2028"])
def test_control_characters_are_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="swanctl value"):
        swanctl.quote(bad)


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
@pytest.mark.parametrize("nat", ["always", "never"])
@pytest.mark.parametrize("mode", ["transport", "tunnel"])
def test_every_connection_reads_back_as_planned(family: str, nat: str, mode: str) -> None:
    plan = make_planned(4, underlay={"family": family}, ipsec={"nat_traversal": nat, "mode": mode}).plan
    for node in plan.nodes:
        swanctl.connection_file(plan, node)  # raises when it doesn't


def test_a_template_that_says_something_else_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_planned().plan
    real = swanctl.render
    monkeypatch.setattr(swanctl, "render", lambda *a, **k: real(*a, **k).replace("mode = transport", "mode = tunnel"))
    with pytest.raises(AssertionError, match="read back"):
        swanctl.connection_file(plan, plan.nodes[0])


def test_a_thousand_peers_stay_small() -> None:
    plan = make_planned(1000).plan
    text = swanctl.connection_file(plan, plan.nodes[0])
    assert len(text) / 999 <= 200, "bytes a connection, everything included"
