"""The steps as data: which phases share a round trip, and where all nodes must agree to go on.

The phases themselves are in netplan.agent.phase_table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netplan.agent import phase_table

TURN_S = 150  # longest wait on a node for another measurement to end, where no timer runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round trip to the nodes. After it the exit tests of all its phases hold on all nodes, or nothing goes on.

    ``payload``: the node's files travel with it. ``rearm``: the rollback timer starts anew before the first phase.
    ``pairs``: ``canary`` is the first pair and its two nodes, a number that wave of pairs, ``all`` every pair.
    ``fresh``: over a new SSH connection.
    """

    phases: tuple[str, ...]
    payload: bool = False
    rearm: bool = True
    pairs: str = "all"
    fresh: bool = False

    @property
    def key(self) -> str:
        """The name under which a node remembers that it has done this step."""
        return "+".join(self.phases) + ("" if self.pairs == "all" else f"/{self.pairs}")


LOOK = Step(phases=("status", "preflight"), rearm=False)
APPLY: tuple[Step, ...] = (
    Step(phases=("arm", "lower-senders", "stage"), payload=True, rearm=False),
    # a node that proves before its peer has loaded tries again; nothing depends on the order
    Step(phases=("lower-devices", "credentials", "ike-check", "permissive")),
    Step(phases=("encrypt",), pairs="canary"),
    # a rekey before any trap, while nothing is counted yet: the old SA may take a packet with it
    Step(phases=("encrypt", "rekey")),
    Step(phases=("trap", "soak")),
    # measuring changes nothing, so it may begin where a peer is still about to enforce
    Step(phases=("enforce", "probe")),
)
HOLD = Step(phases=("hold",))
PROBE = Step(phases=("probe",))
MEASURE = Step(phases=("probe",), rearm=False)
AWAIT_CONFIRM = Step(phases=("await-confirm",), fresh=True)
PREPARE = Step(phases=("prepare",), fresh=True)
CONFIRM = Step(phases=("confirm",), rearm=False)
FACTS = Step(phases=("facts",), rearm=False)
STATUS = Step(phases=("status",), rearm=False)
ASSESS = Step(phases=("status", "facts"), rearm=False)
COUNTERS = Step(phases=("counters",), rearm=False)
WATCH = Step(phases=("status", "counters"), rearm=False)
LOAD_PSK = Step(phases=("load-psk",), rearm=False)
LOAD_CA = Step(phases=("load-ca",), rearm=False)
NEW_KEY = Step(phases=("new-key",), rearm=False)
INSTALL_CERTIFICATE = Step(phases=("install-certificate",), rearm=False)
RELEASE_LEASE = Step(phases=("release-lease",), rearm=False)
ROLL_BACK = tuple(Step(phases=(phase,), rearm=False) for phase in phase_table.ROLL_BACK)
READ_BACK = Step(phases=("read-back",), rearm=False, fresh=True)
RESTORE: tuple[Step, ...] = (Step(phases=("restore-devices",), rearm=False), Step(phases=("clean-up",), rearm=False))
RAISE: tuple[Step, ...] = (
    Step(phases=("raise-devices",), rearm=False),
    Step(phases=("raise-senders",), rearm=False),
    MEASURE,
)
LOWER_AGAIN: tuple[Step, ...] = (
    Step(phases=("lower-senders-again",), rearm=False),
    Step(phases=("lower-devices-again",), rearm=False),
)
# what a transaction goes through when nothing fails: verb -> its steps
PLANS: dict[str, tuple[Step, ...]] = {
    "apply": (LOOK, *APPLY, PREPARE, CONFIRM),
    "try": (LOOK, *APPLY, AWAIT_CONFIRM, PREPARE, CONFIRM),
    "revert": (*ROLL_BACK, *RESTORE, READ_BACK),
}


def in_order(verb: str) -> tuple[str, ...]:
    """Return the phases of a verb's transaction, in order; none for a verb that makes no transaction."""
    return tuple(dict.fromkeys(phase for step in PLANS.get(verb, ()) for phase in step.phases))


def in_waves(steps: Sequence[Step], waves: int) -> tuple[Step, ...]:
    """Return the steps with the pairs between the first and the last wave (of ``waves``) in steps of their own."""
    between = tuple(Step(phases=("encrypt",), pairs=str(number)) for number in range(1, waves - 1))
    out: list[Step] = []
    for step in steps:
        out += [*between, step] if "encrypt" in step.phases and step.pairs == "all" else [step]
    return tuple(out)
