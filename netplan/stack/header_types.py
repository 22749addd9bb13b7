"""The types of the table of headers."""

from __future__ import annotations

from netplan.stack.frozen import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_NOTHING: dict[Any, Any] = {}


@frozen
class Numeric:
    """A number after the colon, such as ``geneve:8``: its range, its step, and the bytes each unit costs."""

    low: int
    high: int
    step: int
    default: int
    per_unit: int
    unit: str
    row: str = ""  # how the ledger calls these bytes when the header has others too
    presets: Mapping[str, int] = _NOTHING  # names for numbers, such as geneve:ovn


@frozen
class Header:
    """One row: a header as it is on the wire.

    ``bytes`` is the header without options; ``trailer`` follows the payload. ``flags`` are options that add bytes, or
    leave some out, which Linux counts all the same; those in ``trailer_flags`` change the trailer. ``reduced`` is the
    flag with which the first unit of ``number`` isn't sent, ``kinds`` what each value of ``number`` adds, ``after``
    what the header costs more behind the named tokens. ``carries`` lists the tokens that may come next; ``ends`` says
    whether a stack may end here.
    ``kind``: ``link`` (a frame's header, outside the link MTU in front of the first IP header), ``ip``,
    ``extension``, ``tunnel``, ``transport`` (at the end, part of the innermost packet). ``note`` goes into
    the ledger, ``warning`` beside it unless the flag ``settles`` is there.
    """

    name: str
    title: str
    bytes: int
    source: str
    kind: str
    carries: tuple[str, ...]
    ends: bool = False
    number: Numeric | None = None
    flags: Mapping[str, tuple[int, str]] = _NOTHING
    kinds: Mapping[int, tuple[int, str]] = _NOTHING
    after: Mapping[str, tuple[int, str]] = _NOTHING
    trailer: int = 0
    trailer_title: str = ""
    trailer_flags: tuple[str, ...] = ()
    reduced: str = ""
    plural: str = ""
    note: str = ""
    warning: str = ""
    settles: str = ""
