"""A valid reply, wrong in one place: every place, and what a node that is damaged or hostile may put there."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

ESCAPES = "\x1b]0;owned\x07\x1b[2J\r\n\x00\ud800\u202e"
FINDING = {"code": "IPP641", "message": "as it is", "hint": None, "severity": "warning"}
ERROR = {**FINDING, "severity": "error"}
JUNK: list[Any] = [
    *(None, True, False, 0, -1, 1, 3.5, 68, 576, 1312, 2**31, 2**53, 2**63, 2**64, 10**30, -(10**30), 10**4000, 1e308),
    *(-1e308, 1e-320, float("nan"), float("inf"), float("-inf")),
    *(
        "",
        "x",
        ESCAPES,
        "../../etc/passwd",
        "{{ lookup('env', 'HOME') }}",
        "IPP603",
        "IPP671",
        "confirmed",
        "open",
        "none",
    ),
    *([], {}, [None], [ESCAPES], {"": ""}, {ESCAPES: ESCAPES}, {ESCAPES: 1}, [[[]]], "y" * 100_000, [FINDING] * 500),
]
WAYS = ("other",) * 8 + ("without", "more", "whole", "twice", "turned", "short", "failed", "failed", "renamed", "text")


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of everything inside a value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*at, key)
        yield from places(inner, (*at, key))


def junk(chance: random.Random, reply: dict[str, Any]) -> Any:
    """Return a value that is odd, or one from another place of the reply, which is of a type that is used there."""
    if chance.random() < 0.7:
        return chance.choice(JUNK)
    inside: Any = reply
    for key in chance.choice(list(places(reply))):
        inside = inside[key]
    return inside


def spoiled(chance: random.Random, reply: dict[str, Any]) -> str:
    """Return the text of a reply that is wrong in one place."""
    whole, how, bad = copy.deepcopy(reply), chance.choice(WAYS), junk(chance, reply)
    results = whole["results"]
    if how == "text":
        text = json.dumps(whole)
        at = chance.randrange(len(text))
        return chance.choice([text[:at], text[:at] + chance.choice('"{}[],:0\x00') + text[at + 1 :], "[" * 50_000, ""])
    if how == "whole":
        return json.dumps(bad)
    if how == "twice":
        whole["results"] = results * 2
    elif how == "turned":
        whole["results"] = results[::-1]
    elif how == "short":
        whole["results"] = results[:-1]
    elif how == "renamed":
        chance.choice(results)["phase"] = chance.choice(["zzz", "confirm", "status", "arm"])
    elif how == "failed":  # it says that it failed, and maybe why
        last = chance.randrange(len(results))
        results[last] |= {"ok": False, "findings": chance.choice([[], [FINDING], [ERROR], [bad]])}
        whole["results"] = results[: last + 1]
    else:
        _one_place(chance, whole, how, bad)
    return json.dumps(whole)


def _one_place(chance: random.Random, whole: dict[str, Any], how: str, bad: Any) -> None:
    *way, key = chance.choice(list(places(whole)))
    inside: Any = whole
    for step in way:
        inside = inside[step]
    if how == "without":
        del inside[key]
    elif how == "more" and isinstance(inside, list):
        inside.append(bad)
    elif how == "more":
        inside["__class__"] = bad
    else:
        inside[key] = bad
