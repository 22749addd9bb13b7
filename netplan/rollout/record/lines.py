"""A line of a journal, checked where it is read: one that no event of ours could have written is passed over.

A disk may damage a journal, and people edit them; one such line must not hide the others, nor the other transactions.
"""

from __future__ import annotations

import functools
import json
from dataclasses import MISSING, fields
from typing import Annotated, Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from netplan.problems import Problem
from netplan.rollout.record import events
from netplan.rollout.record.events import Event

CONFIG = ConfigDict(strict=True, allow_inf_nan=False)
# how the parts of an event are written; numbers that can be reckoned with
AS_JSON: dict[Any, Any] = {
    int: Annotated[int, Field(ge=-(2**53), le=2**53)],
    int | None: Annotated[int, Field(ge=-(2**53), le=2**53)] | None,
    float: Annotated[float, Field(ge=-1e12, le=1e12)],
    tuple[Problem, ...]: list[dict[str, str | int | None]],
    tuple[str, ...]: list[str],
}


def record_of(line: bytes) -> dict[str, Any] | None:
    """Return a line of a journal as data: an event of ours, or one that a later version may have; else None."""
    try:
        record = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(key, ""), str) for key in ("event", "at")):
        return None
    shape = _shapes().get(record.get("event", ""))
    try:
        return record if shape is None or shape.model_validate(record) else None
    except ValidationError:
        return None


@functools.cache
def _shapes() -> dict[str, type[BaseModel]]:
    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event)]
    return {kind.__name__: _shape(kind) for kind in kinds}


def _shape(kind: type[Event]) -> type[BaseModel]:
    hints = get_type_hints(kind, vars(events))
    keys: dict[str, Any] = {
        part.name: (AS_JSON.get(hints[part.name], hints[part.name]), ... if part.default is MISSING else part.default)
        for part in fields(kind)
    }
    made: type[BaseModel] = create_model(kind.__name__, __config__=CONFIG, **keys)
    return made
