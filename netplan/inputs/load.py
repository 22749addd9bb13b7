"""Plan file to typed input: the shape errors of the whole file at once, each with its position."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from netplan.inputs import yaml_source as source
from netplan.inputs.path_kinds import wanted
from netplan.inputs.yaml_source import Key, Source, lookup
from netplan.model.planfile import PlanFile
from netplan.problems import Problem, ProblemError, closest, quoted

_TYPES = {
    "int_type": "a whole number",
    "string_type": "text",
    "list_type": "a list",
    "model_type": "a mapping (key: value lines)",
    "bool_type": "true or false",
    "float_type": "a number",
}

# Words of earlier plan files, with what is written now: too unlike for "did you mean" to find it by itself.
_RENAMED_KEYS = {"mesh": "topology", "planes": "networks", "within": "allow_within"}
_RENAMED_VALUES = {
    ("mode", "route"): "mode: tunnel with xfrm_interface: true",
    ("auth", "pubkey"): "raw-keys",
    ("topology", "pairs"): "full-mesh",
}


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan file that has the right shape, and the positions of everything in it."""

    plan: PlanFile
    source: Source
    path: Path


class ShapeError(ProblemError):
    """A plan file of the wrong shape. ``sound``: the plan without what is wrong, where the rest is a plan; ``lost``:
    the paths of what was taken from it."""

    def __init__(self, problems: list[Problem], sound: LoadedPlan | None, lost: frozenset[Key]) -> None:
        super().__init__(problems)
        self.sound, self.lost = sound, lost


def load(path: Path) -> LoadedPlan:
    """Read and type a plan file. Raises ProblemError with every shape error found."""
    wanted("plan", path)
    return load_source(source.read(path, str(path)), path)


def load_source(found: Source, path: Path) -> LoadedPlan:
    """Type what was parsed, of a file or a draft; ``path`` is where it lies. Raises ProblemError like ``load``.

    Where the text is a mapping, that is a ShapeError.
    """
    if not isinstance(found.data, dict):
        raise ProblemError(found.problem("IPP206", "expected a mapping (key: value lines) at the top"))
    try:
        plan = PlanFile.model_validate(found.data)
    except ValidationError as error:
        wrong = [tuple(item["loc"]) for item in error.errors(include_url=False)]
        raise ShapeError(list(_problems(error, found)), _sound(found, path, wrong), frozenset(wrong)) from None
    return LoadedPlan(plan, found, path)


def _sound(found: Source, path: Path, wrong: Iterable[Key]) -> LoadedPlan | None:
    """Return the plan without the values that are wrong, None where that is no plan: what has no default is missing."""
    data = copy.deepcopy(found.data)
    for at in wrong:
        # a whole list, for one wrong entry: what is left of it would stand elsewhere
        named = list(itertools.takewhile(lambda step: isinstance(step, str), at))
        if not named:
            return None
        inner = lookup(data, tuple(named[:-1]))
        if isinstance(inner, dict):
            inner.pop(named[-1], None)
    try:
        return LoadedPlan(PlanFile.model_validate(data), found, path)
    except ValidationError:
        return None


def _problems(error: ValidationError, found: Source) -> Iterable[Problem]:
    seen = set()
    for item in error.errors(include_url=False):
        at: Key = tuple(item["loc"])
        problem = _problem(item["type"], at, item.get("ctx", {}), found)
        if (problem.location.line, problem.message) not in seen:
            seen.add((problem.location.line, problem.message))
            yield problem


def _problem(kind: str, at: Key, context: dict[str, Any], found: Source) -> Problem:
    name = ".".join(str(step) for step in at)
    value = lookup(found.data, at)
    if kind == "extra_forbidden":
        known = _known_keys(at[:-1])
        renamed = _RENAMED_KEYS.get(str(at[-1]))
        near = renamed if renamed in known else closest(str(at[-1]), known)
        where = f" in {'.'.join(map(str, at[:-1]))}" if len(at) > 1 else ""
        unknown = f"did you mean {near}?" if near else "known keys: " + " ".join(known)
        return found.problem("IPP206", f"unknown key {quoted(at[-1])}{where}", at, on="key", hint=unknown)
    if kind == "missing":
        return found.problem("IPP207", f"the key {quoted(at[-1])} is missing", at[:-1], on="key", hint=_describe(at))
    if kind == "literal_error":
        expected = str(context.get("expected", ""))
        words = [w.strip().strip("'") for w in expected.replace(" or ", ", ").split(",")]
        near = _RENAMED_VALUES.get((str(at[-1]), str(value))) or closest(str(value), words)
        hint = f"did you mean {near}?" if near else None
        return found.problem("IPP208", f"{name} must be {' or '.join(words)}, not {quoted(value)}", at, hint=hint)
    if kind in _TYPES:
        message = f"{name} must be {_TYPES[kind]}, not {_kind_of(value)}"
        numeric = kind == "int_type" and isinstance(value, str) and value.isdigit()
        return found.problem("IPP208", message, at, hint="remove the quotes" if numeric else _describe(at))
    if kind in ("greater_than_equal", "less_than_equal"):
        bound = "at least" if kind == "greater_than_equal" else "at most"
        limit = context.get("ge", context.get("le"))
        return found.problem("IPP209", f"{name} must be {bound} {limit}, not {value}", at, hint=_describe(at))
    if kind in ("too_short", "too_long"):
        count = context.get("actual_length")
        need = context.get("min_length", context.get("max_length"))
        bound = "at least" if kind == "too_short" else "at most"
        return found.problem("IPP209", f"{name} must have {bound} {need} entries, not {count}", at, hint=_describe(at))
    return found.problem("IPP208", f"{name}: {kind.replace('_', ' ')}", at, hint=_describe(at))


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a mapping"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for arg in get_args(annotation) for model in _models(arg)]


def _model_at(at: Key) -> type[BaseModel] | None:
    model: type[BaseModel] = PlanFile
    for step in at:
        if isinstance(step, int):
            continue
        info = model.model_fields.get(step)
        inner = _models(info.annotation) if info else []
        if not inner:
            return None
        model = inner[0]
    return model


def _known_keys(at: Key) -> list[str]:
    model = _model_at(at)
    return sorted(model.model_fields) if model else []


def _describe(at: Key) -> str | None:
    """The field's own description from the model, as a hint."""
    steps = [s for s in at if not isinstance(s, int)]
    if not steps:
        return None
    model = _model_at(tuple(steps[:-1]))
    info = model.model_fields.get(steps[-1]) if model else None
    return f"{steps[-1]}: {info.description}" if info is not None and info.description else None
