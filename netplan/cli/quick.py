"""The quick paths: ``calc`` with a valid stack imports only the engine, a help page nothing at all.

click alone costs as much again as an empty Python process, and most verbs import pydantic. For other arguments, and
for any error, this module returns None before anything is printed, and click takes over.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


# Help pages at click's full width, made from the commands by `make golden`: "ipsecplan VERB", line feed, the page
PAGES = __file__[: -len("cli/quick.py")] + "data/help.txt"
BETWEEN_PAGES = "\f"
FULL_WIDTH = 80  # columns; click breaks lines at 80 at most


def quick(argv: list[str]) -> int | None:
    """Answer ``calc STACK [--mtu N] [--explain | --json]`` and ``[VERB ...] --help``; None for anything else."""
    if "_IPSECPLAN_COMPLETE" in os.environ:  # a shell asks for completions, without arguments
        return None
    if not argv:
        return _help("ipsecplan")
    if argv[-1] in ("--help", "-h"):
        return _help(" ".join(["ipsecplan", *argv[:-1]]))
    if argv[0] == "help" and not any(word.startswith("-") for word in argv):
        return _help(" ".join(["ipsecplan", *argv[1:]]))
    if len(argv) < 2 or argv[0] != "calc":
        return None
    stack_text, mtu, explain, as_json = "", "1500", False, False
    words = iter(argv[1:])
    for word in words:
        if word == "--mtu":
            mtu = next(words, "")
        elif word.startswith("--mtu="):
            mtu = word[6:]
        elif word == "--explain":
            explain = True
        elif word == "--json":
            as_json = True
        elif word.startswith("-") or stack_text:
            return None
        else:
            stack_text = word
    if not stack_text or not (mtu.isascii() and mtu.isdigit()) or len(mtu) > 5 or (explain and as_json):
        return None
    from netplan.stack import parse, solve

    try:
        solution = solve(parse(stack_text), int(mtu))
    except Exception:  # noqa: BLE001 - click's path meets it again and reports it properly
        return None
    if as_json:
        import json

        from netplan.cli.envelope import document

        text = json.dumps(document(solution.as_json()), indent=2)
    else:
        from netplan.explain.text import answer, explained

        if explain:
            from netplan.explain.advice import advice

            text = "\n".join(explained(solution, advice(solution)))
        else:
            text = "\n".join(answer(solution))
    return _say(text)


def _help(command: str) -> int | None:
    """Print the page of a command; None where there is none, or where a narrow terminal breaks lines earlier."""
    try:
        columns = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size(1).columns
    except ValueError:
        return None
    except OSError:  # no terminal: click takes 80
        columns = FULL_WIDTH
    if columns < FULL_WIDTH:
        return None
    try:
        with open(PAGES, encoding="utf-8") as pages:
            for page in pages.read().split(BETWEEN_PAGES):
                name, _, text = page.partition("\n")
                if name == command:
                    return _say(text.rstrip("\n"))
    except OSError:
        return None
    return None


def _say(text: str) -> int:
    """Print a text; return the exit code."""
    if sys.stdout is None:  # closed by whoever started us
        return 0
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(text + "\n")
    except BrokenPipeError:  # the reader has seen enough
        sys.stdout = None
    except OSError as error:
        return _full(error)
    return 0


def _full(error: OSError) -> int:
    """Report that stdout can't be written (a full disk); return the exit code."""
    sys.stdout = None
    if sys.stderr is not None:
        sys.stderr.write(f"standard output: error IPP210: can't be written: {error.strerror}\n")
    return 1


def leave(code: int) -> NoReturn:
    """End the process with an exit code, quietly even when the reader of stdout has gone (``| head``)."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os._exit(code)  # the usual way out would complain about the same pipe once more
    except OSError as error:
        os._exit(code or _full(error))
    if "click" in sys.modules:
        import gc

        gc.freeze()  # the way out looks for garbage in all that is there, which ends with the process
        sys.exit(code)
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)  # nothing is left to tidy up after a plain question, and tidying costs a fifth of the run
