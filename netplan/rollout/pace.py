"""How long a round trip takes, and all that follows from it: timers, patience, deadlines, leases, limits. Pure.

Everything is in seconds. A *trip* is what a round trip takes without the node's own work: Ansible, SSH, Python's start,
and the answer on its way back. *Work* is what a node itself does in the look before the first change (``status`` and
``preflight``), the measure of how fast its commands are. Both are measured at that look, and again at every step.

A node's timer counts from the sending of the step that armed it (decision 12), and it is armed anew when the next step
arrives. In between lie the whole of the one and the way of the other; with more nodes than Ansible has forks both take
several rounds. :func:`longest` is that time at its longest, so a timer above it never fires under a run. With many more
nodes than forks it would be hours: then nodes are held in between (phase ``hold``), and :func:`held` is enough.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from netplan.agent.protocol.limits import AGAIN_AT_ONCE, MOST_AGAIN, PEERS_AT_ONCE
from netplan.rollout import phases
from netplan.rollout.phases import Step

FORKS = 50  # nodes that are talked to at the same time, where nothing else is known
FORK_CPU_S = 0.17  # of this machine for one node's request: five processes
FORK_BYTES = 48 * 2**20  # of memory for one fork and its ssh
LEAST_FORKS, UNMEASURED_FORKS, MOST_FORKS = 10, 25, 50  # a core
LEAST_TIMER_S, USUAL_TIMER_S, LONGEST_TIMER_S = 30, 180, 3600
LONG_TIMER_S = 900  # nodes are rather held in between than left to a longer timer
ROUNDS = 60  # so many rounds of nodes are in an hour, the longest timer; it grows with more of them
SPREAD = 1.5  # the next trips take at most so many times the longest one until now; what takes longer is learned
COMFORT = 1.25  # how far above the longest gap a timer is that nobody has chosen
# The control machine's own time between two steps; for every node; for every ordered pair that was measured
BETWEEN_S, NODE_S, JUDGE_S = 1.0, 3e-3, 1e-4
PATIENCE_S = 45  # so long nodes are asked again for what they lack while nothing gets better
PATIENCES = 8  # and so many times as long in all
AGAIN = 2  # times at least, however slow they are
HEAR_S, LINGER_S, MOST_LINGER_S = 8, 2.0, 45  # a node looks again itself where asking again would take longer
PAUSE_S, MOST_PAUSE_S, GROWTH = 0.05, 10.0, 1.5  # before nodes are asked again: first, last, from one to the next
PROVE_S = 5.0  # what IKE with a peer needs at least, both ends having been asked at once
LEASE_MARGIN_S = 15  # a lease outlives the timer that is armed with it: nobody else comes before the node is back
REVERT_TIMER_S = 120
ASK_S = 4  # a node asks its witness so long before the moment by which it must be decided
APART_S = 10  # between the deadlines of a node and of its witness: one has asked, and answers, before the other
ASKING_S = 6.0  # of that, three pings; the rest is a shell script's, on a node that may be slow
LEAST_S = 16  # the one who decides has so long for hearing the word
AGAIN_S = 25  # to notice that a node is unreachable, and to reach the others for rolling back
KEEP_MARGIN_S = 10  # a yes in the last seconds could not reach every node before its timer
ALIVE_S, CONNECT_S, PROMPT_S, STEP_S = 15, 10, 60, 900  # see Limits; the last for each round of nodes
MOST_ALIVE_S = 60
MOST_CONNECT_S = 120  # keys are exchanged and a process is made for it: 27 s where a trip took 15 s

# Own work of a node in a phase as a share of that of a look, measured on emulated nodes under load (a look had 91
# and 109 s) and rounded up. Phases that wait for something have in here only what they do beside it.
SHARES: dict[str, float] = {
    "status": 0.35,
    "preflight": 0.65,
    "arm": 0.2,
    "lower-senders": 0.15,
    "stage": 0.3,
    "lower-devices": 0.35,
    "credentials": 0.35,
    "ike-check": 0.2,
    "permissive": 0.15,
    "encrypt": 0.25,
    "rekey": 0.1,
    "trap": 0.35,
    "soak": 0.1,
    "enforce": 1.5,
    "probe": 1.8,
    "hold": 0.05,
    "await-confirm": 0.05,
    "prepare": 0.15,
    "confirm": 0.15,
    "accept-both": 0.25,
    "send-clear": 0.15,
    "roll-back": 0.5,
}
OTHER_SHARE = 0.4
WAITS = ("ike-check", "encrypt", "rekey")  # for peers: nodes say what they lack, and are asked again
UNLIKE = (*WAITS, "soak", "probe", "preflight")  # whose seconds tell nothing of how fast a node is: they wait
ENOUGH = 0.3  # shares below say too little about a node
PEER_S = 4.0  # `probe` measures a peer so long, several at the same time


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the transport waits: for a whole step, a connection, signs of life on one, a prompt (all in seconds).

    ``forks``: nodes that it talks to at the same time.
    """

    step_s: int = STEP_S
    connect_s: int = 30  # before anything is measured, being patient costs nothing but time
    alive_s: int = 30
    prompt_s: int = PROMPT_S
    forks: int = FORKS

    @property
    def step_over(self) -> str:
        """Say of a node why it has no answer when Ansible was ended behind ``step_s``."""
        return f"nothing came back within {self.step_s} s, and Ansible was ended"


