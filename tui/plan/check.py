"""Checks drafts of a plan file at typing speed, with the phases of the pipeline, before they are on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netplan import pipeline
from netplan.inputs import inventory as inventories
from netplan.inputs.host_variables import HostContext, TypedHosts, read_hosts
from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan, ShapeError, load_source
from netplan.inputs.rules import validate
from netplan.inputs.yaml_source import parse
from netplan.model.planfile import HostVars
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


def _names(loaded: LoadedPlan) -> tuple[str, str, HostVars]:
    """Return what of a plan decides which hosts are read, and how."""
    return loaded.plan.inventory, loaded.plan.nodes, loaded.plan.host_vars


class Checker:
    """Checks drafts of one plan file at typing speed: the inventory is read once, hosts are typed once for a context.

    Rules run with every check. The phases are those of :func:`netplan.pipeline.make`, in its order, and stop where it
    stops.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._inventories: dict[tuple[str, str, HostVars], Inventory | ProblemError] = {}
        self._typed: tuple[HostContext, Inventory, TypedHosts] | None = None

    def forget(self) -> None:
        """Read the inventory anew next time."""
        self._inventories.clear()
        self._typed = None

    def read_inventory(self, text: str) -> None:
        """Read the inventory that a draft names. Slow: it runs Ansible."""
        try:
            loaded = self._load(text)
        except ShapeError as shape:
            if shape.sound is None:
                return
            loaded = shape.sound  # its hosts are checked all the same
        except ProblemError:
            return
        found: Inventory | ProblemError
        try:
            path, shown = pipeline.inventory_place(loaded)
            found = inventories.read(path, loaded.plan.nodes, shown, host_vars=loaded.plan.host_vars.named())
        except ProblemError as error:  # kept as it is: each draft has its own line to show it at
            found = error
        self._inventories[_names(loaded)] = found

    def check(self, text: str) -> Checked:
        """Check a draft with the inventories read so far; milliseconds, also for 1,000 hosts."""
        problems: list[Problem] = []
        loaded = inventory = None
        waiting = False

        def known(plan: LoadedPlan) -> Inventory:
            nonlocal waiting
            found = self._inventories.get(_names(plan))
            if found is None:
                waiting = True
                raise ProblemError([])
            if isinstance(found, ProblemError):
                with pipeline.shown_in(plan):
                    raise ProblemError(found.problems)
            return found

        try:
            try:
                loaded = self._load(text)
            except ShapeError as shape:
                raise pipeline.with_the_rest(shape, known) from None
            problems = validate(loaded)
            if errors(problems):
                raise pipeline.with_the_hosts(loaded, problems, known)
            inventory = known(loaded)
            made = pipeline.planned(loaded, inventory, problems, self._read_hosts)
        except ProblemError as error:
            found = tuple(error.problems) or tuple(problems)
            return Checked(text=text, loaded=loaded, inventory=inventory, problems=found, waiting=waiting)
        return Checked(text=text, loaded=loaded, inventory=inventory, plan=made.plan, problems=made.warnings)

    def _load(self, text: str) -> LoadedPlan:
        return load_source(parse(text.encode(), str(self.path)), self.path)

    def _read_hosts(self, context: HostContext, inventory: Inventory) -> TypedHosts:
        """Type the hosts, or take those of last time when nothing that typing sees has changed."""
        if self._typed is not None:
            known, of, typed = self._typed
            if known == context and of is inventory:
                return typed
        typed = read_hosts(context, inventory)
        self._typed = (context, inventory, typed)
        return typed
