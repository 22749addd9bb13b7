"""Drafts of a plan file checked at typing speed: the phases of the pipeline over text that is not on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from netplan import inventory as inventories
from netplan import pipeline
from netplan.inventory import Inventory
from netplan.load import LoadedPlan, load
from netplan.model import Node, PlanFile
from netplan.nodes import nodes
from netplan.plan import Plan, make_plan
from netplan.problems import Problem, ProblemError, errors
from netplan.validate import validate, validate_with


class _Text(type(Path())):  # type: ignore[misc]
    """The path of a plan file whose content is a draft instead of what is on disk."""

    raw: bytes = b""

    def read_bytes(self) -> bytes:
        """Return the draft."""
        return self.raw


def _as_path(path: Path, text: str) -> Path:
    made = _Text(path)
    made.raw = text.encode()
    return made


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
        path = _as_path(self.path, text)
        try:
            file = load(path).plan
        except ProblemError:
            return
        try:
            found: Inventory | ProblemError = pipeline.make(path).inventory
        except ProblemError as error:
            # the hosts may be fine and something after them wrong: then take the hosts
            try:
                wanted = Path(file.inventory)
                at = wanted if wanted.is_absolute() else self.path.parent / wanted
                found = inventories.read(at, file.nodes, str(at))
            except ProblemError:
                found = error
        self._inventories[file.inventory, file.nodes] = found

    def check(self, text: str) -> Checked:
        """Check a draft with the inventories read so far; milliseconds, also for 1,000 hosts."""
        problems: list[Problem] = []
        loaded = inventory = None
        try:
            loaded = load(_as_path(self.path, text))
            problems = validate(loaded)
            if errors(problems):
                return Checked(text=text, loaded=loaded, problems=tuple(problems))
            known = self._inventories.get((loaded.plan.inventory, loaded.plan.nodes))
            if known is None:
                return Checked(text=text, loaded=loaded, problems=tuple(problems), waiting=True)
            if isinstance(known, ProblemError):
                raise known
            inventory = known
            problems += validate_with(loaded, inventory)
            if errors(problems):
                return Checked(text=text, loaded=loaded, inventory=inventory, problems=tuple(problems))
            plan = make_plan(loaded.plan, self._hosts(loaded.plan, inventory))
        except ProblemError as error:
            problems += error.problems
            return Checked(text=text, loaded=loaded, inventory=inventory, problems=tuple(problems))
        return Checked(text=text, loaded=loaded, inventory=inventory, plan=plan, problems=tuple(problems))

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
