"""Drive the phases over all nodes: nothing goes on before every node has passed, and every failure is taken back."""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from netplan.ipsec import rawkeys
from netplan.ipsec.ca import Authority, open_authority
from netplan.ipsec.psk import Store, open_store, secrets_file
from netplan.problems import ExitCode, Problem, ProblemError, printable
from netplan.rollout import phases
from netplan.rollout.answers import clock_is_ahead, judge, problems_of
from netplan.rollout.nodes.lease import claim
from netplan.rollout.nodes.participants import Members
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import alone, later, shared
from netplan.rollout.outcome import Failed, Options, Outcome
from netplan.rollout.pace import Pace
from netplan.rollout.phases import Step
from netplan.rollout.record.events import (
    Event,
    NodeResult,
    Observer,
    PhaseFinished,
    PhaseStarted,
    RunFinished,
    RunStarted,
)
from netplan.rollout.record.journal import ClusterState, Journal, new_transaction
from netplan.rollout.timers import Timers
from netplan.rollout.transport.ansible import Answer, Transport
from netplan.verify import verdict as measured
from netplan.verify.verdict import Verdict

ROOM = 1 << 16  # bytes of disk kept free for a journal, and for each node in it
ROOM_A_NODE = 1 << 13


class Engine(Members):
    """One controller run over the nodes of one bundle."""

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
        self.observer, self.options = observer, options or Options()
        super().__init__(targets, self.options.batch)
        self.cancelled = cancelled or threading.Event()
        self.transaction = new_transaction()
        self.kind = "apply"  # or "try": what the nodes remember their transaction to be
        self.results: dict[str, dict[str, dict[str, Any]]] = {}  # phase -> node id -> result
        pace = Pace(nodes=len(targets), soak_s=self.options.soak_s)
        self.timers = Timers(self.options.timer_s, self.options.keep_s, pace)
        self._begin, self._seen = 0.0, dict[str, float]()  # of the step at work: its start, and when each node answered
        self.lease: dict[str, Any] | None = None  # who we are to the nodes; none while we only look
        self._clocks: dict[str, float] = {}  # node id -> its monotonic clock minus ours, in seconds, rounded down
        self._journal: Journal | None = None
        self._unwritten: OSError | None = None
        self._held: list[Event] | None = None  # told by `look`, before the run has its transaction
        self.authority: Authority | None = None
        self._keys: Store | None = None
        self.key_phase = 0  # of a rotation of pre-shared keys, see netplan.ipsec.psk

    def status(self, *, texts: bool = False) -> Outcome:
        """Look at every node; changes nothing. ``texts``: their swanctl.conf and guard too."""
        self.begin("status", journal=False)
        try:
            self._look(texts=texts)
        except Failed as failure:
            return self.nothing_changed(failure)
        nodes = self.results["status"]
        return Outcome("seen", ExitCode.OK, nodes=nodes, changes=sum(1 for n in nodes.values() if n["differs"]))

    def verify(self) -> Outcome:
        """Measure every ordered pair on the wire; changes nothing."""
        self.begin("verify", journal=False)
        try:
            self._look()
            self.learn(self.results["status"])
            self.step(phases.MEASURE, patience=phases.TURN_S)
        except Failed as failure:
            code = ExitCode.UNREACHABLE if failure.unreachable else ExitCode.VERIFY_FAILED
            return Outcome("failed", code, failure.problems)
        verdict = self.verdict()
        code = ExitCode.OK if verdict.ok else ExitCode.VERIFY_FAILED
        return Outcome("verified" if verdict.ok else "failed", code, verdict.problems(), verdict)

    def look(self) -> dict[str, dict[str, Any]]:
        """Ask every node for its state before it is known which transaction this run is about. Raises Failed.

        What is told meanwhile is told again, in its place, by :meth:`begin`.
        """
        self._held = []
        self._look()
        return self.results["status"]

    def _look(self, **extra: Any) -> None:
        """Ask for the state; a node that can't be reached but is deferred on all its peers is no failure."""
        try:
            self.step(phases.STATUS, **extra)
        except Failed as failure:
            late = {i for node in self.results.get("status", {}).values() for i in node.get("deferred", ())}
            away = {i for i, target in self.targets.items() if target.name in failure.unreachable}
            if not away or not away <= late or len(failure.problems) > len(away):
                raise
            self.leave_out(away)

    def select(self, least: int = 2) -> None:
        """Leave out what the operator's patterns leave out. Raises Failed when fewer nodes than ``least`` are left."""
        problem = self.keep_only(self.options.limit, self.options.exclude, least)
        if problem:
            raise Failed([problem])

    def begin(self, verb: str, *, journal: bool = True, transaction: str | None = None) -> None:
        """Begin a run, of a transaction that nodes know already or of a new one.

        Raises ProblemError when there is no room for its journal.
        """
        self.transaction = transaction or self.transaction
        if journal:
            self._journal = self.state.journal(self.transaction, ROOM + ROOM_A_NODE * len(self.targets))
        held, self._held = self._held or [], None
        names = {target.id: target.name for target in self.targets.values()}
        self.tell(
            RunStarted(
                verb=verb,
                transaction=self.transaction,
                cluster=self.cluster,
                digest=self.digest,
                nodes=names,
                timer_s=self.options.timer_s,
            )
        )
        for event in held:
            self.tell(event)

    def end(self, outcome: Outcome) -> Outcome:
        """End a run: the last line of its journal."""
        outcome.transaction = self.transaction
        outcome.timer_s = self.timers.timer_s if self.timers.armed else None
        self.tell(RunFinished(outcome=outcome.outcome, exit_code=int(outcome.exit_code)))
        if self._journal:
            self._journal.close()
            self._journal = None
        return outcome

    def tell(self, event: Event) -> None:
        """Tell an event to the journal, then to whoever watches."""
        if self._held is not None:
            self._held.append(event)
            return
        if self._journal:
            try:
                self._journal.write(event.as_json())
            except OSError as error:  # its room was kept free; whatever it is, taking back must still work
                self._unwritten = self._unwritten or error
        self.observer(event)

    def nothing_changed(self, failure: Failed) -> Outcome:
        """Return how a run ended that failed before its first change."""
        code = ExitCode.UNREACHABLE if failure.unreachable else ExitCode.FAILURE
        return Outcome("failed", code, failure.problems, nodes=self.results.get("status", {}))

    def stop_if_cancelled(self) -> None:
        """Stop between two steps when the operator wants it, or when the journal can't be written. Raises Failed."""
        if self.cancelled.is_set():
            raise Failed([Problem(code="IPP660", message="stopped by the operator")])
        if self._unwritten:
            said = f"the journal can't be written: {self._unwritten.strerror}"
            raise Failed([Problem(code="IPP668", message=said)])

    def verdict(self) -> Verdict:
        """Judge what the last probe measured."""
        rows = {i: result["rows"] for i, result in self.results["probe"].items()}
        rising = {i: result.get("xfrm", {}) for i, result in self.results["probe"].items()}
        return measured.judge([self.facts(target) for target in self.targets.values()], rows, rising)

    def claim(self) -> list[Problem]:
        """Begin to hold the nodes: a new epoch, above all that their states (seen before) tell. Raises Failed.

        Returns warnings about whom the nodes were taken over from.
        """
        self.lease, problems = claim(self.state.folder, self.targets, self.results["status"], steal=self.options.steal)
        if self.lease is None:
            raise Failed(problems)
        return problems

    def later(self) -> None:
        """Go on to the next epoch: what another one got in this one is free once it has given way."""
        if self.lease:
            self.lease = {**self.lease, "epoch": self.lease["epoch"] + 1}

    def step(
        self,
        step: Step,
        *,
        only: Sequence[str] | None = None,
        each: Mapping[str, dict[str, Any]] | None = None,
        **extra: Any,
    ) -> dict[str, Answer]:
        """Make one round trip and hold every phase's exit test over all its nodes. Raises Failed.

        ``only``: these nodes. ``each``: node id -> what only its request has; ``extra``: what every request has.
        """
        chosen = self.chosen(step) if only is None else list(only)
        names = tuple(self.targets[i].name for i in chosen)
        armed = self._arm(step)
        for phase in step.phases:
            self.tell(PhaseStarted(phase=phase, nodes=names, timer_s=armed))
        self._begin, self._seen = time.monotonic(), {}
        requests = {i: self._request(step, self.targets[i], {**extra, **(each or {}).get(i, {})}) for i in chosen}
        if armed is not None:
            self.timers.sent(requests, step.key, self._begin)
        limits = self.transport.limits = self.timers.limits(armed)
        answers = self.transport.step(
            requests, self.targets, payload=step.payload, fresh=step.fresh, arrived=self._arrived
        )
        seconds = time.monotonic() - self._begin
        self.timers.learn(chosen, self._seen, {i: answer.results for i, answer in answers.items()}, seconds)
        at = {i: self._begin + seconds for i, seconds in self._seen.items()}
        known = {i: self.targets[i].name for i in answers}
        problems, unreachable = judge(step, answers, known, at, self.timers, limits)
        for phase in step.phases:
            ok = all(self.results.get(phase, {}).get(i, {"ok": not problems})["ok"] for i in chosen)
            self.tell(PhaseFinished(phase=phase, ok=ok, seconds=round(seconds, 2)))
        if problems:
            raise Failed(problems, unreachable)
        for phase in {"stage", "renew"} & set(step.phases):
            self._sign(phase, answers)
        return answers

    def chosen(self, step: Step) -> list[str]:
        """Return the ids of the nodes that take part in a step."""
        if step.pairs != "canary":
            return list(self.targets)  # who has no pair in a wave still hears of it: its timer counts anew
        return list(self.waves[0].nodes)

    def _request(self, step: Step, target: Target, extra: Mapping[str, Any]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "phases": list(step.phases),
            "tx": self.transaction,
            "node": self.facts(target),
            "release": target.digest,
            "files": list(target.files),
            "timer": self._timer(step),
            "rearm": step.rearm,
            "time": time.time(),
            "patience": self.timers.patience_s,
            "soak": self.options.soak_s,
            "kind": self.kind,
            **extra,
        }
        if self.lease:
            request["lease"] = {**self.lease, "seconds": self.timers.pace.lease_s(request["timer"])}
        if step.rearm or "arm" in step.phases:
            request["step"] = step.key
        if target.id in self._clocks:
            request["sent"] = time.monotonic() + self._clocks[target.id]
        if "preflight" in step.phases:
            request["payload_bytes"] = sum(len(entry["path"]) + 4096 for entry in target.files)
            request["script"] = target.revert_script()
        if {"preflight", "reach"} & set(step.phases):
            request["run"] = self.transaction
        if "switch" in step.phases:
            mine = [peer["pair"] for peer in request["node"]["peers"]]
            if step.pairs != "all":
                mine = [p for p in self.waves[0 if step.pairs == "canary" else int(step.pairs)].pairs if p in mine]
            request["pairs"], request["alone"] = mine, alone(request["node"], self.targets)
        request |= {"replaced": sorted(self.replaced)} if self.replaced else {}
        if self.left_out:
            request["deferred"] = later(target.node, self.left_out)
        if self.hold and "mtu" in step.phases:
            request["hold"] = self.hold
        if "probe" in step.phases:
            request["nonce"] = secrets.token_hex(4)
        if {"credentials", "adopt"} & set(step.phases):
            request.update(self.results.get("certificates", {}).get(target.id, {}))
        if target.node.get("auth") == "psk" and {"credentials", "secrets"} & set(step.phases):
            phase = self.key_phase or self.keys.phases.get(target.id, 0)
            peers, planes = shared(target.node)
            request["secrets"] = secrets_file(self.keys, target.id, peers, phase, planes)
        return request

    @property
    def keys(self) -> Store:
        """The cluster's pre-shared keys; made here, once, for pairs that have none."""
        if self._keys is None:
            self._keys = open_store(self.state.folder / "psk.json")
            pairs = {pair for target in self.targets.values() for pair in shared(target.node)[0]}
            if self._keys.ensure(sorted(pairs)):
                self._keys.save()
        return self._keys

    def fit(self, steps: Sequence[Step]) -> list[Problem]:
        """Set the timers for these steps by what was measured, before any change; return why there are none."""
        problems = self.timers.fit(steps, {i: target.node for i, target in self.targets.items()})
        if not problems:
            self.tell(self.timers.told())
        return problems

    def _arm(self, step: Step) -> int | None:
        """Return the seconds that a step arms, None where it arms none. Raises Failed when no timer is long enough."""
        if not (step.rearm or "arm" in step.phases):
            return None
        longer, problem = self.timers.revise(step)
        if problem:
            raise Failed([problem])
        if longer:
            self.tell(self.timers.told())
        return self._timer(step)

    def _timer(self, step: Step) -> int:
        """Seconds until a node that hears nothing more takes itself back."""
        return self.timers.seconds(step, math.ceil(self.options.soak_s))

    def _sign(self, phase: str, answers: Mapping[str, Answer]) -> None:
        """Sign what the nodes asked for; certificates are public and travel in the next request."""
        if any(self.targets[node].node.get("auth") == "raw-keys" for node in answers):
            self._pin(phase, answers)
            return
        signed: dict[str, dict[str, Any]] = {}
        for node_id in answers:
            asked = self.results[phase][node_id].pop("request", None)
            if asked is None:
                continue
            if self.authority is None:
                self.authority = open_authority(self.state.ca, self.cluster)
            try:
                more = self.targets[node_id].node.get("identities", ())
                certificate = self.authority.sign(str(asked), node_id, more)
            except ProblemError as error:
                raise Failed(error.problems) from None
            signed[node_id] = {"certificate": certificate, "authority": self.authority.pem}
        self.results["certificates"] = signed

    def _pin(self, phase: str, answers: Mapping[str, Answer]) -> None:
        """Collect the public halves of raw keys; each node gets those of its peers in the next request."""
        asked = {node: str(self.results[phase][node].pop("request")) for node in answers}
        try:
            known = rawkeys.collect(self.state.folder / "pubkeys.json", asked)
            self.results["certificates"] = {
                node: {"publics": rawkeys.of_peers(known, [peer["id"] for peer in self.targets[node].node["peers"]])}
                for node in answers
            }
        except ProblemError as error:
            raise Failed(error.problems) from None

    def _arrived(self, node_id: str, answer: Answer) -> None:
        self._seen.setdefault(node_id, time.monotonic() - self._begin)
        if answer.clock is not None:
            self._clocks[node_id] = answer.clock - time.monotonic()
        clock_is_ahead(answer, time.time())
        name = self.targets[node_id].name
        for result in answer.results:
            self.results.setdefault(result["phase"], {})[node_id] = result
            self.tell(
                NodeResult(
                    phase=result["phase"],
                    node=name,
                    ok=bool(result["ok"]),
                    changed=bool(result["changed"]),
                    detail=printable(str(result["detail"])),
                    seconds=float(result["seconds"]),
                    problems=tuple(problems_of(name, result)),
                )
            )
