"""Output of all verbs: data on stdout, progress and Problems on stderr, exit codes from an enum."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import click

from netplan.cli import defect
from netplan.cli.defect import debugging
from netplan.cli.envelope import SCHEMA_VERSION as SCHEMA_VERSION
from netplan.cli.envelope import document
from netplan.cli.habits import HABITS, colour_asked, hold, release, taken
from netplan.problems import ExitCode, Problem, ProblemError, errors, printable
from netplan.refusals import refused

MOST_OF_A_KIND = 50  # problems with the same code that are printed


def emit(text: str, *, colour: bool | None = None, end: str = "\n") -> None:
    """Write lines of data to stdout, made printable; with ``colour`` their escape sequences are ours and are kept.

    Raises ProblemError when the line can't be written (a full disk). If the reader has gone (``| head``), the verb
    continues to its own exit code.
    """
    if HABITS.held is not None:
        HABITS.held.append(text if colour is not None else _lines(text))
        return
    try:
        click.echo((text if colour is not None else _lines(text)) + end, color=colour, nl=False)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError as error:
        raise ProblemError(refused(error, "standard output", "written", "IPP210"), ExitCode.FAILURE) from error


def note(text: str) -> None:
    """Write lines of progress or explanation to stderr, made printable; nothing with ``-q``."""
    if not HABITS.quiet:
        click.echo(_lines(text), err=True)


def _lines(text: str) -> str:
    """Return text made printable, with its line breaks and tabs."""
    return "\n".join(line if line.isprintable() else _tabbed(line) for line in text.split("\n"))


def _tabbed(line: str) -> str:
    return "\t".join(map(printable, line.split("\t")))


def emit_json(
    result: Any,
    problems: Sequence[Problem] = (),
    exit_code: ExitCode = ExitCode.OK,
) -> None:
    """Write the one object that every ``--json`` prints; as YAML with ``-o yaml``."""
    if HABITS.yaml:
        import yaml  # 20 ms that JSON doesn't need

        data = json.loads(json.dumps(document(result, problems, exit_code)))
        emit(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n"))
        return
    emit(json.dumps(document(result, problems, exit_code), indent=2, sort_keys=False))


def emit_json_of_many(
    result: dict[str, Any], key: str, many: Iterable[tuple[str, str]], problems: Sequence[Problem], exit_code: ExitCode
) -> None:
    """Write the same object, with ``many`` as ``key`` of ``result``: names with values that are JSON already.

    They are written one after the other, so that all of them never are one text.
    """
    mark = '"\x1amany"'
    text = json.dumps(document({**result, key: mark}, problems, exit_code), indent=2)
    before, _, after = text.partition(json.dumps(mark))
    parts = ((f"\n      {json.dumps(name)}: " + value.replace("\n", "\n      ")) for name, value in many)
    emit(before + "{", end="")
    first = ""
    for part in parts:
        emit(first + part, end="")
        first = ","
    emit(("\n    }" if first else "}") + after)


def report(problems: Sequence[Problem]) -> None:
    """Write Problems for people to stderr, in the order given; of one kind, a code, no more than people read.

    With ``-q`` only errors.
    """
    if HABITS.quiet:
        problems = errors(problems)
    with contextlib.suppress(BrokenPipeError):  # the reader has seen enough
        _report(problems)


def _report(problems: Sequence[Problem]) -> None:
    colour = bool(problems) and colour_wanted(sys.stderr)
    seen, more = Counter[str](), Counter[str]()
    for problem in problems:
        seen[problem.code] += 1
        if seen[problem.code] > MOST_OF_A_KIND:
            more[problem.code] += 1
            continue
        first, *rest = problem.lines()
        tint = "red" if problem.severity == "error" else "yellow"
        click.echo(click.style(first, fg=tint, bold=True) if colour else first, err=True, color=colour)
        for line in rest:
            click.echo(line, err=True)
    for code, number in more.items():
        note(f"{code}: and {number} more of this kind")
    # what comes from nodes is met at night; a fault in a file says by itself what is wrong, one of ours has a report
    live = [p.code for p in errors(problems) if p.code.startswith(("IPP6", "IPP7")) and p.code != "IPP699"]
    if live:
        note(f"what to do now: ipsecplan explain {live[0]}")


def colour_wanted(stream: IO[str]) -> bool:
    """Return True if ``stream`` gets colour: by --color, NO_COLOR or CLICOLOR_FORCE, else where rich would use it
    (FORCE_COLOR, TTY_COMPATIBLE, TERM=dumb)."""
    asked = colour_asked(stream)
    if asked is not None:
        return asked
    from rich.console import Console  # 30 ms, and most runs have nothing to colour

    console = Console(file=stream)
    return console.color_system is not None and not console.no_color


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
        caught = (
            error
            if isinstance(error, ProblemError)
            else ProblemError(_unforeseen(error, sys.argv[1:]), ExitCode.FAILURE)
        )
        emit_json(None, caught.problems, caught.exit_code)
        raise click.exceptions.Exit(int(caught.exit_code)) from error


def _unforeseen(error: Exception, argv: Sequence[str]) -> Problem:
    """Return the Problem for an exception that no verb handles: an error of the system, else a defect of ipsecplan."""
    return refused(error) if isinstance(error, OSError) else defect.problem(error, argv)


# Options by their earlier names, too unlike for "Did you mean" to find the new one by itself
_RENAMED = {
    "--timer": "--rollback-timeout",
    "--keep-for": "--confirm-timeout",
    "--steal": "--take-over",
    "--batch": "--wave-size",
    "--defer-away": "--skip-unreachable",
    "--raise": "--raise-mtu",
    "--every": "--interval",
    "--looks": "--count",
}


def _with_new_name(error: click.NoSuchOption) -> click.NoSuchOption:
    """Return an error about an option's earlier name as one that says the name it has now."""
    new = _RENAMED.get(error.option_name)
    if new is None or error.ctx is None or not any(new in option.opts for option in error.ctx.command.params):
        return error
    said = f"No such option '{error.option_name}'. Did you mean '{new}'?"  # click names only what is spelt alike
    return click.NoSuchOption(error.option_name, said, ctx=error.ctx)


