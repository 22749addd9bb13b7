"""The verbs that change nothing: ``status`` looks, ``verify`` measures, in turn with others that do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netplan.agent.protocol.reply import Status
from netplan.problems import ExitCode, Problem, ProblemError, closest, quoted
from netplan.rollout import phases
from netplan.rollout.engine import Engine
from netplan.rollout.outcome import Failed, Outcome
from netplan.rollout.record import seen
from netplan.rollout.record.at_work import WAIT_S, turn

KEPT_NODES = 200  # so many nodes' answers are kept whole


def status(engine: Engine, *, texts: bool = False, told: Callable[[str, Status], None] | None = None) -> Outcome:
    """Look at every node; changes nothing. ``texts``: their swanctl.conf and guard too.

    ``told`` is called with a node's name and its state as soon as that comes, and what a node says of each of its peers
    is not kept then where there are many nodes: of 1,000 it is a gigabyte.
    """
    engine.begin("status", journal=False)
    many = len(engine.targets) > KEPT_NODES

    def come(node_id: str, result: Status) -> Status:
        if told:
            told(engine.targets[node_id].name, result)
            if many:
                result["pairs"], result["drift"], result["differs"] = [], [], result["differs"][:1]
        return result

    engine.run.seen["status"] = come
    try:
        nodes = engine.read_state(texts=texts)
    except Failed as failure:
        _keep(engine)
        return engine.nothing_changed(failure)
    _keep(engine)
    return Outcome("seen", ExitCode.OK, nodes=nodes, changes=sum(1 for n in nodes.values() if n["differs"]))


def look(engine: Engine) -> list[Problem]:
    """Ask every node for its state and its charon, for an assessment; changes nothing.

    What came is in the run's results, whoever did not answer. Returns what went wrong.
    """
    engine.begin("assess", journal=False)
    try:
        engine.step(phases.ASSESS)
    except Failed as failure:
        return failure.problems
    finally:
        _keep(engine)
    return []


def count(engine: Engine) -> list[Problem]:
    """Ask every node what its SAs, devices and kernel count; changes nothing. Returns what went wrong.

    What came is in the run's results, whoever did not answer.
    """
    engine.begin("top", journal=False)
    engine.run.results.pop("counters", None)  # of an earlier look, which a silent node must not answer with
    try:
        engine.step(phases.COUNTERS)
    except Failed as failure:
        return failure.problems
    return []


def close_up(engine: Engine, one: str, other: str) -> Outcome:
    """Look at one pair from near: ask the two nodes (names) alone. Raises ProblemError for a name that is no node's."""
    ends = [target.id for target in engine.targets.values() if target.name in (one, other)]
    if len(ends) != 2:
        known = sorted(target.name for target in engine.targets.values())
        wrong = next((name for name in (one, other) if name not in known), one)
        near = closest(wrong, known)
        hint = f"did you mean {near}?" if near else "a pair has two nodes of the bundle"
        raise ProblemError(
            Problem(code="IPP672", message=f"{quoted(wrong)} and {quoted(other)} are no pair", hint=hint)
        )
    engine.participants.targets = {i: engine.targets[i] for i in ends}
    engine.begin("status", journal=False)
    try:
        engine.step(phases.STATUS, {"close": ends})
    except Failed as failure:
        return engine.nothing_changed(failure)
    return Outcome("seen", ExitCode.OK, nodes=engine.run.results.status)


def _keep(engine: Engine) -> None:
    """Keep what was answered, so that it can be shown with its age."""
    names = {target.id: target.name for target in engine.targets.values()}
    if len(names) > KEPT_NODES:
        return  # their pairs were not kept, and without them the summary would be wrong
    found = {i: node for i, node in engine.run.results.status.items() if i in names}
    seen.keep_look(engine.state.folder, found, names, engine.digest)


def verify(engine: Engine) -> Outcome:
    """Measure every ordered pair on the wire; changes nothing.

    Nodes that the transaction left out are not measured, and that is a failure unless ``Options.exclude`` names them.
    ``Options.from_our_side``: only the pairs with unmanaged peers, which one node of ours is enough for.
    """
    engine.begin("verify", journal=False)
    participants, alone = engine.participants, engine.options.from_our_side
    try:
        participants.keep_only(None, engine.options.exclude, least=1 if alone else 2)
        meant = set(participants.left_out)
        engine.read_begun()
        left_out = participants.pairs_left_out()
        not_meant = [target.name for i, target in participants.left_out.items() if i not in meant]
        if alone:
            participants.measure_from_our_side()
        else:
            _enough(engine, not_meant)
        engine.step(phases.MEASURE, patience=phases.TURN_S)
    except Failed as failure:
        code = ExitCode.UNREACHABLE if failure.unreachable else ExitCode.VERIFY_FAILED
        return Outcome("failed", code, failure.problems, left_out=participants.pairs_left_out())
    verdict = engine.verdict()
    problems = [*verdict.problems(), *map(_not_measured, not_meant)]
    code = ExitCode.VERIFY_FAILED if problems else ExitCode.OK
    return Outcome("failed" if problems else "verified", code, problems, verdict, left_out=left_out)


def _not_measured(name: str) -> Problem:
    hint = f"`ipsecplan apply` completes it once it can be reached; `verify --exclude {name}` leaves it out"
    return Problem(code="IPP705", message=f"{name} was left out of the transaction, and is not measured", hint=hint)


def _enough(engine: Engine, not_meant: Sequence[str]) -> None:
    """Raise Failed where no pair is left to measure."""
    if len(engine.targets) < 2:
        raise Failed([*map(_not_measured, not_meant), Problem(code="IPP701", message="nothing was measured")])


def measure(engine: Engine, verb: str, say: Callable[[str], object], *, wait_s: float = WAIT_S) -> Outcome:
    """Measure every pair in our turn; ``say`` is told for whom we wait. Raises ProblemError after ``wait_s``."""
    if not engine.state.reading:  # we are the writer that others wait for
        return verify(engine)
    with turn(engine.state.folder, verb, say, cancelled=engine.cancelled.is_set, wait_s=wait_s):
        outcome = verify(engine)
    if outcome.exit_code != ExitCode.OK:
        outcome.problems += meanwhile(engine)
    return outcome


def meanwhile(engine: Engine) -> list[Problem]:
    """Return warnings about who changes the nodes that were measured: what failed may be no more than that."""
    hint = "measure again when it has ended; `ipsecplan status` shows how far it is"
    other = engine.state.at_work()
    if other is not None and not other.waits:
        said = f"{other.words()} began while this was measured"
        return [Problem(code="IPP608", message=said, hint=hint, severity="warning")]
    open_there = {
        engine.targets[i].name: node["lease"]
        for i, node in engine.run.results.status.items()
        if i in engine.targets and node["state"]["state"] == "open" and node["lease"]["left_s"]
    }
    return [
        Problem(
            code="IPP671",
            message=f"{name}: a transaction of {lease['who']} is open",
            hint=hint,
            severity="warning",
        )
        for name, lease in open_there.items()
    ]
