"""What one run has come to know: its transaction, its lease, what the nodes answered, how their clocks stand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from netplan.agent.protocol.reply import Counters, Facts, Heard, Preflight, Probe, Requested, Result, Status
from netplan.agent.protocol.request import LeaseRequest
from netplan.problems import DefectError, Problem, ProblemError
from netplan.refusals import refused
from netplan.rollout.outcome import Failed
from netplan.rollout.record.journal import new_transaction


class Results(dict[str, dict[str, Result]]):
    """Phase -> node id -> the newest result. The properties have those that succeeded, with what their phase adds."""

    def _good(self, phase: str) -> dict[str, Any]:
        return {node_id: result for node_id, result in self.get(phase, {}).items() if result["ok"]}

    @property
    def status(self) -> dict[str, Status]:
        """Return what the nodes have."""
        return self._good("status")

    @property
    def counters(self) -> dict[str, Counters]:
        """Return what counts on the nodes."""
        return self._good("counters")

    @property
    def preflight(self) -> dict[str, Preflight]:
        """Return what the nodes heard of each other at first."""
        return self._good("preflight")

    @property
    def reachability(self) -> dict[str, Heard]:
        """Return what the nodes heard when they were asked once more."""
        return self._good("reachability")

    @property
    def facts(self) -> dict[str, Facts]:
        """Return which strongSwan the nodes have."""
        return self._good("facts")

    @property
    def probe(self) -> dict[str, Probe]:
        """Return what the nodes measured."""
        return self._good("probe")

    def requested(self, phase: str) -> dict[str, Requested]:
        """Return what the nodes want signed; ``phase`` is stage or new-key."""
        return self._good(phase)


Seen = Callable[[str, Any], Any]


@dataclass
class RunState:
    """``kind``: what the nodes remember their transaction to be. ``leases``: node id -> its lease; empty while we only
    look.

    ``seen``: phase -> what is called with a node's id and its result as soon as that comes, and returns what of it is
    kept: what every node says of every peer is more than a run can hold.

    ``clocks``: node id -> its monotonic clock minus ours, in seconds, rounded down. ``defects``: exceptions that nobody
    foresaw; the run has dealt with each as with a failure.
    """

    transaction: str = field(default_factory=new_transaction)
    kind: str = "apply"
    leases: dict[str, LeaseRequest] = field(default_factory=dict)
    results: Results = field(default_factory=Results)
    clocks: dict[str, float] = field(default_factory=dict)
    defects: list[Exception] = field(default_factory=list)
    seen: dict[str, Seen] = field(default_factory=dict)

    def take(self, node_id: str, result: Result) -> None:
        """Take a result that has just come."""
        seen = self.seen.get(result["phase"])
        self.results.setdefault(result["phase"], {})[node_id] = (
            seen(node_id, result) if seen and result["ok"] else result
        )

    @contextlib.contextmanager
    def failing(self) -> Iterator[None]:
        """Let everything that is raised inside be a Failed: there may be something to roll back, whatever it is."""
        try:
            yield
        except Failed:
            raise
        except ProblemError as error:
            raise Failed(error.problems) from error
        except OSError as error:
            raise Failed([refused(error)]) from error
        except Exception as error:
            self.defects.append(error)
            text = f"this is a defect of ipsecplan: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
            raise Failed([Problem(code=DefectError.code, message=text)]) from error

    def next_epoch(self) -> None:
        """Go on to the next epoch: what another one got in this one is free once it has given way."""
        self.leases = {i: {**lease, "epoch": lease["epoch"] + 1} for i, lease in self.leases.items()}
