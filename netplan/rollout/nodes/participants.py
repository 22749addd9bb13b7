"""Which nodes a run is about, and what it tells each of them: who takes part, at which size, in what order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from netplan.problems import Problem
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import fitted, order
from netplan.rollout.nodes.waves import Wave, matches


class Members:
    """The nodes of one run: ``targets`` take part, ``left_out`` stay as they are, with all their pairs."""

    def __init__(self, targets: Sequence[Target], batch: int | None) -> None:
        self.targets = {target.id: target for target in targets}
        self.left_out: dict[str, Target] = {}
        self.hold: int | None = None  # MTU in bytes that the cluster keeps until it is raised to the planned one
        self.replaced: set[str] = set()  # ids of nodes that are other machines than before
        self._batch = batch
        self._waves: tuple[Wave, ...] | None = None

    def leave_out(self, nodes: Collection[str]) -> None:
        """Do without these nodes (ids) in this run: their pairs stay as they are."""
        for node_id in [i for i in self.targets if i in nodes]:
            self.left_out[node_id] = self.targets.pop(node_id)
        self._waves = None

    def keep_only(self, limit: str | None, exclude: str, least: int) -> Problem | None:
        """Leave out what these patterns leave out; return what is wrong when fewer nodes than ``least`` are left."""
        self.leave_out(
            [
                i
                for i, t in self.targets.items()
                if (limit is not None and not matches(limit, t.name, t.groups)) or matches(exclude, t.name, t.groups)
            ]
        )
        if len(self.targets) >= least:
            return None
        text = f"{len(self.targets)} of {len(self.targets) + len(self.left_out)} nodes are left"
        return Problem(code="IPP672", message=text, hint="see --limit and --exclude")

    def pairs_left_out(self) -> dict[str, list[str]]:
        """Return name of each node left out -> the pairs of this run's nodes with it, in names."""
        return {
            target.name: [
                f"{other.name}-{target.name}"
                for other in self.targets.values()
                if any(peer["id"] == target.id for peer in other.node["peers"])
            ]
            for target in self.left_out.values()
        }

    def learn(self, found: Mapping[str, Mapping[str, Any]]) -> None:
        """Take over from the nodes (id -> status) which of them are deferred, and at which MTU they wait."""
        self.leave_out({i for node in found.values() for i in node.get("deferred", ())})
        self.hold = min([size for node in found.values() if (size := node.get("to_raise"))], default=None)

    def facts(self, target: Target) -> dict[str, Any]:
        """Return ``node.json`` as this run needs it."""
        return fitted(target.node, self.left_out, self.hold)

    @property
    def planned(self) -> int:
        """The planned MTU of pods and overlay devices in bytes."""
        return min(int(target.node["mtu"]["pod"]) for target in self.targets.values())

    @property
    def waves(self) -> tuple[Wave, ...]:
        """The order in which pairs switch."""
        if self._waves is None:
            fit = {i: replace(target, node=self.facts(target)) for i, target in self.targets.items()}
            self._waves = order(fit, self._batch)
        return self._waves
