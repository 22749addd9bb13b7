"""Frozen value types that cost nothing to import.

``dataclasses`` pulls in ``inspect``, ``ast`` and ``tokenize``: more CPU than the whole of ``ipsecplan calc``.
Types on that path use :func:`frozen` instead. Type checkers see an ordinary frozen, keyword-only dataclass.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar, dataclass_transform

    T = TypeVar("T")
else:

    def dataclass_transform(**_kwargs):  # noqa: ANN003, ANN201
        return lambda function: function


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Turn an annotated class into an immutable one with slots, keyword-only construction, equality and hash.

    A class attribute is the default of its field. Inheritance between frozen classes and zero-argument
    ``super()`` are not supported, because the class is built anew to get its slots.
    """
    names = tuple(cls.__annotations__)
    space: dict[str, Any] = {k: v for k, v in cls.__dict__.items() if k not in ("__dict__", "__weakref__")}
    defaults = {name: space.pop(name) for name in names if name in space}
    known = frozenset(names)
    put = object.__setattr__

    def init(self: object, **values: Any) -> None:
        for name in names:
            if name in values:
                put(self, name, values[name])
            elif name in defaults:
                put(self, name, defaults[name])
            else:
                raise TypeError(f"{cls.__name__}() needs the argument {name!r}")
        if not known.issuperset(values):
            raise TypeError(f"{cls.__name__}() does not take {sorted(set(values) - known)}")

    def refuse(_self: object, name: str, _value: Any = None) -> None:
        raise AttributeError(f"{cls.__name__}.{name} is frozen")

    def astuple(self: object) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in names)

    def equal(self: object, other: object) -> bool:
        return astuple(self) == astuple(other) if other.__class__ is self.__class__ else NotImplemented

    def show(self: object) -> str:
        return f"{cls.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def same(self: object, _memo: object = None) -> object:
        return self

    space.update(
        __slots__=names,
        __init__=init,
        __setattr__=refuse,
        __delattr__=refuse,
        __eq__=equal,
        __hash__=lambda self: hash(astuple(self)),
        __repr__=show,
        __copy__=same,
        __deepcopy__=same,
        __reduce__=lambda self: (_rebuild, (self.__class__, dict(zip(names, astuple(self), strict=True)))),
        __match_args__=(),
    )
    made: type[T] = type(cls)(cls.__name__, cls.__bases__, space)  # type: ignore[misc]
    return made


def _rebuild(cls: type[Any], values: dict[str, Any]) -> Any:
    """Make an object again from its pickled fields."""
    return cls(**values)


def replace(value: T, **changes: Any) -> T:
    """Return a copy of a frozen object with some fields changed, like :func:`dataclasses.replace`."""
    fields = {name: getattr(value, name) for name in value.__slots__}  # type: ignore[attr-defined]
    return value.__class__(**{**fields, **changes})
