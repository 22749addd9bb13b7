"""The form of the plan file, written from the model: a field for every value that fits one line."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, BeforeValidator

from netplan.model import PlanFile
from netplan.problems import Problem, ProblemError
from netplan.source import Key, lookup


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of the plan: where it stands, what it may be, what it means."""

    at: Key
    kind: Literal["text", "number", "choice", "list"]
    choices: tuple[str, ...] = ()
    about: str = ""
    optional: bool = False

    @property
    def name(self) -> str:
        """Return its name as messages have it."""
        return ".".join(map(str, self.at))

    def shown(self, file: PlanFile) -> str:
        """Return the value of a plan as the form shows it."""
        value: Any = file
        for step in self.at:
            value = getattr(value, str(step))
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return "" if value is None else str(value)

    def raw(self, data: Any) -> str | None:
        """Return what stands in the file for it, whatever that is; None for nothing."""
        value = lookup(data, self.at)
        if isinstance(value, list):
            return ", ".join(map(str, value))
        return None if value is None else str(value)

    def read(self, text: str) -> str | int | list[str]:
        """Return what was typed as the value to write. Raises ProblemError (IPP205, IPP207)."""
        word = text.strip()
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


def fields() -> tuple[Field, ...]:
    """Return the fields in the model's order; lists of mappings (paths) are left to the editor."""
    return tuple(_fields(PlanFile, ()))


def _fields(model: type[BaseModel], under: Key) -> typing.Iterator[Field]:
    for name, info in model.model_fields.items():
        at = (*under, name)
        kind = _bare(info.annotation)
        if any(isinstance(part, BeforeValidator) for part in info.metadata):  # written as one word, and read back so
            yield Field(at=at, kind="text", about=info.description or "")
            continue
        optional = kind is not info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, at)
        elif get_origin(kind) is Literal:
            yield Field(at=at, kind="choice", choices=tuple(map(str, get_args(kind))), about=info.description or "")
        elif get_origin(kind) is list:
            if get_args(kind) == (str,):
                yield Field(at=at, kind="list", about=info.description or "")
        else:
            number = kind is int
            yield Field(at=at, kind="number" if number else "text", about=info.description or "", optional=optional)


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
