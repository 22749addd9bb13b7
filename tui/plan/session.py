"""The planner's session: one plan file as a draft, checked with every change, and its bundle in memory."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from netplan.problems import Problem, ProblemError, counted, errors, printable

if TYPE_CHECKING:
    from netplan.bundle.manifest import File
    from netplan.inputs.edit import Value
    from netplan.inputs.yaml_source import Key
    from netplan.model.node import Node
    from netplan.plan.types import Plan
    from tui.plan.check import Checked, Checker
    from tui.plan.draft import Draft


def _draft(path: Path) -> Draft:
    from tui.plan.draft import Draft

    return Draft(path)


def _checker(path: Path) -> Checker:
    from tui.plan.check import Checker  # with all of the plan behind it: a calculator without a plan starts without

    return Checker(path)


class Desk:
    """The draft and the result of its check. Draws nothing. Methods raise ProblemError."""

    def __init__(self, path: Path | None, *, readonly: bool = False) -> None:
        self.readonly = readonly
        self.draft = _draft(path) if path is not None else None
        self.checker = _checker(path) if path is not None else None
        self.checked: Checked | None = None
        self.saved: Checked | None = None
        self.typed: Key | None = None  # the field that the last change was typed into
        self._merging: Key | None = None
        self._rendered: dict[
            int, tuple[Plan, dict[str, list[File]]]
        ] = {}  # by host id; the plan keeps its id() its own
        self.recheck()

    @property
    def path(self) -> Path | None:
        """Return the plan file as it was named."""
        return self.draft.path if self.draft else None

    @property
    def dirty(self) -> bool:
        """Tell whether there is something to save."""
        return bool(self.draft and self.draft.dirty)

    @property
    def waiting(self) -> bool:
        """Tell whether the inventory must be read before there are numbers."""
        return bool(self.checked and self.checked.waiting)

    def recheck(self) -> None:
        """Check the draft, and what is on disk."""
        if self.draft is None or self.checker is None:
            return
        self.checked = self.checker.check(self.draft.text)
        if self.saved is None or self.saved.text != self.draft.saved or self.saved.waiting:
            self.saved = self.checked if not self.dirty else self.checker.check(self.draft.saved)

    def read_inventory(self) -> None:
        """Read the inventories that the draft and the file name; slow, call it in a thread."""
        if self.draft is None or self.checker is None:
            return
        for text in dict.fromkeys((self.draft.text, self.draft.saved)):
            if self.checker.check(text).waiting:
                self.checker.read_inventory(text)

    def set(self, at: Key, value: Value, typed: Key | None = None) -> None:
        """Change one value of the draft."""
        from netplan.inputs.edit import set_value

        self.replace(set_value(self._editable().text, at, value), typed)

    def remove(self, at: Key, typed: Key | None = None) -> None:
        """Take one key out of the draft."""
        from netplan.inputs.edit import remove

        self.replace(remove(self._editable().text, at), typed)

    def replace(self, text: str, typed: Key | None = None) -> None:
        """Take a whole new text."""
        self._editable().change(text, merge=typed is not None and typed == self._merging)
        self.typed = self._merging = typed
        self.recheck()

    def undo(self) -> bool:
        """Go one change back."""
        done = self._editable().undo()
        self.typed = self._merging = None
        self.recheck()
        return done

    def redo(self) -> bool:
        """Take an undone change again."""
        done = self._editable().redo()
        self.typed = self._merging = None
        self.recheck()
        return done

    def save(self) -> None:
        """Write the file."""
        self._editable().save()
        self._merging = None
        self.recheck()

    def forget_inventory(self) -> None:
        """Let the inventory be read anew: somebody has written to it."""
        if self.checker is not None:
            self.checker.forget()
            self.saved = None
            self.recheck()

    def reload(self) -> None:
        """Read file and inventory anew; unsaved changes are lost."""
        if self.draft is None or self.checker is None:
            return
        self.draft = _draft(self.draft.path)
        self.checker.forget()
        self.saved = None
        self.recheck()

    def _editable(self) -> Draft:
        if self.draft is None:
            raise ProblemError(Problem(code="IPP201", message="no plan is open", hint="ipsecplan ui PLAN"))
        if self.readonly:
            raise ProblemError(Problem(code="IPP210", message="the planner was started with --readonly"))
        return self.draft

    def files(self, checked: Checked, hosts: Iterable[Node]) -> list[File]:
        """Render the cluster's files and those of some hosts in memory; remembered for the last two plans."""
        if checked.plan is None:
            return []
        from netplan.bundle import build
        from netplan.bundle.node_files import NodeFiles

        key = id(checked.plan)
        if key not in self._rendered:
            while len(self._rendered) > 1:
                del self._rendered[next(iter(self._rendered))]
            self._rendered[key] = (checked.plan, {"": build.cluster_files(checked.plan, NodeFiles(checked.plan))})
        plan, known = self._rendered[key]
        made = list(known[""])
        for host in hosts:
            if host.id not in known:
                known[host.id] = build.node_files(plan, host)
            made += known[host.id]
        return made

    def subject(self) -> tuple[str, ...]:
        """Return the plan and what it comes to, most important first."""
        if self.draft is None or self.checked is None:
            return ("ipsecplan", "no plan open")
        name = printable(self.draft.path.name) + ("*" if self.dirty else "")
        lock = ("readonly",) if self.readonly else ()
        if self.waiting:
            return (name, "reading the inventory", *lock)
        plan = self.checked.plan
        if plan is None:
            return (name, counted(len(errors(self.checked.problems)), "error"), *lock)
        was = self.saved.plan.pod_mtu if self.saved and self.saved.plan else plan.pod_mtu
        moved = f" (was {was})" if was != plan.pod_mtu else ""
        return (name, f"pod MTU {plan.pod_mtu}{moved}", f"{counted(len(plan.nodes), 'node')}", *lock)
