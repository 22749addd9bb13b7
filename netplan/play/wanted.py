"""What a play asks for, checked: a task's arguments are data of others like every input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError

from netplan.problems import ExitCode, Problem, ProblemError, printable
from netplan.rollout.outcome import Options
from netplan.rollout.pace import LEAST_TIMER_S, LONGEST_TIMER_S
from netplan.rollout.transport.workers import destinations

PROTOCOL = 1  # what the collection and the program say to each other; another number is another language
CHANGING = frozenset({"apply", "try", "confirm", "resume", "revert", "rotate"})
READING = frozenset({"verify", "status", "facts"})
CHOOSING = frozenset({"apply", "try", "revert"})  # verbs that take a part of the nodes
WHAT = frozenset({"psk", "certificates", "ca"})
WAIT_S = (30, 86400)  # of a try's confirmation, in seconds


@dataclass(frozen=True)
class Wanted:
    """One run. ``hosts``: the play's; ``login``: connection variables of hosts that have none of their own;
    ``watch``: process id of ansible-playbook, without which nothing goes on."""

    __pydantic_config__ = ConfigDict(strict=True, extra="forbid")

    protocol: int
    verb: str
    bundle: str
    hosts: list[str]
    watch: int
    inventory: str | None = None
    state_dir: str | None = None
    check: bool = False
    diff: bool = False
    what: str | None = None
    login: dict[str, str | bool | None] | None = None
    rollback_timeout: int | None = None
    soak: float = 5.0
    confirm_timeout: int = 600
    forks: int | None = None
    workers: list[str] = field(default_factory=list)
    wave_size: int | None = None
    exclude: str = ""
    skip_unreachable: bool = False
    raise_mtu: bool = False
    hold_mtu: bool = False
    replace: str = ""
    take_over: bool = False

    @property
    def reading(self) -> bool:
        """Tell whether nothing is to be changed, nor locked. A checked apply looks as a writer does."""
        return self.verb in READING or (self.check and self.verb in ("confirm", "resume"))

    @property
    def kept(self) -> Path:
        """Where the bundle is."""
        return Path(self.bundle)

    def options(self, limit: str | None) -> Options:
        """Return what the engine is asked for."""
        return Options(
            timer_s=self.rollback_timeout,
            soak_s=self.soak,
            keep_s=self.confirm_timeout,
            steal=self.take_over,
            forks=self.forks,
            workers=len(self.workers),
            batch=self.wave_size,
            limit=limit,
            exclude=self.exclude,
            defer_away=self.skip_unreachable,
            lift=self.raise_mtu,
            hold=self.hold_mtu,
            replace=self.replace,
        )


_SHAPE: TypeAdapter[Wanted] = TypeAdapter(Wanted)


def parse(text: str) -> Wanted:
    """Return what a line of JSON asks for. Raises ProblemError (IPP658)."""
    try:
        wanted = _SHAPE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise refused(f"{'.'.join(map(str, first['loc'])) or 'the request'}: {first['msg']}") from None
    if wanted.protocol != PROTOCOL:
        said = f"the collection speaks version {wanted.protocol} and ipsecplan version {PROTOCOL}"
        raise refused(said, "install the collection that comes with this ipsecplan")
    if wanted.verb not in CHANGING | READING:
        raise refused(f"verb: {printable(wanted.verb)} is none of {', '.join(sorted(CHANGING | READING))}")
    if (wanted.what in WHAT) != (wanted.verb == "rotate"):
        raise refused(f"what: one of {', '.join(sorted(WHAT))}, with rotate and with nothing else")
    _within("rollback_timeout", wanted.rollback_timeout, LEAST_TIMER_S, LONGEST_TIMER_S)
    _within("confirm_timeout", wanted.confirm_timeout, *WAIT_S)
    _within("soak", wanted.soak, 0, WAIT_S[1])
    _within("forks", wanted.forks, 1, 1000)
    _within("wave_size", wanted.wave_size, 1, None)
    try:
        destinations(wanted.workers)
    except ValueError as error:
        raise refused(f"workers: {error}") from None
    if wanted.raise_mtu and wanted.verb == "try":
        raise refused("raise_mtu works after the confirmation, which a try doesn't have yet")
    return wanted


def limit_of(wanted: Wanted, names: Mapping[str, str]) -> str | None:
    """Return the names of the bundle's nodes (id -> name) that are the play's hosts; None where that is all of them.

    Raises ProblemError where a verb is about all nodes and the play is not.
    """
    mine = [name for name in names.values() if name in set(wanted.hosts)]
    if len(mine) == len(names) or wanted.verb not in CHOOSING | {"rotate", "verify"}:
        return None
    left = [name for name in names.values() if name not in mine]
    if wanted.verb not in CHOOSING:
        hint = "without --limit, and with `hosts` that has them" + ("; or exclude" if wanted.verb == "verify" else "")
        if wanted.verb == "verify" and wanted.exclude:
            return None
        raise refused(f"{wanted.verb} is about every node of the bundle: not a host of this play: {_some(left)}", hint)
    if not mine:
        raise refused(f"no host of this play is a node of the bundle, which has {_some(left)}")
    return ",".join(mine)


def _some(names: list[str]) -> str:
    return printable(", ".join(names[:6])) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _within(name: str, value: float | None, least: float, most: float | None) -> None:
    if value is not None and (value < least or (most is not None and value > most)):
        raise refused(f"{name}: {value:g} is not {least:g} {'or more' if most is None else f'to {most:g}'}")


def refused(message: str, hint: str | None = None) -> ProblemError:
    """Return why a play can't have what it asks for."""
    return ProblemError(Problem(code="IPP658", message=message, hint=hint), ExitCode.USAGE)
