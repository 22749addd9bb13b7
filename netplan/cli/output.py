"""What every verb shares: stdout carries data only, stderr carries progress and Problems, exit codes are an enum."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from netplan.cli.envelope import SCHEMA_VERSION as SCHEMA_VERSION
from netplan.cli.envelope import document
from netplan.problems import ExitCode, Problem, ProblemError


def emit(text: str) -> None:
    """Write a line of data to stdout."""
    click.echo(text)


def note(text: str) -> None:
    """Write a line of progress or explanation to stderr."""
    click.echo(text, err=True)


def emit_json(
    result: Any,
    problems: Sequence[Problem] = (),
    exit_code: ExitCode = ExitCode.OK,
) -> None:
    """Write the one JSON object that every ``--json`` prints."""
    click.echo(json.dumps(document(result, problems, exit_code), indent=2, sort_keys=False))


def report(problems: Sequence[Problem]) -> None:
    """Write Problems for people to stderr, in the order given."""
    colour = colour_wanted(sys.stderr)
    for problem in problems:
        first, *rest = problem.lines()
        tint = "red" if problem.severity == "error" else "yellow"
        click.echo(click.style(first, fg=tint, bold=True) if colour else first, err=True)
        for line in rest:
            click.echo(line, err=True)


def colour_wanted(stream: Any) -> bool:
    """Tell whether to colour: a terminal, unless NO_COLOR or TERM=dumb; CLICOLOR_FORCE overrides both."""
    if os.environ.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(getattr(stream, "isatty", lambda: False)())


@contextlib.contextmanager
def as_json(enabled: bool) -> Iterator[None]:
    """Inside this block a ProblemError becomes the JSON object on stdout instead of text on stderr."""
    try:
        yield
    except ProblemError as error:
        if not enabled:
            raise
        emit_json(None, error.problems, error.exit_code)
        raise click.exceptions.Exit(int(error.exit_code)) from error


def run(cli: click.Command, argv: list[str]) -> int:
    """Run a click command, turning every known failure into its message and exit code. Never prints a traceback
    for an input error; an unforeseen exception keeps its traceback, because it is our bug."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret that a process had
    try:
        result = cli.main(args=argv, prog_name="ipsecplan", standalone_mode=False)
        return int(result) if isinstance(result, int) else int(ExitCode.OK)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.UsageError as error:
        error.show()
        return int(ExitCode.USAGE)
    except click.ClickException as error:
        error.show()
        return int(ExitCode.FAILURE)
    except (click.Abort, KeyboardInterrupt):
        note("interrupted")
        return int(ExitCode.INTERRUPTED)
    except ProblemError as error:
        report(error.problems)
        return int(error.exit_code)
    except BrokenPipeError:  # `ipsecplan calc ... | head`
        sys.stderr.close()
        return int(ExitCode.OK)
