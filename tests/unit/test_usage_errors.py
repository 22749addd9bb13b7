"""A command line that can't be used: text for people, one JSON object with --json, exit code 2 for both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from netplan.cli.group import cli
from netplan.cli.main import main
from netplan.cli.verbs import VERBS

CALC = ["calc", "ip4/esp:aes256gcm16/ip4"]


def verbs_with_json() -> Iterator[list[str]]:
    """Yield the words of every verb, and verb of a verb, that has --json."""

    def walk(command: click.Command, words: list[str]) -> Iterator[list[str]]:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                yield from walk(inner, [*words, name])
        elif any("--json" in option.opts for option in command.params):
            yield words

    context = click.Context(cli, **cli.context_settings)
    for name in VERBS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from walk(command, [name])


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """Run a command line that can't be used; return the message of its JSON object."""
    assert main(list(argv)) == 2
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["exit_code"], document["result"], err) == (2, None, "")
    assert [error["code"] for error in document["errors"]] == ["IPP001"]
    return str(document["errors"][0]["message"])


@pytest.mark.parametrize("words", list(verbs_with_json()), ids=" ".join)
def test_unknown_option_of_every_verb_prints_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, *words, "--no-such-option", "--json").startswith("No such option")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([*CALC, "--reverse"], "--reverse and --payload go together"),
        (["calc"], "which stack?"),
        (["no-such-verb"], "No such command"),
        (["aply"], "Did you mean apply?"),
        (["status", "bundle", "--watch"], "--watch and --json can't be combined"),
        (["diff", "bundle"], "give two bundles, or one with --live; 'bundle' is none"),
        (["try", "bundle", "--yes"], "--detach"),
        (["apply", "bundle", "--yes", "--rollback-timeout", "5"], "is neither auto nor"),
        (["rotate", "leaf", "bundle"], "is not one of"),
        (["host-link", "networkd", "eth0"], "Missing option '--mtu'"),
        (["network", "calico"], "give --plan, or --stack with --mtu"),
        (["audit"], "give files or directories"),
    ],
)
def test_wrong_use_prints_json(argv: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refused(capsys, *argv, "--json")


def test_json_as_the_value_of_another_option_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALC, "--mtu", "--json"]) == 3
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["exit_code"], document["errors"][0]["code"], err) == (3, "IPP106", "")


def test_unforeseen_error_outside_a_verb_prints_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path))
    monkeypatch.setattr("netplan.cli.lint.as_json", lambda _: 1 / 0)
    assert main(["lint", str(tmp_path), "--json"]) == 1
    out, err = capsys.readouterr()
    assert (json.loads(out)["errors"][0]["code"], err) == ("IPP699", "")


def test_wrong_use_without_json_prints_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALC, "--reverse"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: ipsecplan calc")


def test_json_of_another_command_does_not_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab", "exec", "--", "--json"]) == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("argv", "near"),
    [
        (["apply", "--raise"], "--raise-mtu"),
        (["apply", "--wave"], "--wave-size"),
        (["resume", "--confirm-timeuot"], "--confirm-timeout"),
        (["apply", "--timer", "60"], "Did you mean '--rollback-timeout'?"),
        (["try", "--keep-for=60"], "Did you mean '--confirm-timeout'?"),
        (["resume", "--steal"], "Did you mean '--take-over'?"),
        (["apply", "--batch", "3"], "Did you mean '--wave-size'?"),
        (["apply", "--defer-away"], "Did you mean '--skip-unreachable'?"),
        (["status", "--every", "3"], "Did you mean '--interval'?"),
        (["status", "--looks", "3"], "Did you mean '--count'?"),
    ],
)
def test_option_with_a_near_name_is_suggested(argv: list[str], near: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert near in capsys.readouterr().err