def _json_asked(argv: Sequence[str]) -> bool:
    """Tell whether ``--json`` is among our arguments, even where click took it for the value of another option."""
    return "--json" in (argv[: argv.index("--")] if "--" in argv else argv)  # what follows is for another command


def _refuse(error: click.ClickException, argv: Sequence[str]) -> int:
    """Report an error of the command line, as the JSON object where ``--json`` is among the arguments."""
    code = ExitCode.USAGE if isinstance(error, click.UsageError) else ExitCode.FAILURE
    if isinstance(error, click.NoSuchOption):
        error = _with_new_name(error)
    if not _json_asked(argv):
        error.show()
        return int(code)
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"'{context.command_path} --help' lists the options" if context else None
    return _fail([Problem(code="IPP001", message=error.format_message(), hint=hint)], code, argv)


def _fail(problems: Sequence[Problem], code: ExitCode, argv: Sequence[str]) -> int:
    """Report what ended a verb, as the JSON object where ``--json`` is among the arguments; return the exit code."""
    if not _json_asked(argv):
        report(problems)
        return int(code)
    try:
        emit_json(None, problems, code)
    except ProblemError as full:
        report([*problems, *full.problems])
    return int(code)


def prepare_streams() -> None:
    """Print characters that stdout's encoding lacks as escapes, such as \\xe4, instead of failing."""
    if sys.stdout is not None and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def run(cli: click.Command, argv: list[str]) -> int:
    """Run a click command, turning every failure into its message and exit code.

    An unexpected error is one line and a report; IPSECPLAN_DEBUG=1 prints the traceback instead.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold every secret that a process had
    gc.set_threshold(100_000, 20, 100)  # a plan of 10,000 hosts is all kept: looking for garbage takes a third of it
    prepare_streams()
    argv, wrong = taken(argv)
    if wrong is not None:
        return _refuse(click.UsageError(wrong), argv)
    hold(argv)
    try:
        return _run(cli, argv)
    finally:
        release()


def _run(cli: click.Command, argv: list[str]) -> int:
    try:
        result = cli.main(args=argv, prog_name="ipsecplan", standalone_mode=False)
        return int(result) if isinstance(result, int) else int(ExitCode.OK)
    except click.exceptions.Exit as stop:
        return int(stop.exit_code)
    except click.ClickException as error:
        return _refuse(error, argv)
    except (click.Abort, KeyboardInterrupt):
        note("interrupted")
        return int(ExitCode.INTERRUPTED)
    except ProblemError as error:
        return _fail(error.problems, error.exit_code, argv)
    except BrokenPipeError:  # `ipsecplan calc ... | head`
        sys.stderr.close()
        return int(ExitCode.OK)
    except Exception as error:  # noqa: BLE001  the last place before a traceback
        if not debugging():
            return _fail([_unforeseen(error, argv)], ExitCode.FAILURE, argv)
        defect.tell(error, argv)
        return int(ExitCode.FAILURE)
