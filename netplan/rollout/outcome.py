"""What a rollout is asked for, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netplan.agent.protocol.reply import Status
from netplan.problems import ExitCode, Problem
from netplan.rollout.change_summary import ChangeSummary
from netplan.rollout.pace import KEEP_MARGIN_S
from netplan.verify.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the operator chose: seconds of the rollback timer for each step (None: by what is measured), of soak, and of
    a try's wait for a yes.

    ``steal``: take the nodes over from another control process that still holds them.
    """

    timer_s: int | None = None
    soak_s: float = 5.0
    keep_s: int = 600
    steal: bool = False
    forks: int | None = None  # nodes to talk to at the same time; None: by processors and what is measured
    workers: int = 0  # machines that talk to the nodes in the place of this one
    batch: int | None = None  # most nodes that take their turn in one wave of the switch
    limit: str | None = None  # patterns of nodes to act on, see netplan.rollout.nodes.waves.matches; None: all
    exclude: str = ""  # and of nodes to leave out
    defer_away: bool = False  # leave out nodes that can't be reached
    lift: bool = False  # raise MTUs afterwards
    from_our_side: bool = False  # measure pairs with unmanaged peers only
    hold: bool = False  # all nodes may go down to the smallest live MTU, also below what was confirmed
    replace: str = ""  # names of nodes that are other machines than before


@dataclass
class Outcome:
    """How a run ended."""

    outcome: str
    exit_code: ExitCode
    problems: list[Problem] = field(default_factory=list)
    verdict: Verdict | None = None
    nodes: dict[str, Status] = field(default_factory=dict)
    changes: int = 0
    change: ChangeSummary | None = None  # what is asked about before the first change
    transaction: str = ""
    until: str = ""  # awaiting-confirm: the UTC time by which a yes must have reached the nodes
    still_open: dict[str, float] = field(default_factory=dict)  # name of a node -> seconds until it rolls itself back
    left_out: dict[str, list[str]] = field(default_factory=dict)  # name of a node -> its pairs that stay as they were
    held: tuple[int, int, str] | None = None  # MTU in bytes that all nodes keep, the planned one, because of what
    to_raise: tuple[int, int] | None = None  # MTU in bytes that pods have, and the planned one
    raised: tuple[int, int] | None = None
    timer_s: int | None = None  # the rollback timer of the last steps
    keep_margin_s: int = KEEP_MARGIN_S  # so long before ``until`` a yes has to come


class Failed(Exception):
    """A step failed on at least one node, or on this machine: whatever was changed has to be rolled back."""

    def __init__(self, problems: Sequence[Problem], unreachable: Sequence[str] = ()) -> None:
        super().__init__("; ".join(p.message for p in problems))
        self.problems = list(problems)
        self.unreachable = list(unreachable)
