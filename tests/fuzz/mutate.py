"""Damages an input: half of the time in its structure (JSON or YAML), else in its bytes.

All choices come from a :class:`Draw`: hypothesis where the smallest input is wanted, a seeded generator where speed is.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Sequence
from typing import Any

import yaml

from tests.properties.plan_strategies import Draw

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, -0.0, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, -(10**30), 1e308),
    *(float("nan"), float("inf"), float("-inf")),
    *("", " ", "x", "0", "-1", "1e9", "..", "../../etc/passwd", "/", "n-0123456789ab", "\x00", "\n", "a\nb", "\x1b[2J"),
    *(
        "\u202e",
        "\ud800",
        "\N{CYRILLIC SMALL LETTER A}",
        "٣",
        "1_000",
        "0x10",
        "{{ 1 }}",
        "$(x)",
        "`x`",
        "%s",
        "*",
        "-v",
    ),
    *(
        "999.999.999.999",
        "::1",
        "10.0.0.0/33",
        "fe80::1%eth0",
        "vxlan",
        "esp:aes256gcm16",
        "all",
        "A" * 300,
        "9" * 4400,
    ),
    *([], {}, [None], [[]], {"": ""}, {"a": {"a": {"a": {}}}}, [1] * 50, ["x"] * 50),
)
BITS = (
    b"\x00",
    b"\xff",
    b"\x1b[2J",
    b"\n",
    b"\r",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"#",
    b"\\",
    b"9",
    b"-",
    b" ",
)
NESTED = (b"[", b'{"a":', b"a {\n", b"- ", b"(", b"a: ")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
DEEP = 3000  # deeper than Python's recursion limit


def damaged(draw: Draw, seed: bytes) -> bytes:
    """Return an input that is like a seed, but for one to four damages."""
    for _ in range(draw.number(1, 4)):
        document = _parsed(seed) if draw.number(0, 1) else None
        seed = _written(_structure(draw, document), seed) if isinstance(document, dict | list) else _bytes(draw, seed)
    return seed


@functools.lru_cache(1024)
def _parsed(seed: bytes) -> Any:
    """Return the document in an input; None where there is none. Whoever changes it makes a copy."""
    if seed.lstrip()[:1] in (b"{", b"["):
        try:
            return json.loads(seed)
        except (ValueError, RecursionError):
            return None
    if len(seed) > 5_000 or b":" not in seed:
        return None
    try:
        return yaml.load(seed, LOADER)  # noqa: S506  its safe one, in C where there is one
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError):
        return None


def _written(document: Any, seed: bytes) -> bytes:
    try:
        if seed.lstrip()[:1] in (b"{", b"["):
            return json.dumps(document).encode()
        return yaml.dump(document, Dumper=DUMPER, allow_unicode=True, sort_keys=False).encode()
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, UnicodeError):
        return seed


def _structure(draw: Draw, document: Any) -> Any:
    """Change one place of a document: another value, a key gone, twice, renamed, or two values swapped."""
    whole = [copy.deepcopy(document)]
    places: list[tuple[Any, Any]] = [(whole, 0)]
    at = whole[0]
    while isinstance(at, dict | list) and at and draw.number(0, 5):
        key = draw.one(list(at)) if isinstance(at, dict) else draw.number(0, len(at) - 1)
        places.append((at, key))
        at = at[key]
    inside, key = places[-1]
    kind = draw.number(0, 5)
    if kind == 0 and len(places) > 1:
        del inside[key]
    elif kind == 1 and isinstance(inside, dict):
        inside[draw.one([v for v in ODD if isinstance(v, str)])] = inside.pop(key)
    elif kind == 2 and isinstance(inside, list):
        inside.append(copy.deepcopy(inside[key]))
    elif kind == 3:
        other, there = draw.one(places)
        inside[key], other[there] = copy.deepcopy(other[there]), copy.deepcopy(inside[key])
    elif kind == 4:
        inside[key] = draw.one([[inside[key]], {"a": inside[key]}, str(inside[key])])
    else:
        inside[key] = copy.deepcopy(draw.one(ODD))
    return whole[0]


def _bytes(draw: Draw, seed: bytes) -> bytes:
    at = draw.number(0, len(seed))
    end = min(len(seed), at + draw.number(0, draw.one([1, 4, 40])))
    kind = draw.number(0, 5)
    if kind == 0:
        return seed[:at] + seed[end:]
    if kind == 1:
        return seed[:at] + seed[at:end] * 2 + seed[end:]
    if kind == 2:
        return seed[:at] + _odd(draw) + seed[end:]
    if kind == 3 and not draw.number(0, 19):
        return seed[:at] + draw.one(NESTED) * DEEP + seed[at:]
    if kind == 4:
        return seed[:at]
    return seed[:at] + draw.one(BITS) + seed[end:]


def _odd(draw: Draw) -> bytes:
    return str(draw.one(ODD)).encode("utf-8", "surrogatepass")


def picked(draw: Draw, seeds: Sequence[bytes]) -> bytes:
    """Return a damaged seed; now and then the front of one and the back of another."""
    seed = draw.one(seeds)
    if not draw.number(0, 9):
        other = draw.one(seeds)
        seed = seed[: draw.number(0, len(seed))] + other[draw.number(0, len(other)) :]
    return damaged(draw, seed)
