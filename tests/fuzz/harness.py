"""Gives one input to one reader and looks at what comes of it.

The contract of every reader: the input is understood, or refused with a ProblemError (or what the reader documents).
Never another exception, never longer than :data:`LIMIT_S`, never more memory than :data:`ROOM` beyond what was there;
and no message has a control character, or is endless.
"""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netplan.problems import ProblemError

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
LIMIT_S = 5.0  # of processor time for one input, which is 1,000 times what they take
ROOM = 1 << 30  # bytes of address space
PRINTED = 50  # problems about one input
LONGEST = 64 << 10  # characters of what is printed about one input
SMALLER = 300  # tries to make an input that found a fault smaller,
SMALLER_S = 10.0  # and seconds for them


@dataclass(frozen=True)
class Reader:
    """Something that reads what others wrote. ``read`` gets the input and an empty folder that it may use.

    ``read`` returns what a person would be told about the input besides problems: that is looked at, too.
    ``refuses``: exceptions besides ProblemError by which it says no.
    """

    name: str
    read: Callable[[bytes, Path], Sequence[str] | None]
    seeds: Callable[[], list[bytes]]
    refuses: tuple[type[Exception], ...] = ()


@dataclass
class Fault:
    """What a reader did that it must not; ``place``: where, ``data``: the smallest input that was found for it."""

    place: str
    data: bytes
    count: int = 1


@dataclass
class Tally:
    """What came of the inputs of one reader."""

    inputs: int = 0
    understood: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    faults: dict[str, Fault] = field(default_factory=dict)

    def add(self, reader: Reader, data: bytes, folder: Path) -> None:
        """Give one input to a reader and count what came of it."""
        before = time.process_time()
        verdict = outcome(reader, data, folder)
        took = time.process_time() - before
        self.inputs += 1
        self.seconds += took
        self.slowest_s = max(self.slowest_s, took)
        if verdict == "understood":
            self.understood += 1
        elif verdict == "refused":
            self.refused += 1
        elif verdict in self.faults:
            self.faults[verdict].count += 1
            if len(data) < len(self.faults[verdict].data):
                self.faults[verdict].data = data
        else:
            self.faults[verdict] = Fault(verdict, data)


class _TooLong(BaseException):
    """No reader catches it."""


def outcome(reader: Reader, data: bytes, folder: Path) -> str:
    """Return ``understood``, ``refused``, or what is wrong and where."""
    try:
        with _limits():
            said = reader.read(data, folder)
        return _unfit(said or ()) or "understood"
    except ProblemError as error:
        return _unfit([line for problem in error.problems[:PRINTED] for line in problem.lines()]) or "refused"
    except reader.refuses:
        return "refused"
    except _TooLong as error:
        return f"takes longer than {LIMIT_S:g} s: {_where(error)}"
    except Exception as error:  # noqa: BLE001  that is what is looked for
        return f"{type(error).__name__}: {_where(error)}"


def _unfit(lines: Sequence[str]) -> str:
    """Return what is wrong with the words about an input."""
    bad = next((line for line in lines if not line.isprintable()), None)
    if bad is not None:
        return f"a control character in a message: {bad[:60]!a}"
    return "endless messages" if sum(map(len, lines)) > LONGEST else ""


def _where(error: BaseException) -> str:
    """Return the last line of ours that was running."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f.filename.startswith(str(ROOT)) and "/tests/fuzz/" not in f.filename]
    frame = (ours or list(frames))[-1]
    name = frame.filename.removeprefix(f"{ROOT}/")
    return f"{name}:{frame.lineno}"


@contextlib.contextmanager
def _limits() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Inside this block more than :data:`ROOM` beyond what is there is a MemoryError, and so a fault."""
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def smaller(reader: Reader, fault: Fault, folder: Path) -> bytes:
    """Return an input with the same fault from which no half, quarter, ... can be taken away any more."""
    data, step, tries, end = fault.data, max(1, len(fault.data) // 2), 0, time.monotonic() + SMALLER_S
    while step and tries < SMALLER:
        at, shorter = 0, False
        while at < len(data) and tries < SMALLER and time.monotonic() < end:
            candidate = data[:at] + data[at + step :]
            tries += 1
            if outcome(reader, candidate, folder) == fault.place:
                data, shorter = candidate, True
            else:
                at += step
        step = 0 if time.monotonic() >= end else step if shorter and step > 1 else step // 2
    return data


def corpus(reader: Reader) -> list[bytes]:
    """Return the kept inputs of a reader: each has found a fault once."""
    return [path.read_bytes() for path in sorted((CORPUS / reader.name).glob("*"))]
