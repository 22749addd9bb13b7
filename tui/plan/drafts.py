"""Drafts on disk: unsaved text that a planner keeps when an error or a signal ends it, for the next start.

A draft is the whole text below one comment line that says when it was kept and which content of the plan file it was
made from. It lies beside the plan (``plan.yaml.draft``), or in the state directory when nothing can be written there.
Files that we didn't make are neither read, replaced nor removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netplan.files import read_regular, write_atomic
from netplan.inputs import yaml_source
from netplan.problems import ProblemError

_HEAD = re.compile(rb"# unsaved draft of ipsecplan ui, kept at (\S+), made from sha256:([0-9a-f]{64})\n")
MOST = 9  # drafts of one plan in one place: plan.yaml.draft, plan.yaml.draft.2 and so on
SIZE = 1 << 24  # bytes; what is larger is no plan


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as it was found: ``at`` is UTC, ``base`` the SHA-256 of the plan file that it was made from."""

    path: Path
    text: str
    at: str
    base: str

    def outdated(self, raw: bytes) -> bool:
        """Tell whether the plan file has changed since."""
        return hashlib.sha256(raw).hexdigest() != self.base


def keep(plan: Path, text: str, base: bytes, state_dir: str | None = None, before: Path | None = None) -> Path:
    """Write a draft and return its path; ``before`` is where this planner has kept it already, and is replaced.

    The file has mode 0600 and takes its name when it is complete and on disk. Raises OSError when not even the
    directory for temporary files can be written.
    """
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    head = f"# unsaved draft of ipsecplan ui, kept at {at}, made from sha256:{hashlib.sha256(base).hexdigest()}\n"
    raw = head.encode() + text.encode()
    if before is not None:
        with contextlib.suppress(OSError):
            write_atomic(before, raw)
            return before
    for folder, names in _places(plan, state_dir):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _write(folder, names, raw)
    # found by nobody but the reader of the message that names it
    handle, name = tempfile.mkstemp(prefix=f"{plan.name}.draft.")
    with os.fdopen(handle, "wb") as out:
        out.write(raw)
    return Path(name)


def found(plan: Path, state_dir: str | None = None) -> list[Kept]:
    """Return the drafts of a plan that belong to this user, newest first; one that the file equals is removed."""
    drafts = []
    for _, names in _places(plan, state_dir):
        drafts += [kept for kept in map(_read, names) if kept is not None]
    with contextlib.suppress(OSError):
        now = read_regular(plan, yaml_source.MAX_BYTES, follow=True)
        for kept in [kept for kept in drafts if kept.text.encode() == now]:
            drafts.remove(kept)
            kept.path.unlink()
    return sorted(drafts, key=lambda kept: kept.at, reverse=True)


def _places(plan: Path, state_dir: str | None) -> Iterator[tuple[Path, list[Path]]]:
    """Generate the directories for drafts of a plan, with the names that they may have there."""
    real = Path(os.path.realpath(plan))  # the same drafts by whichever link the plan was opened
    ends = [".draft", *(f".draft.{number}" for number in range(2, MOST + 1))]
    yield real.parent, [real.with_name(real.name + end) for end in ends]
    with contextlib.suppress(ProblemError):  # a user without a home has no state directory
        from netplan.rollout.record.journal import state_root

        folder = state_root(state_dir) / "drafts"
        mark = hashlib.sha256(os.fsencode(real)).hexdigest()[:16]
        yield folder, [folder / f"{mark}-{real.name}{end}" for end in ends]


def _write(folder: Path, names: list[Path], raw: bytes) -> Path:
    handle, name = tempfile.mkstemp(prefix=".draft.", dir=folder)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(raw)
            out.flush()
            os.fsync(out.fileno())
        target = _named(fresh, names)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
    return target


def _named(fresh: Path, names: list[Path]) -> Path:
    """Give a file the first name that is free, also from others who look for one at the same time."""
    for name in names:
        try:
            os.link(fresh, name)
        except FileExistsError:
            continue
        except OSError:  # a file system without hard links
            if os.path.lexists(name):
                continue
            return fresh.replace(name)
        fresh.unlink()
        return name
    raise FileExistsError(names[-1])


def _read(path: Path) -> Kept | None:
    """Read a draft; None when there is none, or what is there isn't a draft of this user."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(handle, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_size > SIZE:
            return None
        try:
            raw = file.read()
            head = _HEAD.match(raw)
            if head is None:
                return None
            return Kept(path, raw[head.end() :].decode(), head[1].decode(), head[2].decode())
        except (OSError, UnicodeDecodeError):
            return None
