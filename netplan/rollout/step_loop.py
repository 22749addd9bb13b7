"""The step loop: a step on all nodes that take part, and the exit test of every phase in it.

Each node is asked once. Who did its part but lacks that of peers says so, and is asked again, alone with its like,
until nothing lacks any more, or nothing gets better for too long. Where that takes long, and with many more nodes than
forks, the timers of the others are armed anew meanwhile (phase ``hold``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from netplan.agent.protocol.reply import Result
from netplan.agent.protocol.request import Request, RequestOptional
from netplan.problems import Problem
from netplan.rollout import phases
from netplan.rollout.answers import clock_is_ahead, judge, lacking, problems_of
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes.participants import Participants
from netplan.rollout.outcome import Failed
from netplan.rollout.pace import AGAIN, PATIENCES, WAITS, Limits
from netplan.rollout.phases import Step
from netplan.rollout.record.events import NodeResult, PhaseFinished, PhaseStarted, Progress
from netplan.rollout.record.recorder import Recorder
from netplan.rollout.request import Common, build, with_lease
from netplan.rollout.run_state import RunState
from netplan.rollout.timers import Timers
from netplan.rollout.transport.ansible import Transport
from netplan.rollout.transport.reply import Answer

TELL_S = 1.0  # between two words about how far a step is


@dataclass
class _Asked:
    """One step at work: what is asked of whom, and what has come of it."""

    step: Step
    extra: RequestOptional
    each: Mapping[str, RequestOptional]
    timers: Mapping[str, int]
    patience: float | None
    nodes: Sequence[str]
    armed: int | None
    answers: dict[str, Answer] = field(default_factory=dict)
    at: dict[str, float] = field(default_factory=dict)  # node id -> when its newest answer came, on our clock
    limits: Limits = field(default_factory=Limits)
    done: int = 0
    told: float = 0.0

    @property
    def waiting(self) -> dict[str, int]:
        """Return node id -> how many peers it lacks something of."""
        found = {i: lacking(answer) for i, answer in self.answers.items()}
        return {i: number for i, number in found.items() if number}

    @property
    def failed(self) -> bool:
        """Tell whether a node has failed, and does not only wait."""
        return any(
            not lacking(a) and (not a.results or not all(r["ok"] for r in a.results)) for a in self.answers.values()
        )


class StepLoop:
    """Carries steps to the nodes, and what comes back into the state of the run."""

    def __init__(
        self,
        transport: Transport,
        run: RunState,
        participants: Participants,
        credentials: Credentials,
        recorder: Recorder,
        timers: Timers,
    ) -> None:
        self.transport, self.run, self.participants = transport, run, participants
        self.credentials, self.recorder, self.timers = credentials, recorder, timers

    def step(
        self,
        step: Step,
        extra: RequestOptional | None = None,
        *,
        only: Sequence[str] | None = None,
        each: Mapping[str, RequestOptional] | None = None,
        timers: Mapping[str, int] | None = None,
        patience: float | None = None,
    ) -> dict[str, Answer]:
        """Do a step and hold every phase's exit test over all its nodes. Raises Failed, and nothing else.

        ``extra``: what every request has besides. ``only``: these nodes. ``each``: node id -> what only its request
        has; ``timers``: node id -> its timer, where it is not that of the step; ``patience``: how long a node looks
        again by itself; in seconds.
        """
        with self.run.failing():
            several = self.timers.pace.rounds > 1  # then a round of all costs more than to hold those who are due
            nodes = self.participants.chosen(step, held=several) if only is None else list(only)
            asked = _Asked(step, extra or {}, each or {}, timers or {}, patience, nodes, self._arm(step))
            return self._step(asked)

    def _step(self, asked: _Asked) -> dict[str, Answer]:
        step, begin = asked.step, time.monotonic()
        names = tuple(self.participants.targets[i].name for i in asked.nodes)
        for phase in step.phases:
            self.recorder.emit(PhaseStarted(phase=phase, nodes=names, timer_s=asked.armed))
        waits = not {*WAITS}.isdisjoint(step.phases)
        self._pass(asked, asked.nodes, more=waits)
        if waits:
            self._ask_again(asked)
        if "probe" in step.phases and step.rearm and self.timers.pace.rounds > 1:
            self._hold(asked, (), extra_s=self.timers.pace.judge_s)
        wall = time.monotonic() - begin
        problems, unreachable = self._judged(asked)
        for phase in step.phases:
            found = self.run.results.get(phase, {})
            ok = all(found[i]["ok"] if i in found else not problems for i in asked.nodes)
            self.recorder.emit(PhaseFinished(phase=phase, ok=ok, seconds=round(wall, 2)))
        if problems:
            raise Failed(problems, unreachable)
        for phase in {"stage", "new-key"} & set(step.phases):
            requested = self.run.results.requested(phase)
            ours = self.participants.known - self.participants.replaced if phase == "stage" else ()
            self.credentials.take({i: requested[i] for i in asked.answers}, ours)
        return asked.answers

    def _ask_again(self, asked: _Asked) -> None:
        """Ask those again that lack something of their peers, and nobody else, until none does or time is over.

        Time is over when nothing has got better for as long as patience lasts. The last time nodes are told so, and
        say what is wrong instead.
        """
        pace = self.timers.pace
        patience, since = pace.full_patience_s, time.monotonic()
        end, number, best = since + PATIENCES * patience, 0, math.inf
        while (waiting := asked.waiting) and not asked.failed:
            now, left = time.monotonic(), sum(waiting.values())
            if left < best:
                best, since = left, now
            pause = pace.pause(number)
            last = number >= AGAIN and (now + pause - since > patience or now + pause > end)
            time.sleep(pause)
            self._pass(asked, list(waiting), more=not last)
            number += 1
            if last:
                return

    def _pass(self, asked: _Asked, nodes: Sequence[str], *, more: bool) -> None:
        """Ask these nodes once for what they have not done yet of a step, so many at a time as timers allow."""
        left = self._left(asked, nodes)
        for part in _slices(nodes, self.timers.slice(left)):
            self._hold(asked, part)
            requests = self._requests(asked, part, more=more)
            self._carry(asked, left, requests)

    def _left(self, asked: _Asked, nodes: Sequence[str]) -> Step:
        """Return what is left of a step for the one of these nodes that has most of it before it."""
        least = min((len(_done(asked.answers.get(i))) for i in nodes), default=0)
        return replace(asked.step, phases=asked.step.phases[least:]) if least else asked.step

    def _requests(self, asked: _Asked, nodes: Sequence[str], *, more: bool) -> dict[str, Request]:
        pace, requests = self.timers.pace, dict[str, Request]()
        seconds = self._seconds(asked.step)
        patience = pace.linger_s if asked.patience is None else asked.patience
        common = Common(asked.step, self.run, self.participants, self.credentials, pace, patience)
        for i in nodes:
            own = build(common, self.participants.targets[i], asked.timers.get(i, seconds))
            whole = cast(Request, {**own, **asked.extra, **asked.each.get(i, {})})
            done = len(_done(asked.answers.get(i)))
            if done:
                whole["phases"] = whole["phases"][done:]
            if more:
                whole["more"] = True
            requests[i] = with_lease(whole, self.run, self.timers)
        return requests

    def _carry(self, asked: _Asked, left: Step, requests: Mapping[str, Request]) -> None:
        """Make one round trip to these nodes."""
        begin, seen = time.monotonic(), dict[str, float]()
        if asked.armed is not None:
            self.timers.sent(requests, asked.step.key, begin)
        asked.limits = self.transport.limits = self.timers.limits(asked.armed)

        def arrived(node_id: str, answer: Answer) -> None:
            seen.setdefault(node_id, time.monotonic() - begin)
            self._arrived(node_id, answer)
            asked.done += not lacking(answer)
            self._tell(asked)

        answers = self.transport.step(
            requests, self.participants.targets, payload=left.payload, fresh=left.fresh, arrived=arrived
        )
        wall = time.monotonic() - begin
        asked.at.update((i, begin + seconds) for i, seconds in seen.items())
        once = [i for i in requests if not answers[i].again]
        if len(once) < len(requests):
            seen = {i: seen[i] for i in once if i in seen}
            wall = max(seen.values(), default=0.0)
        self.timers.learn(once, seen, {i: answer.results for i, answer in answers.items()}, wall)
        for i, answer in answers.items():
            before = _done(asked.answers.get(i))
            asked.answers[i] = replace(answer, results=[*before, *answer.results]) if answer.results else answer

    def _hold(self, asked: _Asked, nodes: Collection[str], *, extra_s: float = 0.0) -> None:
        """Arm the nodes anew whose timers would not outlast what these ``nodes`` are asked next. Raises Failed."""
        step = asked.step
        if asked.armed is None:
            return
        pace = self.timers.pace
        rounds = max(1, math.ceil(len(nodes) / pace.at_once)) if nodes else 0
        due = self.timers.due(step, set(nodes), time.monotonic() + extra_s, rounds)
        due = [i for i in due if i in self.participants.targets]
        if not due:
            return
        hold = _Asked(phases.HOLD, {}, {}, {}, None, due, self._arm(phases.HOLD))
        names = tuple(self.participants.targets[i].name for i in due)
        self.recorder.emit(PhaseStarted(phase="hold", nodes=names, timer_s=hold.armed))
        begin = time.monotonic()
        self._carry(hold, phases.HOLD, self._requests(hold, due, more=False))
        problems, unreachable = self._judged(hold)
        wall = round(time.monotonic() - begin, 2)
        self.recorder.emit(PhaseFinished(phase="hold", ok=not problems, seconds=wall))
        if problems:
            raise Failed(problems, unreachable)

    def _judged(self, asked: _Asked) -> tuple[list[Problem], list[str]]:
        names = {i: self.participants.targets[i].name for i in asked.answers}
        return judge(asked.step, asked.answers, names, asked.at, self.timers, asked.limits)

    def _seconds(self, step: Step) -> int:
        return self.timers.seconds(step, math.ceil(self.timers.pace.soak_s))

    def _arm(self, step: Step) -> int | None:
        """Return the seconds that a step arms, None where it arms none. Raises Failed when no timer is long enough."""
        if not (step.rearm or "arm" in step.phases):
            return None
        longer, problem = self.timers.revise(step)
        if problem:
            raise Failed([problem])
        if longer:
            self.recorder.emit(self.timers.told())
        return self._seconds(step)

    def _tell(self, asked: _Asked) -> None:
        """Tell how far a step is, now and then."""
        now, all_ = time.monotonic(), len(asked.nodes)
        if asked.step == phases.HOLD or (now - asked.told < TELL_S and asked.done < all_):
            return
        asked.told = now
        waiting = asked.waiting
        self.recorder.tell(
            Progress(
                phases=asked.step.phases,
                nodes=all_,
                done=min(asked.done, all_),
                waiting=len(waiting),
                lacking=sum(waiting.values()),
                left_s=self.timers.left_of_run(asked.step, min(1.0, asked.done / max(1, all_))),
            )
        )

    def _arrived(self, node_id: str, answer: Answer) -> None:
        if answer.clock is not None:
            self.run.clocks[node_id] = answer.clock - time.monotonic()
        clock_is_ahead(answer, time.time())
        name = self.participants.targets[node_id].name
        for result in answer.results:
            self.run.take(node_id, result)
            if not result["ok"] and result.get("lacking"):
                continue  # it is asked again, and then says how that ended
            self.recorder.emit(
                NodeResult(
                    phase=result["phase"],
                    node=name,
                    ok=result["ok"],
                    changed=result["changed"],
                    detail=result["detail"],
                    seconds=result["seconds"],
                    problems=tuple(problems_of(name, result)),
                )
            )


def _done(answer: Answer | None) -> Sequence[Result]:
    """Return the results of an answer that only waits which need not be asked for again."""
    return answer.results[:-1] if answer is not None and lacking(answer) else []


def _slices(nodes: Sequence[str], size: int | None) -> Iterator[Sequence[str]]:
    if size is None or size >= len(nodes):
        if nodes:
            yield nodes
        return
    for at in range(0, len(nodes), size):
        yield nodes[at : at + size]
