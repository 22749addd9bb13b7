"""The rollback timers of one run: how long they are, who has which, and whose fired while the run went on."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import Last, Result
from netplan.agent.protocol.request import Request
from netplan.problems import Problem
from netplan.rollout import pace as arithmetic
from netplan.rollout import phases
from netplan.rollout.nodes.witness import deepest, witnesses
from netplan.rollout.pace import USUAL_TIMER_S, Limits, Pace, Timing
from netplan.rollout.phases import Step
from netplan.rollout.record.events import Paced

DAY_S = 86400.0  # longest work of a phase that is believed
EARLY_S = 1.0  # how far two clocks may go apart while a timer runs
# What a node says, or the transport of it, that was rolled back by its own timer in the middle of a step: its agent was
# ended (no answer), found its transaction gone, or files that had been there
SYMPTOMS = frozenset({"IPP603", "IPP609", "IPP662"})


def this_machine() -> tuple[int, int]:
    """Return (processors that we may use, bytes of memory in it)."""
    return len(os.sched_getaffinity(0)), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


@dataclass(frozen=True, slots=True)
class Armed:
    """A node's timer: what step it came with, when that was sent (our monotonic clock), and for how many seconds.

    ``by`` is empty for a timer that an earlier control process has armed: ``sent`` is when the node told what was left.
    """

    by: str
    sent: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """A node's part in a step that failed: in which phase, with which codes, when we heard of it (our clock).

    ``ended``: how its transaction ended, where it said so. ``refused``: it did not even arm its timer anew.
    """

    phase: str
    codes: Collection[str]
    at: float
    ended: Last
    refused: bool


@dataclass
class Timers:
    """``chosen`` is what the operator asked for, None where it is up to us; ``timer_s`` is what steps arm now."""

    chosen: int | None
    keep_s: int
    pace: Pace
    forks: int | None = None  # that the operator chose
    timer_s: int = USUAL_TIMER_S
    deepest: int = 1
    plan: tuple[Step, ...] = ()
    armed: dict[str, list[Armed]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.timer_s = self.chosen or USUAL_TIMER_S

    @property
    def smallest(self) -> int:
        """The smallest timer that will do for what is planned."""
        return arithmetic.smallest(self.pace, self.plan, self.deepest)

    def limits(self, armed: int | None) -> Limits:
        """Return how long the transport waits in a step that arms so many seconds, or none."""
        if self.pace.trip_s:
            return self.pace.limits(armed or 0)
        return Limits(step_s=self.pace.limits().step_s, forks=self.pace.forks)

    def left(self, node_id: str, now: float) -> float:
        """Return the seconds (``now``: our monotonic clock) until a node that we armed rolls back by itself.

        Infinite for a node that nobody has armed as far as we know.
        """
        last = self.armed.get(node_id, ())[-1:]
        return last[0].sent + last[0].seconds - now if last else math.inf

    @property
    def ours(self) -> bool:
        """Tell whether this run has armed a node."""
        return any(one.by for known in self.armed.values() for one in known)

    def take_over(self, node_id: str, left_s: float, now: float) -> None:
        """Take over the timer that an earlier control process armed; what this run has armed, it knows itself.

        ``left_s``: what the node says is left, in seconds; no timer is believed to be longer than one can be.
        """
        if not any(one.by for one in self.armed.get(node_id, ())):
            self.armed[node_id] = [Armed("", now, min(max(left_s, 0.0), DAY_S))]

    def slice(self, step: Step) -> int | None:
        """Return how many nodes may do a step before the timers of others are looked after; None: all of them."""
        pace = self.pace
        if pace.rounds == 1 or step.fresh or not (step.rearm or "arm" in step.phases):
            return None
        if pace.wall(step) + pace.hold_s <= self.timer_s:
            return None
        room = self.timer_s - 2 * pace.hold_s
        return pace.at_once * max(1, int(room // max(pace.turn(step), 1e-3)))

    def due(self, step: Step, asked: Collection[str], now: float, rounds: int) -> list[str]:
        """Return the nodes (ids) to be armed anew before ``rounds`` rounds of nodes are ``asked`` for a step.

        Who is asked is armed by that; the others must outlast it and the next chance to be armed. Where one could not,
        those that could hardly are armed with it.
        """
        pace = self.pace
        reach = rounds * pace.assumed_s + (rounds - 1) * pace.work(step)
        others = rounds * pace.turn(step) + pace.between_s + pace.reach(phases.HOLD)
        need = {i: reach if i in asked else others for i in self.armed}
        left = {i: self.left(i, now) for i in need}
        if all(left[i] >= need[i] for i in need):
            return []
        return [i for i in need if left[i] < need[i] + pace.hold_s]

    def left_of_run(self, step: Step, part: float) -> float | None:
        """Return about how many seconds the run goes on, where ``part`` (0 to 1) of a step is done; None: unknown."""
        if step not in self.plan or not self.pace.trip_s:
            return None
        behind = self.plan[self.plan.index(step) + 1 :]
        return self.pace.usual(step) * (1 - part) + sum(self.pace.usual(one) for one in behind)

    def seconds(self, step: Step, soak_s: int) -> int:
        """Return the seconds until a node that hears nothing more rolls back by itself."""
        if "accept-both" in step.phases:
            return self.pace.revert_timer_s
        if "await-confirm" in step.phases:
            return self.keep_s
        return self.timer_s + (soak_s if "soak" in step.phases else 0)

    def fit(self, plan: Sequence[Step], nodes: Mapping[str, NodeJson]) -> list[Problem]:
        """Set the timer for these steps, by what was measured; return why there is none, or why the chosen one is none.

        Before anything is changed. ``nodes``: id -> node.json of those that take part.
        """
        peers = {i: [peer["id"] for peer in node["peers"]] for i, node in nodes.items()}
        self.plan, self.deepest = tuple(plan), deepest(witnesses(peers))
        most, every = max(map(len, peers.values()), default=1), sum(map(len, peers.values()))
        self.pace = replace(self.pace, nodes=len(nodes), peers=most, directions=every)
        if self.forks is None and self.pace.rounds > 1:
            latency = self.pace.trip_s + self.pace.work_s / 4
            self.pace = replace(self.pace, forks=arithmetic.forks(*this_machine(), latency))
        if self.smallest > self.pace.longest_timer_s:
            return [self._none()]
        if self.chosen is None:
            self.timer_s = arithmetic.automatic(self.pace, self.plan, self.deepest)
        elif self.chosen < self.smallest:
            text = f"--rollback-timeout {self.chosen} is too short: {self.words()}, so a node's timer would fire early"
            return [
                Problem(
                    code="IPP675", message=text, hint=f"--rollback-timeout {self.smallest} is the smallest that will do"
                )
            ]
        least = self.pace.least_keep_s
        if any("await-confirm" in step.phases for step in plan) and self.keep_s < least:
            text = f"--confirm-timeout {self.keep_s} is too short: {self.words()}, so no confirmation would be in time"
            return [
                Problem(code="IPP675", message=text, hint=f"--confirm-timeout {least} is the smallest that will do")
            ]
        return []

    def told(self) -> Paced:
        """Return the timer and what it comes from, to be told."""
        trip, work = round(self.pace.trip_s, 1), round(self.pace.work_s, 1)
        return Paced(trip_s=trip, work_s=work, timer_s=self.timer_s, smallest_s=self.smallest)

    def words(self) -> str:
        """Return what was measured, in words."""
        rounds = f", and {self.pace.nodes} nodes need {self.pace.rounds} of them a step" if self.pace.rounds > 1 else ""
        return (
            f"a round trip to the slowest node takes {self.pace.trip_s:.1f} s, a look at it "
            f"{self.pace.work_s:.1f} s more{rounds}"
        )

    def _none(self) -> Problem:
        text = (
            f"no timer up to {self.pace.longest_timer_s} s is long enough: {self.words()} (it would have to be "
            f"{self.smallest} s)"
        )
        hint = "find out what makes the nodes, this machine or the way between them slow; or take fewer nodes (--limit)"
        return Problem(code="IPP675", message=text, hint=hint)

    def revise(self, step: Step) -> tuple[bool, Problem | None]:
        """Look again before a step that arms: is the timer still long enough for it and what is left? Never shorter.

        Returns whether it is longer now, and why no timer is long enough any more.
        """
        if step not in self.plan:
            return False, None
        left = self.plan[self.plan.index(step) :]
        needed = arithmetic.smallest(self.pace, left, self.deepest)
        if needed > self.pace.longest_timer_s:
            return False, self._none()
        if self.chosen is None:
            needed = arithmetic.automatic(self.pace, left, self.deepest)
        before, self.timer_s = self.timer_s, max(self.timer_s, needed)
        return self.timer_s > before, None

    def sent(self, requests: Mapping[str, Request], key: str, begin: float) -> None:
        """Remember what each node was armed with."""
        for node_id, request in requests.items():
            self.armed[node_id] = [*self.armed.get(node_id, ())[-1:], Armed(key, begin, request["timer"])]

    def learn(
        self,
        requests: Sequence[str],
        seen: Mapping[str, float],
        results: Mapping[str, Sequence[Result]],
        wall_s: float,
    ) -> None:
        """Learn from a step over ``requests`` (node ids, in order): when each answered, and what it had worked."""
        # a node that says less than nothing would make its trip as long as it likes
        spent = {
            i: [(r["phase"], min(max(r["seconds"], 0.0), DAY_S)) for r in results[i]] for i in seen if results.get(i)
        }
        timings = {i: Timing(seen[i], sum(seconds for _, seconds in own)) for i, own in spent.items()}
        trip = arithmetic.trip(requests, timings, wall_s, self.pace.at_once) if timings else 0.0
        work = max((arithmetic.look_work(own) for own in spent.values()), default=0.0)
        self.pace = self.pace.learned(trip, work)

    def fired(self, node_id: str, name: str, failure: Failure) -> Problem | None:
        """Return a Problem when a node failed because its timer had fired; None when that is not why."""
        if not SYMPTOMS.intersection(failure.codes) or failure.ended.get("by", "timer") != "timer":
            return None
        armed = self.armed.get(node_id, [])
        known = armed[:-1] if failure.refused and len(armed) > 1 else armed[::-1]
        over = [one for one in known if failure.at - one.sent >= one.seconds - EARLY_S]
        if not over and not (failure.ended and known):
            return None
        last = (over or known)[0]
        timer = f"its timer of {last.seconds:.0f} s, which counts from the sending of {last.by}"
        if not last.by:
            timer = f"its timer, of an earlier run and with {last.seconds:.0f} s left when this one began"
        text = (
            f"{name} rolled back during the run: {timer}, fired before {failure.phase} was done, "
            f"{failure.at - last.sent:.0f} s later; {self.words()}"
        )
        hint = "apply again: the timer is set by what is measured then"
        if self.chosen and last.by:
            least = max(self.smallest, math.ceil(last.seconds) + 1)
            hint = f"give --rollback-timeout {least} or more, or none: it is measured then"
        return Problem(code="IPP676", message=text, hint=hint)
