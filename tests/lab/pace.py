"""How fast this machine is just now, and every time in the lab's tests as a multiple of that.

A test waits for a state or an event, never for seconds (:func:`until`); what never comes ends at :data:`HANG_S`, which
only a hang reaches. Where a time is what is tested, it is counted in units: one unit is a new SSH connection to a node
that has charon read its configuration, which is what the shortest step of a rollout is made of. It is measured when a
lab comes up and again where a time matters (:meth:`Pace.of`), so that work beside us makes the limits longer, too.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from netplan.lab.cluster import Lab

T = TypeVar("T")
HANG_S = 1800.0  # one command or one wait; a whole apply takes 90 s on two emulated processors that do nothing else
TEST_S = 4 * HANG_S  # one test
# In units. On two quiet processors a unit is half a second and the longest step of three nodes takes ten
TIMER = 90  # of the nodes, where a test waits until it fires; each step begins it anew
LATE = 20  # what follows from something, has followed
TIMER_S = (30, 3600)  # what the command line takes
_SMALLEST = r"{} (\d+) is the smallest that will do"


@dataclass(frozen=True)
class Pace:
    """``unit`` in seconds."""

    unit: float

    @classmethod
    def of(cls, lab: Lab) -> Pace:
        """Measure."""
        return cls(statistics.median(_one(lab) for _ in range(3)))

    @property
    def timer(self) -> int:
        """Return a ``--rollback-timeout`` in seconds that no working step outlasts, and that is soon over."""
        low, high = TIMER_S
        return min(max(math.ceil(TIMER * self.unit), low), high)

    @property
    def late(self) -> float:
        """Return the seconds in which what only has to happen has happened."""
        return LATE * self.unit


def _one(lab: Lab) -> float:
    began = time.monotonic()
    done = lab.ssh.run(lab.config.names[0], ["swanctl", "--load-all", "--noprompt"], keep=False, timeout=HANG_S)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def asked_for(said: str, option: str = "--rollback-timeout") -> int | None:
    """Return the smallest seconds that a refusal names for an option, None when it is no such refusal."""
    found = re.search(_SMALLEST.format(option), said)
    return int(found[1]) if found else None


def until(what: str, holds: Callable[[], T], every: float = 0.2, limit: float = HANG_S) -> T:
    """Ask again and again; return the first answer that is true, fail when none comes in ``limit`` seconds."""
    end = time.monotonic() + limit
    while not (answer := holds()):
        assert time.monotonic() < end, f"never came in {limit:.0f} s: {what}"
        time.sleep(every)
    return answer


def answers(lab: Lab, node: str, address: str, namespace: str = "pod1") -> None:
    """Wait until a node's pod (or the node itself, for "") gets an answer from an address."""
    where = f"ip netns exec {namespace} " if namespace else ""
    once = f"{where}ping -n -q -c 1 -W 2 {address} >/dev/null 2>&1"
    script = f"for i in $(seq 900); do {once} && exit 0; sleep 0.1; done; exit 1"
    done = lab.exec(node, ["sh", "-c", script], timeout=2 * HANG_S)
    assert done.returncode == 0, f"{node} never got an answer from {address}"
