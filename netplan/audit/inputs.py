"""Files, directories and standard input to texts, with a limit on everything."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from netplan.audit import archives
from netplan.audit.model import Skipped
from netplan.problems import counted, present, printable

MAX_FILE = 16 << 20
MAX_TOTAL = 96 << 20
MAX_FILES = 5000
SSH_SECONDS = 60
_TARGET = re.compile(r"^(?:[A-Za-z_][A-Za-z0-9_.-]*@)?[A-Za-z0-9\[][A-Za-z0-9_.:\[\]-]*\Z")
# what a node is asked; keys stay on it
ASKED = {
    "ip-addr": "ip -d -j addr 2>/dev/null",
    "ip-route": "ip -j route show table all 2>/dev/null",
    "ip-route6": "ip -6 -j route show table all 2>/dev/null",
    "ip-rule": "ip -j rule 2>/dev/null",
    "sysctl": "(cd /proc/sys && grep -H . net/ipv6/conf/*/mtu net/ipv4/conf/*/disable_xfrm) 2>/dev/null",
    "bridge-fdb": "bridge -j fdb show 2>/dev/null",
    "ip-xfrm": "ip xfrm state list nokeys 2>/dev/null; ip xfrm policy 2>/dev/null",
    "wg-show": "WG_HIDE_KEYS=always wg show 2>/dev/null",
    "swanctl-conns": "swanctl --list-conns --raw 2>/dev/null",
    "cni-conflists": "cat /etc/cni/net.d/*.conflist 2>/dev/null",
    "daemon.json": "cat /etc/docker/daemon.json 2>/dev/null",
    "subnet.env": "cat /run/flannel/subnet.env 2>/dev/null",
    "var/lib/calico/mtu": "cat /var/lib/calico/mtu 2>/dev/null",
}
_IGNORED = {".git", ".venv", "node_modules", "__pycache__", ".terraform"}


@dataclass(frozen=True, slots=True)
class Text:
    """One input as text; ``path`` is how messages name it."""

    path: str
    text: str


def texts(paths: Iterable[str]) -> Iterator[Text | Skipped]:
    """Generate the texts of files, directories (sorted), ``ssh://`` nodes and ``-`` for standard input."""
    left, files = MAX_TOTAL, 0
    for path in paths:
        if path.startswith("ssh://"):
            yield from _remote(path)
            continue
        for name in _files(path):
            if isinstance(name, Skipped):
                yield name
                continue
            if archives.is_archive(name) and Path(name).is_file():
                for found in _archive(name, left):
                    left -= len(found.text) if isinstance(found, Text) else 0
                    yield found
                continue
            files += 1
            if files > MAX_FILES:
                yield Skipped(path, f"more than {counted(MAX_FILES, 'file')}; the rest was left out")
                return
            found = _read(name, min(MAX_FILE, left))
            if isinstance(found, Text):
                left -= len(found.text)
            yield found


def _archive(path: str, left: int) -> Iterator[Text | Skipped]:
    """Generate the texts in a tar or zip of a diagnosis tool, under ``archive/member``."""
    found = False
    try:
        for name, raw in archives.members(path, MAX_FILE):
            found = True
            text = _decoded(f"{path}/{name}", raw, min(MAX_FILE, max(left, 0)))
            left -= len(text.text) if isinstance(text, Text) else 0
            yield text
    except (OSError, ValueError) as error:
        found = True
        yield Skipped(path, f"can't be read to its end: {printable(str(error))[:200]}")
    if not found:
        yield Skipped(path, "an archive without a file that audit reads; give the files themselves")


def _remote(path: str) -> Iterator[Text | Skipped]:
    """Ask one node over SSH, with the caller's own SSH configuration; nothing on the node is changed."""
    target = path.removeprefix("ssh://").rstrip("/")
    if not _TARGET.match(target):
        yield Skipped(path, "not ssh://[user@]host")
        return
    mark = f"--ipsecplan-{secrets.token_hex(8)}--"
    script = "".join(f"printf '\\n{mark}{name}\\n'\n{command}\n" for name, command in ASKED.items())
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15", "--", target, "LC_ALL=C sh -s"]
    try:
        code, out, err = _ask(ssh, script)
    except OSError:
        yield Skipped(path, "ssh is not installed")
        return
    if code is None:
        reason = (
            f"no end of an answer in {SSH_SECONDS} s"
            if max(len(out), len(err)) <= MAX_FILE
            else f"more than {MAX_FILE >> 20} MiB"
        )
        yield Skipped(path, reason)
        return
    pieces = out.split(b"\n" + mark.encode())
    if len(pieces) < 2:
        said = printable(" ".join(err.decode(errors="replace").strip().splitlines()[-1:]))
        yield Skipped(path, f"ssh failed: {said[:200] or f'exit code {code}'}")
        return
    for piece in pieces[1:]:
        name, _, body = piece.partition(b"\n")
        if body.strip():  # what a node does not have is not worth a word
            yield _decoded(f"{path}/{name.decode(errors='replace')}", body, MAX_FILE)


def _ask(command: list[str], script: str) -> tuple[int | None, bytes, bytes]:
    """Run a command with a script on its input; return its exit code and what it printed.

    The code is None where it did not end within SSH_SECONDS or printed more than MAX_FILE, and was ended. Both outputs
    are counted while they arrive. Raises OSError where there is no such program.
    """
    found = {"out": b"", "err": b""}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        end = threading.Timer(SSH_SECONDS, process.kill)
        end.start()

        def take(name: str, stream: IO[bytes]) -> None:
            found[name] = stream.read(MAX_FILE + 1)
            if len(found[name]) > MAX_FILE:
                process.kill()

        outputs = ((name, present(stream, name)) for name, stream in (("out", process.stdout), ("err", process.stderr)))
        threads = [threading.Thread(target=take, args=one) for one in outputs]
        for thread in threads:
            thread.start()
        with contextlib.suppress(BrokenPipeError), present(process.stdin, "its input") as stdin:
            stdin.write(script.encode())
        for thread in threads:
            thread.join()
        code = process.wait()
        end.cancel()
    return None if code == -signal.SIGKILL else code, found["out"], found["err"]


def _files(path: str) -> Iterator[str | Skipped]:
    if path == "-":
        yield path
        return
    place = Path(path)
    if not place.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(place):
        folders[:] = sorted(f for f in folders if f not in _IGNORED)
        for name in sorted(names):
            yield str(Path(folder) / name)


def _read(path: str, limit: int) -> Text | Skipped:
    if path == "-":
        raw = sys.stdin.buffer.read(limit + 1)
        return _decoded("<stdin>", raw, limit)
    try:
        about = Path(path).stat()
        if not stat.S_ISREG(about.st_mode):
            return Skipped(path, "not a regular file")
        with open(path, "rb") as file:
            raw = file.read(min(about.st_size, limit) + 1)  # whatever is asked for is allocated
            if about.st_size < len(raw) <= limit:  # it grows, or is one of /proc, which have no size
                raw += file.read(limit + 1 - len(raw))
            return _decoded(path, raw, limit)
    except OSError as error:
        return Skipped(path, f"can't be read: {error.strerror}")


def _decoded(path: str, raw: bytes, limit: int) -> Text | Skipped:
    if len(raw) > limit:
        return Skipped(path, f"larger than {limit >> 20} MiB")
    if not raw.strip():
        return Skipped(path, "empty")
    if b"\0" in raw:
        return Skipped(path, "not text (it has NUL bytes)")
    try:
        return Text(path, raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        return Skipped(path, f"not UTF-8 text (byte {error.start})")
