"""Where a cluster stands and what the next step is, from what this machine knows. Asks no node."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from netplan.problems import ProblemError, counted
from netplan.rollout.record.at_work import Holder
from netplan.rollout.record.history import UNFINISHED, Past, past
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.record.memory import Memory
from netplan.rollout.record.seen import Look, Proof, last_look, last_proof

PROOF_OLD_S = 7 * 86400.0  # seconds after which measuring again is the next step
LOOK_OLD_S = 86400.0  # and asking the nodes
CERTIFICATE_DAYS = 14.0  # days left from which on renewing is the next step

Act = Literal[
    "wait", "confirm", "resume", "try", "status", "diff", "verify", "rotate-certificates", "nothing", "render"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the state directory says of a cluster. ``digest``: of the bundle at hand, "" where there is none.

    ``in_force``: the digest of the bundle that was confirmed last, "" where none is known. ``last``: the newest
    transaction. ``holder``: who is at work now. ``held_mtu``: the size in bytes at which all nodes wait to be raised,
    and ``left_out`` how many nodes took no part, in what was confirmed last.
    """

    cluster: str = ""
    digest: str = ""
    in_force: str = ""
    last: Past | None = None
    holder: Holder | None = None
    look: Look | None = None
    proof: Proof | None = None
    held_mtu: int | None = None
    left_out: int = 0

    @property
    def applied(self) -> bool:
        """Tell whether the bundle at hand is what was confirmed last."""
        return bool(self.digest) and self.digest == self.in_force

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of nodes that differ from the bundle at hand, as far as their last answer tells."""
        if self.look is None or self.look.digest != self.digest:
            return ()
        return tuple(name for name, node in self.look.nodes.items() if node.differs)

    @property
    def days_left(self) -> float | None:
        """Days until the first certificate ends, counted when the nodes were asked; None where that is not known."""
        found = [n.days_left for n in self.look.nodes.values() if n.days_left is not None] if self.look else []
        return min(found, default=None)


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do next: the act, and why."""

    act: Act
    why: str


@dataclass
class Folded:
    """Journals that were read already: path -> its size and what it tells. A journal only grows."""

    known: dict[Path, tuple[int, Past]] = field(default_factory=dict)

    def past(self, path: Path) -> Past:
        """Read a journal unless it has not grown since. Raises OSError."""
        size = path.stat().st_size
        if path not in self.known or self.known[path][0] != size:
            self.known[path] = size, past(path)
        return self.known[path][1]


def standing(root: Path, cluster: str, digest: str, folded: Folded) -> Standing:
    """Return where a cluster stands; ``root`` is the state directory. What can't be read counts as not known."""
    state = ClusterState(root, cluster, reading=True)
    last = confirmed = kept = None
    try:
        journals = state.journals()
        last = folded.past(journals[-1]) if journals else None
        kept = Memory(state.folder).confirmed
        mine = [path for path in journals if kept is not None and path.stem == kept.transaction]
        confirmed = folded.past(mine[0]) if mine else None
    except (OSError, ProblemError):
        pass
    return Standing(
        cluster=cluster,
        digest=digest,
        in_force=confirmed.digest if confirmed else "",
        last=last,
        holder=state.at_work(),
        look=last_look(state.folder),
        proof=last_proof(state.folder),
        held_mtu=kept.held_mtu if kept else None,
        left_out=len(kept.left_out) if kept else 0,
    )


def next_step(now: Standing, at: float, *, old: bool) -> NextStep:
    """Return the next step; ``at``: seconds since the epoch, ``old``: the bundle is not what the plan renders now."""
    return _open(now) or _unlike(now, old=old) or _look(now) or _measure(now, at) or _ask(now, at)


def _open(now: Standing) -> NextStep | None:
    """What is in progress comes first."""
    outcome = now.last.outcome if now.last else ""
    if now.last is not None and outcome == "awaiting-confirm":
        return NextStep("confirm", f"{now.last.transaction} is verified and is rolled back unless it is confirmed")
    if now.holder is not None:
        return NextStep("wait", f"at work: {now.holder.words()}")
    if now.last is not None and outcome in (UNFINISHED, "rollback-incomplete"):
        ended = "its controller is gone" if outcome == UNFINISHED else "its rollback is incomplete"
        return NextStep("resume", f"{now.last.transaction}: {ended}")
    return None


def _unlike(now: Standing, *, old: bool) -> NextStep | None:
    if not now.digest:
        return NextStep("render", "there is no bundle of this plan yet")
    if old:
        return NextStep("render", "the bundle is not what the plan says now")
    if not now.applied:
        return NextStep("try", "the bundle is not what was confirmed last")
    return None


def _look(now: Standing) -> NextStep | None:
    """What the nodes' last answer tells."""
    if now.drifted:
        return NextStep("diff", f"{', '.join(now.drifted[:3])} differ{'s' if len(now.drifted) == 1 else ''}")
    if now.days_left is not None and now.days_left < CERTIFICATE_DAYS:
        return NextStep("rotate-certificates", f"the first certificate ends in {counted(round(now.days_left), 'day')}")
    if now.look is not None and now.look.silent:
        return NextStep("status", f"{', '.join(now.look.silent[:3])} did not answer")
    if now.look is not None and now.look.encrypted < now.look.pairs:
        count = now.look.pairs - now.look.encrypted
        return NextStep("verify", f"{counted(count, 'pair')} without an SA: measure what that means")
    return None


def _measure(now: Standing, at: float) -> NextStep | None:
    proof = now.proof
    if proof is None or proof.digest != now.digest:
        return NextStep("verify", "this bundle was never measured from here")
    if not proof.ok:
        return NextStep("verify", "the last measurement failed")
    if at - proof.at > PROOF_OLD_S:
        return NextStep("verify", "the last proof is older than 7 days")
    return None


def _ask(now: Standing, at: float) -> NextStep:
    look = now.look
    # a proof asks every node as well
    newest = max(look.at if look else 0.0, now.proof.at if now.proof else 0.0)
    if look is None or at - newest > LOOK_OLD_S:
        return NextStep("status", "the nodes were not asked for a day" if look else "the nodes were never asked")
    return NextStep("nothing", "plan, bundle and cluster are the same, and it was measured")
