"""What goes wrong in a run: drawn from a seed before it begins, so that a seed says everything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from netplan.agent.phase_table import ROLL_BACK
from netplan.rollout import phases

# kind -> what it is
KINDS = {
    "gone": "the node loses power in a phase, and is off until the run is over",
    "reboots": "the node loses power in a phase, and starts again at once",
    "lost": "the node does what it was asked for, and its answer is lost",
    "late": "its answer takes seconds, or longer than anybody waits",
    "cut off": "nothing gets to the node for a while, and nothing from it",
    "disk full": "nothing can be written any more but what room was set aside for",
    "charon hangs": "charon does not answer for minutes",
    "no proof": "the measurement says that a full packet does not arrive",
    "clock": "the wall clock jumps by hours",
    "killed": "the controller dies with requests under way, and is resumed",
    "lies": "the answer is a valid one that is wrong in one place",
}
IN_APPLY = [p for step in phases.APPLY for p in step.phases]
PHASES = ["status", "preflight", *IN_APPLY, "prepare", "confirm", *ROLL_BACK, "read-back"]


@dataclass
class Fault:
    """``when``: before a phase, behind it, or behind so many changes of its disk within it; ``seconds``: how long."""

    kind: str
    node: str
    phase: str
    when: int
    seconds: float
    done: bool = False

    @property
    def words(self) -> str:
        """Say it in a line."""
        return f"{self.kind} {self.node} in {self.phase} ({self.when}, {self.seconds:.0f} s)"


def drawn(chance: random.Random, nodes: Sequence[str], share: float) -> list[Fault]:
    """Return the faults of a run: of so large a share of the nodes, of one at least; and maybe of the controller."""
    count = max(chance.choice((0, 1, 1, 1, 2)) if len(nodes) > 3 else 1, round(share * len(nodes)))
    kinds = [kind for kind in KINDS if kind != "killed"]
    first = chance.randrange(len(PHASES))  # a run ends at its first fault: with many of them, it may begin anywhere
    found = []
    for node in chance.sample(list(nodes), min(count, len(nodes))):
        kind = chance.choice(kinds)
        phase = "probe" if kind == "no proof" else chance.choice(PHASES[first:])
        found.append(Fault(kind, node, phase, chance.choice((-1, -2, 0, 1, 2, 3, 5, 8)), chance.uniform(1, 90)))
    if chance.random() < 0.25:
        found.append(
            Fault("killed", "", "", chance.randrange(1, 40 * len(nodes)), chance.choice((1, 20, 100, 400, 1500)))
        )
    return found
