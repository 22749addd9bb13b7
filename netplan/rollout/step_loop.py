"""The step loop: one round trip to all nodes that take part, and the exit test of every phase in it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import cast

from netplan.agent.protocol.request import Request, RequestOptional
from netplan.rollout.answers import clock_is_ahead, judge, problems_of
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes.participants import Participants
from netplan.rollout.outcome import Failed
from netplan.rollout.phases import Step
from netplan.rollout.record.events import NodeResult, PhaseFinished, PhaseStarted
from netplan.rollout.record.recorder import Recorder
from netplan.rollout.request import build, with_lease
from netplan.rollout.run_state import RunState
from netplan.rollout.timers import Timers
from netplan.rollout.transport.ansible import Transport
from netplan.rollout.transport.reply import Answer


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
        self._begin, self._seen = 0.0, dict[str, float]()  # of the step at work: its start, and when each node answered

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
        """Make one round trip and hold every phase's exit test over all its nodes. Raises Failed, and nothing else.

        ``extra``: what every request has besides. ``only``: these nodes. ``each``: node id -> what only its request
        has; ``timers``: node id -> its timer, where it is not that of the step; ``patience``: for peers; in seconds.
        """
        with self.run.failing():
            return self._step(step, extra, only, each or {}, timers or {}, patience)

    def _step(
        self,
        step: Step,
        extra: RequestOptional | None,
        only: Sequence[str] | None,
        each: Mapping[str, RequestOptional],
        timers: Mapping[str, int],
        patience: float | None,
    ) -> dict[str, Answer]:
        chosen = self.participants.chosen(step) if only is None else list(only)
        armed = self._arm(step)
        names = tuple(self.participants.targets[i].name for i in chosen)
        for phase in step.phases:
            self.recorder.emit(PhaseStarted(phase=phase, nodes=names, timer_s=armed))
        self._begin, self._seen = time.monotonic(), {}
        seconds = self.timers.seconds(step, math.ceil(self.timers.pace.soak_s))
        requests: dict[str, Request] = {}
        for i in chosen:
            timer = timers.get(i, seconds)
            own = build(
                step, self.participants.targets[i], self.run, self.participants, self.credentials, self.timers, timer
            )
            own["patience"] = own["patience"] if patience is None else patience
            whole = cast(Request, {**own, **(extra or {}), **each.get(i, {})})
            requests[i] = with_lease(whole, self.run, self.timers)
        if armed is not None:
            self.timers.sent(requests, step.key, self._begin)
        limits = self.transport.limits = self.timers.limits(armed)
        answers = self.transport.step(
            requests, self.participants.targets, payload=step.payload, fresh=step.fresh, arrived=self._arrived
        )
        wall = time.monotonic() - self._begin
        self.timers.learn(chosen, self._seen, {i: answer.results for i, answer in answers.items()}, wall)
        at = {i: self._begin + seconds for i, seconds in self._seen.items()}
        known = {i: self.participants.targets[i].name for i in answers}
        problems, unreachable = judge(step, answers, known, at, self.timers, limits)
        for phase in step.phases:
            found = self.run.results.get(phase, {})
            ok = all(found[i]["ok"] if i in found else not problems for i in chosen)
            self.recorder.emit(PhaseFinished(phase=phase, ok=ok, seconds=round(wall, 2)))
        if problems:
            raise Failed(problems, unreachable)
        for phase in {"stage", "new-key"} & set(step.phases):
            asked = self.run.results.requested(phase)
            ours = self.participants.known - self.participants.replaced if phase == "stage" else ()
            self.credentials.take({i: asked[i] for i in answers}, ours)
        return answers

    def _arm(self, step: Step) -> int | None:
        """Return the seconds that a step arms, None where it arms none. Raises Failed when no timer is long enough."""
        if not (step.rearm or "arm" in step.phases):
            return None
        longer, problem = self.timers.revise(step)
        if problem:
            raise Failed([problem])
        if longer:
            self.recorder.emit(self.timers.told())
        return self.timers.seconds(step, math.ceil(self.timers.pace.soak_s))

    def _arrived(self, node_id: str, answer: Answer) -> None:
        self._seen.setdefault(node_id, time.monotonic() - self._begin)
        if answer.clock is not None:
            self.run.clocks[node_id] = answer.clock - time.monotonic()
        clock_is_ahead(answer, time.time())
        name = self.participants.targets[node_id].name
        for result in answer.results:
            self.run.take(node_id, result)
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
