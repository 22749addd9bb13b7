"""A node's reply, checked where it arrives: from here on its parts have the shapes of netplan.agent.protocol.

A node is not trusted. What its reply has beside those shapes is dropped; where something lacks or is of another type
there is no reply at all.
"""

from __future__ import annotations

import functools
import json
import operator
import types
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict, is_typeddict

from netplan.agent.protocol import reply as shapes
from netplan.agent.protocol.reply import Result
from netplan.agent.protocol.request import Request

CONFIG = ConfigDict(strict=True, allow_inf_nan=False)
# no number overflows in what is reckoned with it; the kernel's counters have 64 bits
NUMBERS: dict[Any, Any] = {
    int: Annotated[int, Field(ge=-(2**63), lt=2**64)],
    float: Annotated[float, Field(ge=-1e12, le=1e12)],
}
_make: Any = TypedDict  # its names are known at run time only


@dataclass
class Answer:
    """What a node said: one result a phase, or why there is none."""

    results: list[Result] = field(default_factory=list)
    unreachable: str | None = None
    broken: str | None = None
    clock: float | None = None  # the node's monotonic clock in seconds when it answered
    wall: float | None = None  # and its wall clock


def parse(text: str, request: Request) -> Answer:
    """Return the reply of a node to a request, or what the action plugin has to say in its stead."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Answer(broken="its reply is not JSON")
    if isinstance(said, dict) and "results" not in said:
        found = {key: str(said[key]) for key in ("unreachable", "broken") if said.get(key) is not None}
        return Answer(unreachable=found.get("unreachable"), broken=found.get("broken"))
    try:
        envelope: shapes.Answer = _adapter(shapes.Answer).validate_python(said)
        results = [_result(short, raw) for short, raw in zip(envelope["results"], said["results"], strict=True)]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return Answer(broken=f"its reply has another shape: {place}: {first['msg']}")
    asked = request["phases"][: len(results)]
    whole = len(results) == len(request["phases"]) or (results and _may_end(results[-1], request))
    if not whole or [result["phase"] for result in results] != asked:
        return Answer(broken="its reply is about other phases than it was asked for")
    return Answer(results=results, clock=envelope["clock"], wall=envelope["wall"])


def _may_end(last: Result, request: Request) -> bool:
    return not last["ok"] or (last["phase"] == "status" and request.get("stop_when_same", False))


def _result(short: Result, raw: object) -> Result:
    """Return a result with what its phase adds to it; one that failed has no more than every result."""
    shape = shapes.RESULTS.get(short["phase"])
    if not short["ok"] or shape is None:
        return short
    found: Result = _adapter(shape).validate_python(raw)
    return found


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_strict(shape))


@functools.cache
def _strict(shape: Any) -> Any:
    """Return a shape of the protocol as pydantic takes it: below Python 3.12 not from ``typing``, and strict."""
    if is_typeddict(shape):
        keys = {
            name: (Required if name in shape.__required_keys__ else NotRequired)[_strict(hint)]
            for name, hint in get_type_hints(shape).items()
        }
        made = _make(shape.__name__, keys)
        made.__pydantic_config__ = CONFIG
        return made
    parts = tuple(map(_strict, get_args(shape)))
    if get_origin(shape) in (Union, types.UnionType):
        return functools.reduce(operator.or_, parts)
    if get_origin(shape) in (list, dict):
        return get_origin(shape)[parts]
    return NUMBERS.get(shape, shape)
