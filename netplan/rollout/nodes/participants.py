"""Which nodes a run is about, and what it tells each of them: who takes part, at which size, in what order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from netplan.agent.protocol.node_json import Later, NodeJson
from netplan.agent.protocol.reply import Status
from netplan.problems import Problem
from netplan.rollout.nodes.rekeys import chosen
from netplan.rollout.nodes.targets import Target
from netplan.rollout.nodes.view import (
    agreed_hold,
    deferred_by_both,
    deferred_peers,
    fitted,
    has_release,
    order,
    turns,
    unmanaged_pairs,
)
from netplan.rollout.nodes.waves import Wave, matches
from netplan.rollout.outcome import Failed
from netplan.rollout.phases import Step
from netplan.rollout.record.memory import Remembered


@dataclass(frozen=True, slots=True)
class Own:
    """What a node is told of its peers: ``facts`` is its ``node.json`` as the run needs it; the pairs with hosts that
    are managed elsewhere; the peers that are left out."""

    target: Target
    facts: NodeJson
    unmanaged: list[str]
    deferred: list[Later]


class Participants:
    """The nodes of one run: ``targets`` take part, ``left_out`` stay as they are, with all their pairs.

    ``held_mtu``: MTU in bytes that the cluster keeps until it is raised to the planned one; None where none is kept.
    ``replaced``: ids of nodes that are other machines than before. ``known``: those that we have confirmed something
    on, and that have a key because of it. ``from_our_side``: only pairs with hosts that others manage are measured.
    """

    def __init__(self, targets: Sequence[Target], wave_size: int | None) -> None:
        self.targets = {target.id: target for target in targets}
        self.left_out: dict[str, Target] = {}
        self._held_mtu: int | None = None
        self.replaced: set[str] = set()
        self.known: frozenset[str] = frozenset()
        self.from_our_side = False
        self._managed = frozenset(self.targets)
        self._wave_size = wave_size
        self._waves: tuple[Wave, ...] | None = None
        self._rekeys: dict[str, list[str]] | None = None
        self._own: dict[str, Own] = {}
        self._turns: list[dict[str, list[str]]] = []  # of each wave: node id -> its pairs

    @property
    def held_mtu(self) -> int | None:
        """The MTU in bytes that the cluster keeps for now."""
        return self._held_mtu

    @held_mtu.setter
    def held_mtu(self, size: int | None) -> None:
        self._held_mtu = size
        self._own.clear()

    def leave_out(self, nodes: Collection[str]) -> None:
        """Do without these nodes (ids) in this run: their pairs stay as they are."""
        for node_id in [i for i in self.targets if i in nodes]:
            self.left_out[node_id] = self.targets.pop(node_id)
        self._waves, self._rekeys = None, None
        self._own.clear()

    def keep_only(self, limit: str | None, exclude: str, least: int = 2) -> None:
        """Leave out what these patterns leave out. Raises Failed when fewer nodes than ``least`` are left."""
        self.leave_out(
            [
                i
                for i, t in self.targets.items()
                if (limit is not None and not matches(limit, t.name, t.groups)) or matches(exclude, t.name, t.groups)
            ]
        )
        if len(self.targets) < least:
            text = f"{len(self.targets)} of {len(self.targets) + len(self.left_out)} nodes are left"
            raise Failed([Problem(code="IPP672", message=text, hint="see --limit and --exclude")])

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

    def adopt_state(self, found: Mapping[str, Status], memory: Remembered | None) -> None:
        """Take over which nodes are left out and at which MTU they wait, for a transaction that was begun before.

        Both come from our own ``memory`` of it. Where there is none (another control machine began it), they come from
        what nodes (id -> status) say of themselves; no node is believed about another one alone.
        """
        if memory is None:
            self.leave_out(deferred_by_both(self.targets, found))
            self.held_mtu = agreed_hold([target.node for target in self.targets.values()], found)
            return
        late = memory.left_out & self.targets.keys()
        self.leave_out({i for i in late if i not in found or not has_release(self.targets[i], found[i])})
        self.held_mtu = memory.held_mtu

    def facts(self, target: Target) -> NodeJson:
        """Return ``node.json`` as this run needs it; the same object until something of that changes."""
        return self.own(target).facts

    def own(self, target: Target) -> Own:
        """Return what a node is told of its peers; made once."""
        found = self._own.get(target.id)
        if found is None or found.target is not target:
            facts = fitted(target.node, self.left_out, self.held_mtu)
            late = deferred_peers(target.node, self.left_out) if self.left_out else []
            found = self._own[target.id] = Own(target, facts, unmanaged_pairs(facts, self.targets), late)
        return found

    def measured(self, target: Target) -> NodeJson:
        """Return ``node.json`` with the peers that a measurement of this run is about."""
        facts = self.facts(target)
        if not self.from_our_side:
            return facts
        return {**facts, "peers": [peer for peer in facts["peers"] if peer["id"] not in self._managed]}

    def measure_from_our_side(self) -> None:
        """From now on, measure pairs with unmanaged peers only, and ask no node that has none. Raises Failed."""
        self.from_our_side = True
        self.targets = {i: target for i, target in self.targets.items() if self.measured(target)["peers"]}
        if not self.targets:
            hint = "it measures pairs with hosts that have ipsecplan_managed: false; `verify` without it all others"
            raise Failed([Problem(code="IPP701", message="no node of this run has an unmanaged peer", hint=hint)])

    def chosen(self, step: Step, *, held: bool = False) -> list[str]:
        """Return the ids of the nodes that take part in a step.

        Who has no pair in a wave still hears of it, because its timer counts anew, unless nodes are ``held``.
        """
        if step.pairs == "canary":
            return list(self.waves[0].nodes)
        return list(self.targets if step.pairs == "all" or not held else self.waves[int(step.pairs)].nodes)

    def pairs(self, step: Step, node_id: str) -> list[str] | None:
        """Return the pairs of a node that are encrypted in a step; None: all of them."""
        if step.pairs == "all":
            return None
        _ = self.waves
        return self._turns[0 if step.pairs == "canary" else int(step.pairs)].get(node_id, [])

    def rekeys(self, versions: Callable[[], Mapping[str, str]]) -> dict[str, list[str]]:
        """Return node id -> the pairs that it rekeys for the proof; ``versions`` tells node id -> its strongSwan's."""
        if self._rekeys is None:
            self._rekeys = chosen({i: self.facts(target) for i, target in self.targets.items()}, versions())
        return self._rekeys

    @property
    def planned_mtu(self) -> int:
        """The planned MTU of pods and overlay devices in bytes."""
        return min(target.node["mtu"]["pod"] for target in self.targets.values())

    @property
    def to_raise(self) -> tuple[int, int] | None:
        """The size that is kept and the planned one, in bytes; None where none is kept."""
        return (self.held_mtu, self.planned_mtu) if self.held_mtu else None

    @property
    def waves(self) -> tuple[Wave, ...]:
        """The order in which pairs are encrypted."""
        if self._waves is None:
            fit = {i: replace(target, node=self.facts(target)) for i, target in self.targets.items()}
            self._waves = order(fit, self._wave_size)
            self._turns = turns(fit, self._waves)
        return self._waves
