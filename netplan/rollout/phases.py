"""The phases as data: what runs on a node, what may share a round trip, and where all nodes must agree to go on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

TITLES: dict[str, str] = {
    "status": "what each node has now",
    "facts": "which strongSwan each node has",
    "preflight": "everything that could go wrong, looked for first",
    "reach": "protocol 50 and UDP 4500 between every two nodes, once more",
    "arm": "dead-man timer on every node",
    "senders": "pods send the smaller size",
    "stage": "files, key and a counting guard; nothing takes effect",
    "mtu": "devices take the smaller size",
    "credentials": "certificates signed, connections loaded",
    "prove": "IKE rehearsed with every peer, no traffic touched",
    "permissive": "clear and encrypted packets both accepted",
    "switch": "pairs encrypt, each end asking for what it sends on",
    "trap": "policies that never let a lost SA mean clear traffic",
    "soak": "no clear packet, no XFRM error",
    "enforce": "clear overlay packets are dropped",
    "probe": "proof on the wire",
    "hold": "proven; kept until somebody says yes, or taken back",
    "prepare": "every node could confirm by itself; over a new connection",
    "confirm": "kept: one node decides, the others follow",
    "secrets": "pre-shared keys loaded; live SAs don't use them",
    "trust": "the CAs that peers may be certified by",
    "renew": "a new key made on the node",
    "adopt": "the new certificate taken; live SAs don't use it",
    "leave": "free for other control machines",
    "relax": "clear and encrypted packets both accepted again",
    "plain": "packets leave in clear before SAs end",
    "back": "SAs ended, files as before",
    "raise": "devices take the old size again",
    "widen": "devices take the release's size",
    "lift": "pods send the release's size",
    "narrow": "pods send the smaller size again",
    "shrink": "devices take the smaller size again",
    "forget": "pods send the old size again, nothing of ours is left",
}


TURN_S = 150  # longest wait on a node for another measurement to end, where no timer runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One round trip to the nodes. After it the exit tests of all its phases hold on all nodes, or nothing goes on.

    ``payload``: the node's files travel with it. ``rearm``: the dead-man timer starts anew before the first phase.
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
    Step(phases=("arm", "senders", "stage"), payload=True, rearm=False),
    # a node that proves before its peer has loaded tries again; nothing depends on the order
    Step(phases=("mtu", "credentials", "prove", "permissive")),
    Step(phases=("switch",), pairs="canary"),
    Step(phases=("switch",)),
    Step(phases=("trap", "soak")),
    # measuring changes nothing, so it may begin where a peer is still about to enforce
    Step(phases=("enforce", "probe")),
)
PROBE = Step(phases=("probe",))
MEASURE = Step(phases=("probe",), rearm=False)
HOLD = Step(phases=("hold",), fresh=True)
PREPARE = Step(phases=("prepare",), fresh=True)
CONFIRM = Step(phases=("confirm",), rearm=False)
FACTS = Step(phases=("facts",), rearm=False)
STATUS = Step(phases=("status",), rearm=False)
SECRETS = Step(phases=("secrets",), rearm=False)
TRUST = Step(phases=("trust",), rearm=False)
RENEW = Step(phases=("renew",), rearm=False)
ADOPT = Step(phases=("adopt",), rearm=False)
LEAVE = Step(phases=("leave",), rearm=False)
UNDO = tuple(Step(phases=(phase,), rearm=False) for phase in ("relax", "plain", "back"))
RAISE: tuple[Step, ...] = (Step(phases=("raise",), rearm=False), Step(phases=("forget",), rearm=False))
LIFT: tuple[Step, ...] = (Step(phases=("widen",), rearm=False), Step(phases=("lift",), rearm=False), MEASURE)
LOWER: tuple[Step, ...] = (Step(phases=("narrow",), rearm=False), Step(phases=("shrink",), rearm=False))


def in_waves(steps: Sequence[Step], waves: int) -> tuple[Step, ...]:
    """Return the steps with the pairs between the first and the last wave (of ``waves``) in steps of their own."""
    between = tuple(Step(phases=("switch",), pairs=str(number)) for number in range(1, waves - 1))
    out: list[Step] = []
    for step in steps:
        out += [*between, step] if step.phases == ("switch",) and step.pairs == "all" else [step]
    return tuple(out)
