"""One run of one verb for a play: the engine between its gate and the words for people."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from netplan.bundle import reader
from netplan.bundle.reader import Bundle
from netplan.cli import defect, diff, facts, revert, rotate, status, verify
from netplan.cli.ask import older_than_plan, to_change
from netplan.cli.outcome import words
from netplan.files import write_atomic
from netplan.inputs.inventory import facts_file
from netplan.play.gate import Gate
from netplan.play.wanted import Wanted, limit_of
from netplan.problems import ExitCode, Problem, ProblemError, errors
from netplan.refusals import refusals
from netplan.rollout.engine import Engine
from netplan.rollout.nodes import replaced
from netplan.rollout.nodes.host_keys import unchecked
from netplan.rollout.nodes.targets import Target, read_inventory, targets
from netplan.rollout.outcome import Outcome
from netplan.rollout.record.events import Event
from netplan.rollout.record.journal import ClusterState, state_root
from netplan.rollout.transport.ansible import AnsibleTransport
from netplan.rollout.transport.workers import WorkersTransport
from netplan.rollout.verbs import apply, confirm, measure, resume
from netplan.rollout.verbs.revert import revert as roll_back
from netplan.rollout.verbs.rotate import rotate as renew
from netplan.verify.drift import problems as drift_of


@dataclass
class Run:
    """What is told of a run, to the tasks of all hosts. ``question``: what was found before the first change.

    ``lines``: how it ended, in words; ``before`` and ``after``: texts for ``--diff``; ``hosts``: name -> what a task
    of that host alone shows.
    """

    wanted: Wanted
    gate: Gate
    question: Outcome | None = None
    outcome: Outcome | None = None
    asks: str = ""
    said: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    prepared: str = ""
    before: str = ""
    after: str = ""
    file: str = ""
    names: dict[str, str] = field(default_factory=dict)  # node id -> name
    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    transaction: str = ""

    @property
    def code(self) -> ExitCode:
        """How it ended, as an exit code of the command line."""
        if self.outcome is None:
            return ExitCode.FAILURE if self.gate.over else ExitCode.OK
        return ExitCode(self.outcome.exit_code)

    def go(self) -> None:
        """Do it. Nothing is raised: what went wrong is told."""
        try:
            self._go()
        except ProblemError as error:
            self.outcome = self.outcome or Outcome("failed", error.exit_code, list(error.problems))
        except Exception as error:  # noqa: BLE001  a task has to hear of it, too
            problem = defect.problem(error, ["play", self.wanted.verb])
            self.outcome = self.outcome or Outcome("failed", ExitCode.FAILURE, [problem])
        finally:
            self.gate.end()

    def _go(self) -> None:
        wanted = self.wanted
        bundle = reader.read(wanted.kept)
        self.names = {node_id: str(about["name"]) for node_id, about in bundle.nodes.items()}
        self.problems += older_than_plan(wanted.kept)
        limit = limit_of(wanted, self.names)
        if wanted.diff and wanted.verb in ("apply", "try"):
            with self._opened(bundle, None, reading=True) as engine:
                self._compare(bundle, engine)
        with self._opened(bundle, limit, reading=wanted.reading) as engine:
            outcome = self._act(engine)
            self.transaction = outcome.transaction or engine.run.transaction
        self.outcome = outcome

    @contextlib.contextmanager
    def _opened(self, bundle: Bundle, limit: str | None, *, reading: bool) -> Iterator[Engine]:
        wanted = self.wanted
        hosts = read_inventory(bundle, _inventory(bundle, wanted.inventory))
        chosen = [_with_login(target, wanted.login or {}) for target in targets(bundle, hosts)]
        self.problems += [problem for problem in unchecked(chosen, hosts) if problem not in self.problems]
        root = state_root(wanted.state_dir)
        with (
            ClusterState(root, bundle.cluster, wanted.verb, reading=reading) as state,
            WorkersTransport(wanted.workers, {}) if wanted.workers else AnsibleTransport() as transport,
        ):

            def told(event: Event) -> None:
                if not reading:
                    state.note(event)
                self.gate.take(event)

            engine = Engine(
                bundle.cluster,
                bundle.digest,
                chosen,
                transport,
                state,
                told,
                wanted.options(limit),
                self.gate.cancelled,
            )
            step = engine.step

            def gated(*args: Any, **words: Any) -> Any:
                self.gate.enter(args[0].phases)
                return step(*args, **words)

            engine.step, transport.told = gated, engine.told
            try:
                yield engine
            except BaseException:
                engine.abandon()
                raise
            if engine.recorder.unheard is not None:
                engine.run.defects.append(engine.recorder.unheard)
            for error in engine.run.defects:
                self.problems.append(defect.problem(error, ["play", wanted.verb]))

    def _compare(self, bundle: Bundle, engine: Engine) -> None:
        found = measure.status(engine, texts=True)
        if found.problems:
            return  # who can't be asked is said by the run itself
        effects, drift = diff.with_nodes(bundle, found.nodes)
        differences = [line for problem in drift for line in problem.lines()[:1]]
        self.prepared = "\n".join([*(diff.lines(effects) if effects else []), *differences]) + "\n"
        self.gate.forget()

    def _agree(self, outcome: Outcome, doing: str = "") -> bool:
        self.question, verb = outcome, self.wanted.verb
        if verb == "revert":
            self.asks = revert.question(outcome)
        elif verb == "rotate":
            self.asks = rotate.question(outcome, str(self.wanted.what))
        else:
            self.asks = doing or to_change(outcome)
        self._differ(outcome)
        return not self.wanted.check

    def _differ(self, outcome: Outcome) -> None:
        for node_id, node in outcome.nodes.items():
            self.hosts[self.names[node_id]] = {"differs": list(node["differs"])}

    def _act(self, engine: Engine) -> Outcome:
        wanted, verb = self.wanted, self.wanted.verb
        if verb == "status" or (wanted.reading and verb in ("confirm", "resume")):
            return self._status(engine)
        if verb == "verify":
            outcome = measure.measure(engine, "verify", lambda _: None)
            self.said = [*verify.measured(outcome), *verify.words(outcome)]
            return outcome
        if verb == "facts":
            return self._facts(engine)
        if verb == "revert":
            outcome = roll_back(engine, self._agree)
            self.said = [revert.said(outcome)]
            return outcome
        if verb == "rotate":
            rotate.need_auth(engine, str(wanted.what))
            outcome = renew(engine, str(wanted.what), self._agree)
            self.said = [rotate.said(outcome, str(wanted.what))]
            return outcome
        if verb == "confirm":
            outcome = confirm.confirm(engine)
        elif verb == "resume":
            outcome = resume.resume(engine, self._agree, _detached)
        else:
            outcome = apply.apply(engine, self._agree, keep=_detached if verb == "try" else None)
        if not self.hosts:
            self._differ(outcome)
        self.said = [*(outcome.verdict.lines() if outcome.verdict else ()), *words(outcome)]
        return outcome

    def _status(self, engine: Engine) -> Outcome:
        outcome = measure.status(engine)
        new = replaced.check(engine.targets, outcome.nodes, ())
        outcome.problems += new
        for node_id, node in outcome.nodes.items():
            name = self.names[node_id]
            found = drift_of(name, node)
            self.hosts[name] = {
                "differs": list(node["differs"]),
                "lines": [*status.lines(name, node), *(line for p in found for line in p.lines())],
                "drifted": bool(errors(found)),
                "state": node["state"]["state"],
            }
        self.said = [f"{outcome.changes} to change"] if outcome.nodes and not outcome.problems else []
        outcome.exit_code = outcome.exit_code or (ExitCode.DIFFERENCE if new else ExitCode.OK)
        return outcome

    def _facts(self, engine: Engine) -> Outcome:
        found = facts.asked(engine)
        recorded = reader.read(self.wanted.kept).manifest["inventory"]["path"]
        path = facts_file(Path(self.wanted.inventory or recorded))
        self.file, self.after = str(path), facts.text_of(found)
        with refusals(path, "read"):
            self.before = path.read_text(encoding="utf-8") if path.exists() else ""
        if self.before != self.after and not self.wanted.check:
            with refusals(path, "written"):
                write_atomic(path, self.after.encode(), 0o644)
        self.hosts = {name: {"facts": dict(values)} for name, values in found.items()}
        self.said = [*facts.tried(found), f"{path}: plan and render again to use it"]
        return Outcome("seen", ExitCode.OK)


def _detached(outcome: Outcome, seconds: int) -> None:
    """Leave the answer to the playbook ``confirm``, or to the command line."""
    del outcome, seconds


def _inventory(bundle: Bundle, given: str | None) -> Path | None:
    """Return the inventory to read; None for the one that the bundle was made from, whose digest is compared then."""
    recorded = Path(bundle.manifest["inventory"]["path"])
    if given is None or Path(given).resolve() == recorded.resolve():
        return None
    return Path(given)


def _with_login(target: Target, login: dict[str, str | bool | None]) -> Target:
    """Return a node with what the command line of Ansible says for hosts whose inventory doesn't."""
    more = {name: value for name, value in login.items() if value is not None and name not in target.connection}
    return replace(target, connection={**target.connection, **more}) if more else target
