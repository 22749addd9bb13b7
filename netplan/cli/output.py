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

from netplan.cli import defect
from netplan.cli.defect import debugging
from netplan.cli.envelope import SCHEMA_VERSION as SCHEMA_VERSION
from netplan.cli.envelope import document
from netplan.problems import ExitCode, Problem, ProblemError
from netplan.refusals import refused


def emit(text: str) -> None:
    """Write a line of data to stdout. Raises ProblemError when it can't be written (a full disk behind it).

    When its reader has gone (``| head``) the verb goes on, to its own exit code.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError as error:
        raise ProblemError(refused(error, "standard output", "written", "IPP210"), ExitCode.FAILURE) from error


def note(text: str) -> None:
    """Write a line of progress or explanation to stderr."""
    click.echo(text, err=True)


def emit_json(
    result: Any,
    problems: Sequence[Problem] = (),
    exit_code: ExitCode = ExitCode.OK,
) -> None:
    """Write the one JSON object that every ``--json`` prints."""
    emit(json.dumps(document(result, problems, exit_code), indent=2, sort_keys=False))


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
    """Inside this block a ProblemError becomes the JSON object on stdout instead of text on stderr.

    So does every other error; a script that asked for JSON gets JSON. (Not with IPSECPLAN_DEBUG=1.)
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        known = isinstance(error, ProblemError)
        if not enabled or (debugging() and not known):
            raise
        caught = error if isinstance(error, ProblemError) else ProblemError(_unforeseen(error), ExitCode.FAILURE)
        emit_json(None, caught.problems, caught.exit_code)
        raise click.exceptions.Exit(int(caught.exit_code)) from error


def _unforeseen(error: Exception) -> Problem:
    """Return an error that no verb has a sentence for: what the system refused, else a defect of ours."""
    return refused(error) if isinstance(error, OSError) else defect.problem(error, sys.argv[1:])


def prepare_streams() -> None:
    """Let no character end a command: what stdout's encoding lacks is printed as an escape, such as \\xe4."""
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(cli: click.Command, argv: list[str]) -> int:
    """Run a click command, turning every failure into its message and exit code.

    Never prints a traceback, unless IPSECPLAN_DEBUG=1 asks for it: what nobody foresaw is one line and a report.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret that a process had
    prepare_streams()
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
    except Exception as error:  # noqa: BLE001  the last place before a traceback
        if isinstance(error, OSError) and not debugging():
            report([refused(error)])
        else:
            defect.tell(error, argv)
        return int(ExitCode.FAILURE)
