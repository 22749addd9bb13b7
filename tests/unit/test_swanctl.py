"""swanctl.conf: quoting, the independent reader, and that what is rendered reads back as the plan."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netplan.ipsec import connections, swanctl
from netplan.ipsec.swanctl_parser import SettingsError, read
from netplan.problems import DefectError
from tests.support.plans import make_planned


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
        found = swanctl.connections_of(read(connections.connection_file(plan, node) + swanctl.start_file("none")))
        assert found == {c.pair.id: swanctl.expected(plan, c) for c in plan.connections(node)}
        assert len(found) == 3
        for one in found.values():
            assert one["encap"] == ("yes" if nat == "always" else "no")
            assert [child["mode"] for child in one["children"].values()] == [mode, mode]


# module, keys of ``ipsec``, what its template says, what it says instead
WRONG = {
    "mode": ("connections", {}, "mode = transport", "mode = tunnel"),
    "selector": ("connections", {}, "remote_ts = dynamic[17]", "remote_ts = dynamic"),
    "stanza": ("connections", {}, "-out : ", "-out : ipsecplan-child, "),
    "peer": ("connections", {}, "remote { id", "remote { ID"),
    "clear": ("connections", {"protect": "hosts"}, "[6/22]", "[6]"),
    "wildcard": (
        "trap_any",
        {"topology": "trap-any", "nat_traversal": "never"},
        "rekey_packets = ",
        "rekey_packets = 1",
    ),
    "charon": ("charon", {}, "cookie_threshold = 30", "cookie_threshold = 3"),
    "plugin": ("charon", {}, "bypass-lan {\n", "bypass {\n"),
}
RENDER_WRONG = """
import importlib, sys
from netplan.bundle import build
from netplan.problems import DefectError
from tests.support.plans import make_planned

for case, (name, ipsec, right, wrong) in {cases!r}.items():
    module = importlib.import_module(f"netplan.ipsec.{{name}}")
    real, plan = module.render, make_planned(3, ipsec=ipsec).plan
    build.node_files(plan, plan.nodes[0])
    met = []

    def render(*arguments, **values):
        text = real(*arguments, **values)
        met.append(right in text)
        return text.replace(right, wrong)

    module.render = render
    try:
        files = build.node_files(plan, plan.nodes[0])
    except DefectError as error:
        print(case, error.code, error)
    else:
        print(case, "kept", len(files))
    if not any(met):
        sys.exit(f"{{right!r}} is in no text of {{name}}")
    module.render = real
"""


@pytest.mark.parametrize("options", [(), ("-O",)], ids=["", "-O"])
def test_a_file_that_says_something_else_is_refused(options: tuple[str, ...]) -> None:
    code = RENDER_WRONG.format(cases=WRONG)
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert [line.split()[:2] for line in said] == [[case, "IPP699"] for case in WRONG], said
    assert all(line.endswith(("read back as planned", "load the plugin bypass-lan")) for line in said), said


# what becomes of the stanzas of a node, a list, after every kind of them has been read back
JOINS = {
    "one twice": "lambda parts: [*parts, parts[0]]",
    "one less": "lambda parts: parts[1:]",
    "another order": "lambda parts: parts[::-1]",
    "of another pair": "lambda parts: [parts[0].replace(parts[0][5:9], 'ffff'), *parts[1:]]",
    "of another peer": "lambda parts: [parts[0], parts[1].replace('10.77.0.', '10.77.1.')]",
    "no end of line": "lambda parts: [part.rstrip() for part in parts]",
    "more": "lambda parts: [*parts, 'pair-000000000000 : ipsecplan-1 { }\\n']",
    "another class": "lambda parts: [part.replace(' : ipp-', ' : ipp-1') for part in parts]",
    "a child of another template": "lambda parts: [part.replace('o { }', 'i { }') for part in parts]",
}
JOIN_WRONG = """
from netplan.ipsec import connections
from netplan.problems import DefectError
from tests.support.plans import make_planned

plan = make_planned(3).plan
for case, change in CASES.items():
    files = connections.ConnectionFiles(plan)
    files.text(plan.nodes[0]), files.text(plan.nodes[2])
    real = connections.joined
    right = files.text(plan.nodes[1])
    connections.joined = lambda *given: change(real(*given))
    try:
        print(case, "kept", files.text(plan.nodes[1]) == right)
    except DefectError as error:
        print(case, error.code)
    connections.joined = real
"""


@pytest.mark.parametrize("options", [(), ("-O",)], ids=["", "-O"])
def test_a_file_that_is_joined_wrongly_is_refused(options: tuple[str, ...]) -> None:
    cases = ", ".join(f"{case!r}: {change}" for case, change in JOINS.items())
    code = JOIN_WRONG.replace("CASES", "{" + cases + "}")
    done = subprocess.run([sys.executable, *options, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"{case} IPP699" for case in JOINS]


def test_start_file_of_another_action_is_refused() -> None:
    with pytest.raises(DefectError, match="'start' is no start_action"):
        swanctl.start_file("start")


def test_a_thousand_peers_stay_small() -> None:
    plan = make_planned(1000).plan
    text = connections.connection_file(plan, plan.nodes[0])
    assert len(text) / 999 <= 200, "bytes a connection, everything included"
