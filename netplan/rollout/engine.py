"""Drive the phases over all nodes: nothing goes on before every node has passed, and every failure is rolled back."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from netplan.agent.protocol.reply import Probe, ProbeRow, Status
from netplan.problems import ExitCode, Problem, errors
from netplan.rollout import phases
from netplan.rollout.credentials import Credentials
from netplan.rollout.nodes import lease
from netplan.rollout.nodes.participants import Participants
from netplan.rollout.nodes.targets import Target
from netplan.rollout.outcome import Failed, Options, Outcome
from netplan.rollout.pace import Pace, forks
from netplan.rollout.phases import Step
from netplan.rollout.record import seen
from netplan.rollout.record.events import Event, Observer, RunFinished, RunStarted, WorkerLost
from netplan.rollout.record.journal import ClusterState
from netplan.rollout.record.memory import Memory, Remembered
from netplan.rollout.record.recorder import Recorder
from netplan.rollout.run_state import RunState
from netplan.rollout.step_loop import StepLoop
from netplan.rollout.timers import Timers, this_machine
from netplan.rollout.transport.ansible import Transport
from netplan.verify import verdict as measured
from netplan.verify.verdict import Tally, Verdict


class Engine:
    """One controller run over the nodes of one bundle; ``step`` makes a round trip, see netplan.rollout.step_loop."""

    def __init__(
        self,
        cluster: str,
        digest: str,
        targets: Sequence[Target],
        transport: Transport,
        state: ClusterState,
        observer: Observer,
        options: Options | None = None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.cluster, self.digest, self.state, self.transport = cluster, digest, state, transport
        self.options = options or Options()
        self.cancelled = cancelled or threading.Event()
        self.run = RunState()
        self.every_direction = False  # whether a verdict has each of very many directions
        self._measured: dict[str, Tally] = {}
        self._lost: list[Problem] = []  # workers
        self._counted = (0, 0)  # nodes, and the directions that they have to measure
        self.run.seen |= {"probe": self._probed, "status": self._told}
        self.participants = Participants(targets, self.options.batch)
        self.credentials = Credentials(state, cluster, {target.id: target for target in targets})
        self.recorder = Recorder(state, observer)
        self.memory = Memory(state.folder)
        before = self.memory.confirmed
        self.participants.known = before.nodes if before else frozenset()
        at_once = self.options.forks or forks(*this_machine())
        pace = Pace(nodes=len(targets), soak_s=self.options.soak_s, forks=at_once, workers=self.options.workers)
        self.timers = Timers(self.options.timer_s, self.options.keep_s, pace, self.options.forks)
        self.step = StepLoop(transport, self.run, self.participants, self.credentials, self.recorder, self.timers).step

    @property
    def targets(self) -> dict[str, Target]:
        """The nodes that take part, by id."""
        return self.participants.targets

    def begin(self, verb: str, *, journal: bool = True, transaction: str | None = None, kind: str = "apply") -> None:
        """Begin a run, of a transaction that nodes know already or of a new one (``kind``: apply or try).

        Raises ProblemError when there is no room for its journal.
        """
        self.run.transaction, self.run.kind = transaction or self.run.transaction, kind
        first = RunStarted(
            verb=verb,
            transaction=self.run.transaction,
            cluster=self.cluster,
            digest=self.digest,
            nodes={target.id: target.name for target in self.targets.values()},
            timer_s=self.options.timer_s,
        )
        self.recorder.start(self.run.transaction if journal else None, len(self.targets), first)

    def end(self, outcome: Outcome) -> Outcome:
        """End a run: the last line of its journal."""
        outcome.transaction = self.run.transaction
        outcome.problems += self._lost
        outcome.timer_s = self.timers.timer_s if self.timers.ours else None
        if outcome.outcome in ("failed", "declined"):
            outcome.still_open = self.open_until()
        self.emit(RunFinished(outcome=outcome.outcome, exit_code=int(outcome.exit_code)))
        self.recorder.close()
        return outcome

    def abandon(self) -> None:
        """End a run that an exception ended: its journal has an end, too."""
        if self.recorder.begun:
            self.emit(RunFinished(outcome="failed", exit_code=int(ExitCode.FAILURE)))
            self.recorder.close()

    def emit(self, event: Event) -> None:
        """Tell an event to the journal, then to whoever watches."""
        self.recorder.emit(event)

    def nothing_changed(self, failure: Failed) -> Outcome:
        """Return how a run ended that failed before its first change."""
        code = ExitCode.UNREACHABLE if failure.unreachable else ExitCode.FAILURE
        return Outcome("failed", code, failure.problems, nodes=self.run.results.status)

    def open_until(self) -> dict[str, float]:
        """Return the nodes (names) that said they are open, with the seconds until each rolls back by itself.

        Zero where that is over, or begun; a node that did not tell of a timer is not among them.
        """
        now = time.monotonic()
        found = {i: node for i, node in self.run.results.status.items() if i in self.targets}
        left = {i: self.timers.left(i, now) for i, node in found.items() if node["state"]["state"] == "open"}
        return {self.targets[i].name: round(max(0.0, s)) for i, s in left.items() if math.isfinite(s)}

    def told(self, event: Event) -> None:
        """Take what the transport tells: a worker that is lost, so that fewer machines share the nodes."""
        if isinstance(event, WorkerLost):
            self.timers.pace = replace(self.timers.pace, workers=event.left)
            self._lost.append(event.problem)
        self.emit(event)

    def stop_if_cancelled(self) -> None:
        """Stop between two steps when the operator wants it, or when the journal can't be written. Raises Failed."""
        if self.cancelled.is_set():
            raise Failed([Problem(code="IPP660", message="stopped by the operator")])
        if self.recorder.unwritten:
            said = f"the journal can't be written: {self.recorder.unwritten.strerror}"
            raise Failed([Problem(code="IPP668", message=said)])

    def read_state(self, *, texts: bool = False, before: bool = False) -> dict[str, Status]:
        """Ask every node for its state (``texts``: with its files). Raises Failed.

        ``before``: it is not known yet which transaction this run is about; what is told meanwhile is told again, in
        its place, by :meth:`begin`.
        """
        if before:
            self.recorder.keep()
        self.step(phases.STATUS, {"texts": True} if texts else {})
        return self.run.results.status

    def read_begun(self, *, before: bool = False) -> dict[str, Status]:
        """Ask every node for its state, and go on with the nodes of the transaction that they know. Raises Failed.

        A node that can't be reached is no failure where we remember that it was left out of that transaction.
        """
        try:
            self.read_state(before=before)
        except Failed as failure:
            away = {i for i, target in self.targets.items() if target.name in failure.unreachable}
            memory = self._of_status()
            if not away or memory is None or not away <= memory.left_out or len(failure.problems) > len(away):
                raise
        self.participants.adopt_state(self.run.results.status, self._of_status())
        return {i: node for i, node in self.run.results.status.items() if i in self.targets}

    def _of_status(self) -> Remembered | None:
        """Return what we remember of the newest transaction that a node has."""
        return self.memory.of({node["state"]["tx"] for node in self.run.results.status.values()})

    def remember(self) -> None:
        """Remember this transaction before its first change: who takes part, at which size. Raises OSError."""
        held = self.participants.held_mtu
        self.memory.begin(
            Remembered(
                transaction=self.run.transaction,
                nodes=frozenset(self.targets),
                left_out=frozenset(self.participants.left_out),
                mtu=held or self.participants.planned_mtu,
                held=held is not None,
            )
        )

    def confirmed(self, outcome: Outcome) -> None:
        """End a transaction that every node has confirmed. Fills ``outcome``."""
        outcome.outcome = "confirmed"
        outcome.to_raise = self.participants.to_raise
        with contextlib.suppress(OSError):  # the nodes know it, and nothing is to be rolled back any more
            if self.memory.of([self.run.transaction]) is None:  # another control machine began it
                self.remember()
            self.memory.confirm(self.run.transaction)

    def verdict(self) -> Verdict:
        """Judge what the last probe measured, and keep the verdict for those who ask later."""
        probes = self.run.results.probe
        nodes = [self.participants.measured(target) for target in self.targets.values()]
        tallies = (self.measured_by(node["id"]) for node in nodes)
        found = measured.whole(nodes, tallies, list(probes), {i: p["xfrm"] for i, p in probes.items()})
        seen.keep_proof(self.state.folder, found, self.digest, self.run.transaction)
        return found

    def measured_by(self, node_id: str) -> Tally:
        """Return what the last probe of one node came to; of one that did not answer, that nothing was measured."""
        known = self._measured.get(node_id) if node_id in self.run.results.probe else None
        return known or self._judge(node_id, [])

    def _judge(self, node_id: str, rows: Sequence[ProbeRow]) -> Tally:
        if self._counted[0] != len(self.targets):
            self._counted = len(self.targets), measured.directions_of(t.node for t in self.targets.values())
        facts = self.participants.measured(self.targets[node_id])
        return measured.judge_node(facts, rows, every=self.every_direction or self._counted[1] <= measured.KEPT)

    def _told(self, node_id: str, result: Status) -> Status:
        """Take over the timer of a node that an earlier control process left open."""
        left, going = result["transaction"]["left_s"], result["state"]["state"] == "open"
        if going and left is not None:
            back = result["transaction"].get("rolling_back", False)
            self.timers.take_over(node_id, 0.0 if back else left, time.monotonic())
        return result

    def _probed(self, node_id: str, result: Probe) -> Probe:
        """Judge what a node measured as soon as it comes; its rows are not kept."""
        self._measured[node_id] = self._judge(node_id, result["rows"])
        result["rows"] = []  # here, and in the answer that this is a part of
        return result

    def acquire_lease(self) -> list[Problem]:
        """Begin to hold the nodes: on each a new epoch, above what its state (seen before) tells. Raises Failed.

        Returns warnings about whom they were taken over from.
        """
        found = self.run.results.status
        self.run.leases, problems = lease.acquire(self.state.folder, self.targets, found, steal=self.options.steal)
        if errors(problems):
            raise Failed(problems)
        return problems

    def release_lease(self) -> None:
        """Give the lease back where no transaction has ended it; a node that does not hear of it waits for its end."""
        if self.run.leases:
            with contextlib.suppress(Failed):
                self.step(phases.RELEASE_LEASE)

    def fit(self, steps: Sequence[Step]) -> list[Problem]:
        """Set the timers for these steps by what was measured, before any change; return why there are none."""
        problems = self.timers.fit(steps, {i: target.node for i, target in self.targets.items()})
        if not problems:
            self.emit(self.timers.told())
        return problems
