"""Shapes of the protocol as pydantic checks them: strict types, bounded numbers, and no key that the shape has not."""

from __future__ import annotations

import functools
import operator
import types
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter
from typing_extensions import TypedDict, is_typeddict

CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
LONGEST = 4096  # characters of a text
# a text of ours has no control character: it may go into a file of words, or to a terminal
_BOUNDED: dict[Any, Any] = {
    int: Annotated[int, Field(ge=0, lt=2**32)],
    str: Annotated[str, StringConstraints(max_length=LONGEST, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")],
}
_make: Any = TypedDict  # its names are known at run time only


@functools.cache
def adapter(shape: Any) -> TypeAdapter[Any]:
    """Return what checks a value against a TypedDict of the protocol: whole numbers from 0 to 2^32 - 1, short texts."""
    return TypeAdapter(_strict(shape))


@functools.cache
def _strict(shape: Any) -> Any:
    """Return a shape as pydantic takes it: below Python 3.12 not from ``typing``."""
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
    if get_origin(shape) is list:
        return list[parts]  # type: ignore[valid-type]
    return _BOUNDED.get(shape, shape)
