"""Checks drafts of a plan file at typing speed, with the phases of the pipeline, before they are on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from netplan import pipeline
from netplan.inputs.host_variables import nodes
from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan, load_source
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import parse
from netplan.model.node import Node
from netplan.model.planfile import PlanFile
from netplan.plan.types import Plan
from netplan.problems import Problem, ProblemError, errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a draft amounts to: its plan when it has one, and everything wrong with it.

    ``waiting`` is true when the inventory must be read first (:meth:`Checker.read_inventory`).
    """

    text: str
    loaded: LoadedPlan | None = None
    inventory: Inventory | None = None
    plan: Plan | None = None
    problems: tuple[Problem, ...] = ()
    waiting: bool = False


class Checker:
    """Checks drafts of one plan file at typing speed: the inventory is read once, hosts are typed once.

    The phases are those of :func:`netplan.pipeline.make`, in its order, and stop where it stops.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inventories: dict[tuple[str, str], Inventory | ProblemError] = {}
        self._nodes: tuple[PlanFile, Inventory, tuple[Node, ...]] | None = None

    def forget(self) -> None:
        """Read the inventory anew next time."""
        self._inventories.clear()
        self._nodes = None

    def read_inventory(self, text: str) -> None:
        """Read the inventory that a draft names. Slow: it runs Ansible."""
        try:
            loaded = self._load(text)
        except ProblemError:
            return
        found: Inventory | ProblemError
        try:
            found = pipeline.read_inventory(loaded)
        except ProblemError as error:
            found = error
        self._inventories[loaded.plan.inventory, loaded.plan.nodes] = found

    def check(self, text: str) -> Checked:
        """Check a draft with the inventories read so far; milliseconds, also for 1,000 hosts."""
        problems: list[Problem] = []
        loaded = inventory = None
        try:
            loaded = self._load(text)
            problems = validate(loaded)
            if errors(problems):
                return Checked(text=text, loaded=loaded, problems=tuple(problems))
            known = self._inventories.get((loaded.plan.inventory, loaded.plan.nodes))
            if known is None:
                return Checked(text=text, loaded=loaded, problems=tuple(problems), waiting=True)
            if isinstance(known, ProblemError):
                raise ProblemError([*problems, *known.problems])
            inventory = known
            made = pipeline.planned(loaded, inventory, problems, self._hosts)
        except ProblemError as error:
            return Checked(text=text, loaded=loaded, inventory=inventory, problems=tuple(error.problems))
        return Checked(text=text, loaded=loaded, inventory=inventory, plan=made.plan, problems=made.warnings)

    def _load(self, text: str) -> LoadedPlan:
        return load_source(parse(text.encode(), str(self.path)), self.path)

    def _hosts(self, file: PlanFile, inventory: Inventory) -> tuple[Node, ...]:
        """Type the hosts, or take those of last time when nothing that they depend on has changed."""
        if self._nodes is not None and self._nodes[1] is inventory:
            before, _, known = self._nodes
            if (before.name, before.underlay.family) == (file.name, file.underlay.family):
                if before.underlay.mtu == file.underlay.mtu:
                    return known
                own = {host.name for host in inventory.hosts if host.variables.get("underlay_mtu") is not None}
                made = tuple(n if n.name in own else replace(n, link_mtu=file.underlay.mtu) for n in known)
                self._nodes = (file, inventory, made)
                return made
        made = nodes(file, inventory)
        self._nodes = (file, inventory, made)
        return made