@dataclass(frozen=True, slots=True)
class Timing:
    """When one node was sent what in a step, and what came of it: ``arrived`` (after the step began) and ``work_s``."""

    arrived: float
    work_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was measured: the longest trip and the longest work of a look, over ``nodes`` nodes of at most ``peers``."""

    trip_s: float = 0.0
    work_s: float = 0.0
    nodes: int = 1
    peers: int = 1
    directions: int = 0  # ordered pairs that are measured; 0: every one that there can be
    soak_s: float = 0.0
    forks: int = FORKS  # of one machine
    workers: int = 0  # machines that share the nodes; 0: this one has them all

    @property
    def at_once(self) -> int:
        """How many nodes are talked to at the same time."""
        return self.forks * max(1, self.workers)

    @property
    def rounds(self) -> int:
        """How many times the forks have to be filled to reach every node."""
        return max(1, math.ceil(self.nodes / self.at_once))

    def spare(self, step: Step) -> float:
        """Return the longest that a step takes more because of a worker that is lost in it.

        It is noticed after so long a silence; then the others, or this machine, ask its nodes again.
        """
        return self.limits().alive_s + self.rounds * self.turn(step) if self.workers else 0.0

    @property
    def assumed_s(self) -> float:
        """The longest trip that is reckoned with."""
        return SPREAD * self.trip_s

    def learned(self, trip_s: float, work_s: float = 0.0) -> Pace:
        """Return what is known after one more step; nothing gets shorter."""
        return replace(self, trip_s=max(self.trip_s, trip_s), work_s=max(self.work_s, work_s))

    def work(self, step: Step) -> float:
        """Return the longest that a node works at a step by itself, fixed waits included, those for peers not."""
        work = sum(SHARES.get(phase, OTHER_SHARE) for phase in step.phases) * self.work_s
        if "soak" in step.phases:
            work += self.soak_s
        if "probe" in step.phases:
            work += PEER_S * math.ceil(self.peers / PEERS_AT_ONCE)
            work += PEER_S * math.ceil(min(self.peers, MOST_AGAIN) / AGAIN_AT_ONCE)
        return work

    @property
    def between_s(self) -> float:
        """The control machine's own time between two steps."""
        return BETWEEN_S + NODE_S * self.nodes

    @property
    def judge_s(self) -> float:
        """The control machine's own time behind a probe."""
        return JUDGE_S * (self.directions or self.nodes**2)

    def turn(self, step: Step) -> float:
        """Return the longest that one node takes for a step, the way there and back included."""
        return self.assumed_s + self.work(step)

    def wall(self, step: Step, patience_s: float = 0.0) -> float:
        """Return the longest from the sending of a step to that of the next one; ``patience_s``: for asking again."""
        judging = self.judge_s if "probe" in step.phases else 0.0
        own = self.rounds * self.turn(step) + self.spare(step)
        return own + _waits(step) * patience_s + self.between_s + judging

    def reach(self, step: Step) -> float:
        """Return the longest until a step has reached its last node."""
        return self.rounds * self.assumed_s + (self.rounds - 1) * self.work(step) + self.spare(step)

    def usual(self, step: Step) -> float:
        """Return what a step takes when nothing is slower than it was, for telling how long a run goes on."""
        return self.rounds * (self.trip_s + self.work(step)) + self.between_s

    @property
    def hold_s(self) -> float:
        """The longest until every node is armed anew, when nothing else is asked of them."""
        return self.reach(phases.HOLD) + self.between_s

    @property
    def longest_timer_s(self) -> int:
        """The longest timer that nodes get; that of an hour is for at most ``ROUNDS`` rounds of nodes."""
        return LONGEST_TIMER_S * max(1, math.ceil(self.rounds / ROUNDS))

    @property
    def linger_s(self) -> float:
        """How long a node looks again by itself for what it lacks of its peers, before it answers.

        Nothing where its peers may not have been asked yet; else at most what asking again would take.
        """
        if self.rounds > 1:
            return 0.0
        return min(MOST_LINGER_S, max(LINGER_S, self.trip_s)) if self.trip_s else HEAR_S

    def pause(self, number: int) -> float:
        """Return the pause before nodes are asked again for the ``number``-th time, counted from 0."""
        longest = max(MOST_PAUSE_S / 4, min(MOST_PAUSE_S, self.trip_s))
        return float(min(longest, max(PAUSE_S, self.trip_s / 4) * GROWTH ** min(number, 30)))

    @property
    def least_patience_s(self) -> int:
        """The shortest wait for peers that a correct run gets along with: they begin at different moments."""
        return math.ceil(PROVE_S + self.trip_s / 2 + self.work_s / 4)

    @property
    def full_patience_s(self) -> int:
        """The wait for peers where the timer leaves room for it."""
        return max(PATIENCE_S, 2 * self.least_patience_s)

    @property
    def apart_s(self) -> int:
        """Between the deadlines of a node and of its witness."""
        return max(APART_S, math.ceil(ASKING_S + self.trip_s))

    @property
    def revert_timer_s(self) -> int:
        """The timer of a node that is being rolled back: until the last of three steps has reached it."""
        first, second, last = phases.ROLL_BACK
        needed = self.wall(first) + self.wall(second) + self.reach(last)
        return min(self.longest_timer_s, max(REVERT_TIMER_S, math.ceil(COMFORT * needed)))

    def lease_s(self, timer_s: int) -> int:
        """Return for how long a node is ours after a request that arms ``timer_s``: longer than its way back."""
        return max(timer_s + max(LEASE_MARGIN_S, math.ceil(self.assumed_s)), math.ceil(2 * self.wall(_ANY)))

    @property
    def again_s(self) -> int:
        """To notice that a node is unreachable, and to reach the others for rolling back."""
        return max(AGAIN_S, math.ceil(self.limits().alive_s + self.reach(phases.ROLL_BACK[0])))

    @property
    def keep_margin_s(self) -> int:
        """How long before the nodes' timers a yes has to come: the next step must arm every node before."""
        return max(KEEP_MARGIN_S, math.ceil(self.between_s + self.reach(phases.PREPARE)))

    @property
    def least_keep_s(self) -> int:
        """The shortest wait for a yes that leaves somebody time to say it, ``KEEP_MARGIN_S``."""
        return math.ceil(self.wall(phases.AWAIT_CONFIRM)) + self.keep_margin_s + KEEP_MARGIN_S

    def limits(self, timer_s: int = 0) -> Limits:
        """Return how long the transport waits. A node that hangs is ended by its own timer, where one is armed.

        A node that is cut off should be noticed soon, but not one that is only slow.
        """
        slow = min(MOST_ALIVE_S, math.ceil(self.assumed_s))
        anew = min(MOST_CONNECT_S, 2 * math.ceil(self.assumed_s))  # trips are over connections that are there
        step = max(STEP_S * self.rounds, timer_s + MOST_ALIVE_S + math.ceil(self.rounds * self.assumed_s))
        return Limits(step_s=step, connect_s=max(CONNECT_S, anew), alive_s=max(ALIVE_S, slow), forks=self.forks)


