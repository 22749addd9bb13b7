"""From a plan file to a Plan, on one page. Each phase reports every error it found; the pipeline stops after it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netplan.cni.existing_config import texts
from netplan.host.firewall import plan_problems
from netplan.inputs import inventory as inventories
from netplan.inputs.host_variables import read_hosts
from netplan.inputs.inventory import Inventory
from netplan.inputs.load import LoadedPlan, ShapeError, load
from netplan.inputs.rules import validate, validate_with
from netplan.inputs.rules_hosts import Typing, nodes
from netplan.inputs.yaml_source import Key
from netplan.plan import lives
from netplan.plan.build import make_plan
from netplan.plan.types import Plan
from netplan.problems import Problem, ProblemError, errors, in_order, quoted

# what no rule of a host asks for: with a wrong value here, hosts can be checked all the same
_NOT_OF_HOSTS: frozenset[Key] = frozenset({("name",), ("underlay", "mtu"), ("ipsec", "lifetimes")})


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with what it was made from, and the warnings on the way."""

    loaded: LoadedPlan
    inventory: Inventory
    plan: Plan
    warnings: tuple[Problem, ...]


def make(path: Path) -> Planned:
    """Load, validate and plan. Raises ProblemError with everything that is wrong with the plan file and its hosts."""
    try:
        loaded = load(path)
    except ShapeError as shape:
        raise with_the_rest(shape, read_inventory) from None
    problems = validate(loaded)
    if errors(problems):
        raise with_the_hosts(loaded, problems, read_inventory)
    return planned(loaded, read_inventory(loaded), problems)


def with_the_rest(shape: ShapeError, read: Callable[[LoadedPlan], Inventory]) -> ProblemError:
    """Return what is wrong with a file of the wrong shape, and with the rest of it. ``read`` raises ProblemError."""
    return ProblemError(in_order([*shape.problems, *_in_the_rest(shape, read)]))


def with_the_hosts(loaded: LoadedPlan, known: list[Problem], read: Callable[[LoadedPlan], Inventory]) -> ProblemError:
    """Return what is wrong with a plan file (``known``), and with its hosts. ``read`` raises ProblemError."""
    return ProblemError(in_order([*known, *_in_the_hosts(loaded, known, read)]))


def _in_the_rest(shape: ShapeError, read: Callable[[LoadedPlan], Inventory]) -> list[Problem]:
    """What else is wrong, as far as it doesn't follow from what is missing now: in other sections and in the hosts."""
    if shape.sound is None:
        return []
    sections = {at[0] for at in shape.lost if at}
    starts = sorted((span.line, str(at[0])) for at, span in shape.sound.source.keys.items() if len(at) == 1)
    found = []
    for problem in validate(shape.sound):
        line = problem.location.line or 0
        section = next((name for first, name in reversed(starts) if first <= line), "")
        if section not in sections:
            found.append(problem)
    seen = all(at in _NOT_OF_HOSTS for at in shape.lost)
    return [*found, *_in_the_hosts(shape.sound, found, read)] if seen else found


def _in_the_hosts(loaded: LoadedPlan, known: list[Problem], read: Callable[[LoadedPlan], Inventory]) -> list[Problem]:
    """What is wrong with the hosts of a plan file that is wrong itself; nothing where that can't be told."""
    if any(problem.code == "IPP401" for problem in errors(known)):  # a name, an inventory or a pattern that is none
        return []
    try:
        inventory = read(loaded)
        found = validate_with(loaded, inventory)
        nodes(loaded.plan, inventory)
    except ProblemError as error:
        return list(error.problems)
    except Exception:  # noqa: BLE001  rules of hosts may count on a valid plan; what is wrong with that is said already
        return []
    return found


def planned(
    loaded: LoadedPlan,
    inventory: Inventory,
    problems: list[Problem],
    typing: Typing = read_hosts,
) -> Planned:
    """Plan what is loaded and valid by itself, with its inventory read. ``problems``: the warnings so far.

    Raises ProblemError with those warnings and everything that the failing phase found. ``typing`` types the hosts.
    """
    problems = problems + validate_with(loaded, inventory)
    _stop_on_errors(problems)
    existing = _existing(loaded)
    plan = make_plan(loaded.plan, nodes(loaded.plan, inventory, typing), existing)
    problems += _network(loaded, plan)
    _stop_on_errors(problems)
    return Planned(loaded, inventory, plan, tuple(problems))


def _network(loaded: LoadedPlan, plan: Plan) -> list[Problem]:
    """What the container network, the hosts' firewall or the lives have against the plan, where the plan names it."""
    found: list[tuple[Key, Problem]] = [(("firewall",), problem) for problem in plan_problems(plan)]
    found += [(("ipsec", "lifetimes", "packets"), problem) for problem in lives.problems(plan)]
    if plan.file.overlay_facts is not None or plan.file.cni.options:
        from netplan.cni.render import network_plan  # only for networks that a plan names

        found += [(("cni", "plugin"), problem) for problem in network_plan(plan).problems]
    return [
        loaded.source.problem(p.code, p.message, at, hint=p.hint, warning=p.severity == "warning") for at, p in found
    ]


def _existing(loaded: LoadedPlan) -> dict[str, str]:
    """What the container network's configuration says now; a file that can't be read is shown where it is named."""
    found: dict[str, str] = {}
    for index, path in enumerate(loaded.plan.cni.existing):
        try:
            found |= texts([loaded.path.parent / path])
        except ProblemError as error:
            if error.problems[0].code != "IPP201":
                raise
            message = f"{quoted(path)} {error.problems[0].message}"
            raise ProblemError(loaded.source.problem("IPP201", message, ("cni", "existing", index))) from None
    return found


def _stop_on_errors(problems: list[Problem]) -> None:
    if errors(problems):
        raise ProblemError(in_order(problems))


def read_inventory(loaded: LoadedPlan) -> Inventory:
    """Read the plan's inventory. Problems caused by a value in the plan file are reported at that value."""
    path, shown = inventory_place(loaded)
    with shown_in(loaded):
        return inventories.read(path, loaded.plan.nodes, shown, host_vars=loaded.plan.host_vars.named())


def inventory_place(loaded: LoadedPlan) -> tuple[Path, str]:
    """Return the path of the plan's inventory, and how messages name it: relative to where the plan was named."""
    wanted = Path(loaded.plan.inventory)
    path = wanted if wanted.is_absolute() else loaded.path.parent / wanted
    return path, str(wanted if wanted.is_absolute() else Path(str(loaded.path)).parent / wanted)


@contextlib.contextmanager
def shown_in(loaded: LoadedPlan) -> Iterator[None]:
    """Inside this block, what is wrong with the name of the inventory or the pattern is shown in the plan."""
    try:
        yield
    except ProblemError as error:
        first = error.problems[0]
        at = {"IPP301": ("inventory",), "IPP303": ("nodes",)}.get(first.code)
        if at is None:
            raise
        message = f"{first.message}: {inventory_place(loaded)[1]}" if first.code == "IPP301" else first.message
        raise ProblemError(loaded.source.problem(first.code, message, at, hint=first.hint)) from None
