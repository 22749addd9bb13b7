"""Sessions in the pages of docs/: found, played in a folder, and written anew with what the program prints today.

A session is a block fenced with ``console``. Lines that begin with ``$ `` are commands, the rest is what they print:

* ``ipsecplan ...`` runs in this process, everything else in a shell. ``ipsecplan ... | CMD`` pipes into a shell.
* A command that ends with ``; echo "exit $?"`` shows its exit code; any other one must exit 0, or print an error.
* ``...`` stands for anything: as a line for lines, inside a line for a part of it.
* ``<!-- file: NAME -->`` before a block writes the block into the folder, instead of running it.
* ``<!-- lab -->`` before a block: it needs a cluster, and a test of the lab plays it.

The blocks of a page are played in their order in one folder, so a later one sees the files of an earlier one.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(
    r"(?P<before><!-- (?:file: (?P<file>[\w./-]+)|(?P<lab>lab)) -->\n\n?)?"
    r"^(?P<fence>```+)(?P<kind>[\w-]*)\n(?P<text>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
CODE = '; echo "exit $?"'
# Runs a command line of ours in this process and in the current folder: (words) -> (exit code, stdout + stderr)
Run = Callable[[list[str]], tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a session, and the lines that the page shows below it."""

    line: str
    shown: str


def pages() -> list[Path]:
    """Return every page of ours: README's, and those of docs/ but for the decisions."""
    below = [path for path in DOCS.rglob("*.md") if path.parts[-2] != "decisions" and "_build" not in path.parts]
    return sorted([*ROOT.glob("README*.md"), *below])


def commands(session: str) -> Iterator[Command]:
    """Yield the commands of a session; a line that ends with a backslash goes on in the next one."""
    lines = session.splitlines(keepends=True)
    at = 0
    while at < len(lines):
        assert lines[at].startswith("$ "), f"a session begins with a command: {lines[at]!r}"
        line = lines[at][2:]
        at += 1
        while line.endswith("\\\n"):
            line += lines[at]
            at += 1
        shown = ""
        while at < len(lines) and not lines[at].startswith("$ "):
            shown += lines[at]
            at += 1
        yield Command(line.rstrip("\n"), shown)


def fits(shown: str, printed: str) -> bool:
    """Tell whether a text with ``...`` in it stands for what was printed."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "..." else r"[^\n]*".join(map(re.escape, line.split("...")))
        for line in shown.splitlines(keepends=True)
    )
    return re.fullmatch(pattern, printed) is not None


def played(session: str, folder: Path, run: Run) -> str:
    """Play a session in a folder and return it as it should be; what is elided and still fits stays as it is."""
    text = ""
    for command in commands(session):
        shows_code = command.line.endswith(CODE)
        line = command.line.removesuffix(CODE)
        code, printed = _one(line, folder, run)
        if shows_code:
            printed += f"exit {code}\n"
        else:
            assert code == 0 or _says_why(line, printed), f"{line}: exit {code}\n{printed}"
        assert "IPP699" not in printed, printed
        text += f"$ {command.line}\n" + (command.shown if fits(command.shown, printed) else printed)
    return text


def _says_why(line: str, printed: str) -> bool:
    """Tell whether a command that did not exit 0 printed an error, or is one that judges and exits by its verdict."""
    return "error IPP" in printed or line.split()[1] in ("audit", "trace", "explain")


def _one(line: str, folder: Path, run: Run) -> tuple[int, str]:
    flat = line.replace("\\\n", "")
    if not flat.startswith("ipsecplan "):
        done = _shell(flat, folder, "")
        return done.returncode, done.stdout
    ours, _, pipe = flat.partition(" | ")
    code, printed = run(shlex.split(ours)[1:])
    if pipe:
        done = _shell(pipe, folder, printed)
        return done.returncode, done.stdout
    return code, printed


def _shell(line: str, folder: Path, given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)},
        timeout=60,
        check=False,
    )


def rewritten(page: str, folder: Path, run: Run, *, lab: bool = False) -> str:
    """Return a page with its sessions played in a folder: those that need no lab, or those that need one."""

    def block(found: re.Match[str]) -> str:
        if found["file"]:
            target = folder / found["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(found["text"], encoding="utf-8")
        if found["file"] or bool(found["lab"]) is not lab or found["kind"] != "console":
            return found.group()
        fence, before = found["fence"], found["before"] or ""
        return f"{before}{fence}console\n{played(found['text'], folder, run)}{fence}"

    return BLOCK.sub(block, page)


def counted(page: str) -> tuple[int, int]:
    """Return how many commands of a page are played without and with a lab."""
    here = lab = 0
    for found in BLOCK.finditer(page):
        if found["kind"] == "console" and not found["file"]:
            number = len(list(commands(found["text"])))
            here, lab = (here, lab + number) if found["lab"] else (here + number, lab)
    return here, lab


def prose(text: str) -> str:
    """Return a page without its fenced blocks, the comments, and the tables that a program wrote."""
    text = re.sub(r"<!-- ([\w-]+)(?:: generated)? -->.*?<!-- /\1 -->", "", text, flags=re.DOTALL)
    return re.sub(r"<!--.*?-->", "", BLOCK.sub("", text), flags=re.DOTALL)