_ANY = Step(phases=("any",))


def _waits(step: Step) -> int:
    return sum(phase in WAITS for phase in step.phases)


def _arms(step: Step) -> bool:
    """Tell whether every node's timer counts anew with a step. Of the first pair's, only that pair's do."""
    return (step.rearm or "arm" in step.phases) and step.pairs != "canary"


def gaps(pace: Pace, steps: Sequence[Step], patience_s: float) -> dict[str, float]:
    """Return key of each step that arms -> the longest until another step has armed every node anew.

    The last step ends timers, or is followed by nothing that the timer has to wait for. Not in here: ``soak``, which is
    added to the timer of its step, and the wait for a yes, which has a timer of its own.
    """
    found = {}
    for at, step in enumerate(steps[:-1]):
        if not _arms(step) or "await-confirm" in step.phases:
            continue
        after = next((n for n in range(at + 1, len(steps)) if _arms(steps[n]) or n == len(steps) - 1), at)
        gap = sum(pace.wall(one, patience_s) for one in steps[at:after]) + pace.reach(steps[after])
        found[step.key] = gap - (pace.soak_s if "soak" in step.phases else 0.0)
    return found


def longest(pace: Pace, steps: Sequence[Step], patience_s: float, deepest: int = 1) -> float:
    """Return the longest gap of :func:`gaps`, and, of ``prepare``, what its deadlines need besides.

    ``deepest``: the most hops from a node to the one that decides, see :mod:`netplan.rollout.nodes.witness`.
    """
    found = gaps(pace, steps, patience_s)
    if "prepare" in found:
        found["prepare"] = max(LEAST_S, found["prepare"]) + ASK_S + pace.apart_s * deepest
    return max(found.values(), default=0.0)


