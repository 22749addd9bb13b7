"""The form of the plan file, written from the model: a field for every value, several lines for a list of mappings."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from netplan.inputs.edit import Value, flow
from netplan.inputs.yaml_source import Key, lookup, parse
from netplan.model.planfile import PlanFile
from netplan.problems import Problem, ProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of the plan: where it stands, what it may be, what it means.

    ``rows`` is a list of mappings, one a line, such as ``example``; ``mapping`` is a word or a mapping on one line.
    """

    at: Key
    kind: Literal["text", "number", "choice", "list", "rows", "mapping"]
    choices: tuple[str, ...] = ()
    about: str = ""
    optional: bool = False
    example: str = ""

    @property
    def name(self) -> str:
        """Return its name as messages have it."""
        return ".".join(map(str, self.at))

    def shown(self, file: PlanFile) -> str:
        """Return the value of a plan as the form shows it."""
        value: Any = file
        for step in self.at:
            value = getattr(value, str(step))
        if self.kind == "rows":
            return "\n".join(_row(item.model_dump(exclude_none=True)) for item in value or ())
        if isinstance(value, BaseModel) and self.optional:  # what is not, says by itself which word it was written as
            value = value.model_dump()
        if isinstance(value, dict):
            return _row(value)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, bool):
            return str(value).lower()
        return "" if value is None else str(value)

    def raw(self, data: Any) -> str | None:
        """Return what stands in the file for it, whatever that is; None for nothing."""
        value = lookup(data, self.at)
        if self.kind == "rows":
            return "\n".join(_row(item) for item in value) if isinstance(value, list) else ""
        if self.kind == "mapping" and isinstance(value, dict):
            return _row(value)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, bool):
            return str(value).lower()
        return None if value is None else str(value)

    def read(self, text: str) -> Value:
        """Return what was typed as the value to write. Raises ProblemError (IPP202, IPP205, IPP207)."""
        word = text.strip()
        if self.choices == ("false", "true"):
            return word == "true"
        if self.kind == "rows":
            return [self._mapping(row, number) for number, row in enumerate(word.split("\n"), 1) if row.strip()]
        if self.kind == "mapping" and (":" in word or word.startswith("{")):
            return self._mapping(word)
        if not word and self.optional:
            return ""
        if not word and not self.optional:
            raise ProblemError(Problem(code="IPP207", message=f"{self.name} is empty", hint=self.about or None))
        if self.kind == "list":
            return [part.strip() for part in word.split(",") if part.strip()]
        if self.kind == "number":
            digits = word.lstrip("-")
            if digits.isascii() and digits.isdigit():
                if len(digits) > 1 and digits[0] == "0":
                    message = f"'{word}' may mean octal or decimal"
                    raise ProblemError(Problem(code="IPP205", message=message, hint="drop the leading zero"))
                return int(word)
        return word

    def _mapping(self, text: str, number: int = 0) -> dict[str, Value]:
        """Read a mapping written on one line, with or without its braces."""
        inside = text.strip().removeprefix("{").removesuffix("}")
        try:
            found = parse(f"{{{inside}}}".encode(), "").data
        except ProblemError as error:
            if error.problems[0].code in ("IPP203", "IPP205"):
                raise
            found = None
        if not isinstance(found, dict) or None in found.values():
            which = f"line {number} of {self.name}" if number else self.name
            hint = f"such as {self.example or self.about}"
            raise ProblemError(Problem(code="IPP202", message=f"{which} is not written as 'key: value'", hint=hint))
        return found


def _row(item: Any) -> str:
    """Return a mapping as it stands in a line of a form; what is none, as it is."""
    if not isinstance(item, dict):
        return str(item)
    return ", ".join(
        f"{key}: {flow(value) if isinstance(value, (str, int, list, dict)) else value}" for key, value in item.items()
    )


def fields() -> tuple[Field, ...]:
    """Return the fields in the model's order."""
    return tuple(_fields(PlanFile, ()))


def _fields(model: type[BaseModel], under: Key) -> typing.Iterator[Field]:
    for name, info in model.model_fields.items():
        at = (*under, name)
        kind = _bare(info.annotation)
        if any(isinstance(part, BeforeValidator) for part in info.metadata):  # written as one word, and read back so
            yield Field(at=at, kind="mapping", about=info.description or "")
            continue
        optional = kind is not info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if optional:  # its being there says something by itself, so its values are no fields of their own
                yield Field(at=at, kind="mapping", about=info.description or "", optional=True, example=_sample(kind))
            else:
                yield from _fields(kind, at)
        elif get_origin(kind) is Literal:
            yield Field(at=at, kind="choice", choices=tuple(map(str, get_args(kind))), about=info.description or "")
        elif get_origin(kind) is dict:
            yield Field(at=at, kind="mapping", about=info.description or "", optional=True)
        elif kind is bool:
            yield Field(at=at, kind="choice", choices=("false", "true"), about=info.description or "")
        elif get_origin(kind) is list:
            inner = _bare(get_args(kind)[0])
            if inner is str:
                yield Field(
                    at=at, kind="list", about=info.description or "", optional=optional or info.default_factory is list
                )
            elif isinstance(inner, type) and issubclass(inner, BaseModel):
                yield Field(at=at, kind="rows", about=info.description or "", optional=True, example=_sample(inner))
        else:
            number = kind is int
            yield Field(at=at, kind="number" if number else "text", about=info.description or "", optional=optional)


def _sample(model: type[BaseModel]) -> str:
    """Return what a mapping of a model looks like on one line."""
    return ", ".join(f"{key}: {_like(part.annotation)}" for key, part in model.model_fields.items())


def _like(annotation: Any) -> str:
    """Return what a value of a type looks like."""
    kind = _bare(annotation)
    if get_origin(kind) is Literal:
        return str(get_args(kind)[0])
    if get_origin(kind) is list:
        return "[A, B]" if _bare(get_args(kind)[0]) is str else "[]"
    return {int: "1400", bool: "true"}.get(kind, "A")


def _bare(annotation: Any) -> Any:
    """Take ``Annotated`` and ``| None`` off a type."""
    while True:
        origin = get_origin(annotation)
        if origin is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation
