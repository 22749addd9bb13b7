"""Numbers that are called MTU in an object that no reader takes: they are named, not passed over in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.cni.adapter import Setting
from netplan.cni.yaml_document import Piece

MAX_NAMED = 20
MAX_DEPTH = 12
_KEY = re.compile(r"^mtu$|[a-z0-9]M(tu|TU)$|(^|[_.-])mtu([_-]?bytes)?$|^mtu[_-]?(bytes|size)$", re.I)
_ARGUMENT = re.compile(r"^--?[\w-]*mtu=(\d{3,5})$", re.I)
_WHY = "audit does not know what this number is for: give `ip -d -j addr` of a host, or --stack and --mtu"


def numbers(piece: Piece) -> list[Setting]:
    """Return a setting that is not judged for each number called MTU."""
    found = []
    for at, number in _named(piece.data, ()):
        shown = ".".join(str(step) for step in at)
        found.append(
            Setting(
                system=(piece.kind or "file").lower(),
                field=f"{piece.name}: {shown}" if piece.name else shown,
                location=piece.location(*at),
                value=number,
                semantics="pod",
                encap="",
                change="",
                unjudged=_WHY,
            )
        )
        if len(found) == MAX_NAMED:
            break
    return found


Place = tuple[str | int, ...]


def _named(data: object, at: Place) -> Iterator[tuple[Place, int]]:
    if len(at) > MAX_DEPTH:
        return
    if isinstance(data, dict):
        name = data.get("name")
        if isinstance(name, str) and name.upper().endswith("MTU") and (number := _size(data.get("value"))):
            yield (*at, "value"), number
        for key, value in data.items():
            if isinstance(key, str) and _KEY.search(key) and (number := _size(value)):
                yield (*at, key), number
            elif isinstance(key, str):
                yield from _named(value, (*at, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            match = _ARGUMENT.match(value) if isinstance(value, str) else None
            if match:
                yield (*at, index), int(match.group(1))
            else:
                yield from _named(value, (*at, index))


def _size(value: object) -> int | None:
    """Return a size between IPv4's smallest MTU and the largest packet."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    number = int(text) if re.fullmatch(r"\d{2,5}", text) else 0
    return number if 68 <= number <= 65535 else None