def held(pace: Pace, steps: Sequence[Step], deepest: int = 1) -> float:
    """Return the timer that will do where nodes are held while others have their turn.

    One round of nodes does its longest step, and before and behind it every node can be armed anew. Nobody is held
    between ``prepare`` and the word: that order of deadlines is kept.
    """
    mine = [step for step in steps[:-1] if _arms(step) and not step.fresh]
    judging = pace.judge_s if any("probe" in step.phases for step in mine) else 0.0
    needed = max((pace.turn(step) for step in mine), default=0.0) + judging + 2 * pace.hold_s
    last = tuple(step for step in steps if step.fresh or not _arms(step))
    return max(needed, longest(pace, last, 0.0, deepest))


def smallest(pace: Pace, steps: Sequence[Step], deepest: int = 1) -> int:
    """Return the smallest timer that will do; it may be above :attr:`Pace.longest_timer_s`, and then none does."""
    needed = longest(pace, steps, pace.least_patience_s, deepest)
    if pace.rounds > 1:
        needed = min(needed, held(pace, steps, deepest))
    return max(LEAST_TIMER_S, math.ceil(needed))


def automatic(pace: Pace, steps: Sequence[Step], deepest: int = 1) -> int:
    """Return the timer that is taken when nobody has chosen one."""
    wished = COMFORT * longest(pace, steps, pace.full_patience_s, deepest)
    if pace.rounds > 1:
        wished = min(wished, max(LONG_TIMER_S, COMFORT * held(pace, steps, deepest)))
    return min(pace.longest_timer_s, max(USUAL_TIMER_S, math.ceil(wished)))


def forks(cores: int, memory: int, latency_s: float = 0.0) -> int:
    """Return how many nodes to talk to at the same time: so many that this machine is busy while they work.

    ``memory``: bytes that are free. ``latency_s``: what a request takes; 0.0 where nothing is measured.
    """
    busy = math.ceil(cores * latency_s / FORK_CPU_S) if latency_s else UNMEASURED_FORKS * cores
    return max(1, min(max(LEAST_FORKS * cores, busy), MOST_FORKS * cores, memory // FORK_BYTES))


def least_deadline_s(pace: Pace) -> int:
    """Return how long the one who decides has to wait for the word at least."""
    return max(LEAST_S, math.ceil(pace.wall(phases.PREPARE) + pace.reach(phases.CONFIRM)))


def trip(sent: Sequence[str], seen: Mapping[str, Timing], wall_s: float, forks: int = FORKS) -> float:
    """Return the longest trip of a step that began with ``sent`` (node ids, in order) and took ``wall_s`` in all.

    A node behind the first ``forks`` is sent its request when another one has answered, in order.
    """
    ends = sorted(timing.arrived for timing in seen.values())
    trips = [0.0]
    for number, node in enumerate(sent):
        if node in seen:
            begin = ends[number - forks] if forks <= number < forks + len(ends) else 0.0
            trips.append(seen[node].arrived - begin - seen[node].work_s)
    return max(trips) + (max(0.0, wall_s - ends[-1]) if ends else 0.0)


def look_work(results: Iterable[tuple[str, float]]) -> float:
    """Return the work of a whole look that these phases (name, seconds of a node) of one answer are the share of.

    0.0 where they say too little. A ``preflight`` counts with all that it does and waits for: it is the measure.
    """
    known = [(name, s) for name, s in results if name == "preflight" or name not in UNLIKE]
    share = sum(SHARES.get(name, OTHER_SHARE) for name, _ in known)
    return sum(s for _, s in known) / share if share >= ENOUGH else 0.0
