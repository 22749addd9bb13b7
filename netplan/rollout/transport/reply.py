"""A node's reply, checked where it arrives: from here on its parts have the shapes of netplan.agent.protocol.

A node is not trusted. What its reply has beside those shapes is dropped, texts for people are cut and made printable;
where something lacks or is of another type, or the reply is about something else than was asked, there is none at all.
"""

from __future__ import annotations

import functools
import json
import operator
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict, is_typeddict

from netplan.agent.protocol import reply as shapes
from netplan.agent.protocol.limits import MOST_EPOCH
from netplan.agent.protocol.reply import Finding, Result
from netplan.agent.protocol.request import Request
from netplan.problems import printable

MOST_BYTES = 8 * 2**20  # of a reply; the action plugin counts them while they arrive
MOST_TEXT = 300  # characters of a text for people
MOST_FINDINGS = 50  # of a phase
CONFIG = ConfigDict(strict=True, allow_inf_nan=False)
DOCUMENTS = frozenset({"texts", "request"})  # keys whose texts are for machines, and stay as they are


def _last(text: str | None) -> str | None:
    """Return the last line of what a program said, for people."""
    return None if text is None else _for_people(text.strip().rpartition("\n")[2])


def _for_people(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= MOST_TEXT else shown[: MOST_TEXT - 1] + "…"


# no number overflows in what is reckoned with it; the kernel's counters have 64 bits
PLAIN: dict[Any, Any] = {
    int: Annotated[int, Field(ge=0, lt=2**64)],
    float: Annotated[float, Field(ge=-1e12, le=1e12)],
    str: Annotated[str, AfterValidator(_for_people)],
}
# keys with bounds of their own; a certificate that is not valid yet has used less than nothing of its life, and a rekey
# may be overdue
OWN: dict[str, Any] = {
    "epoch": Annotated[int, Field(ge=0, le=MOST_EPOCH)],
    "used_percent": Annotated[int, Field(ge=-(2**63), lt=2**63)],
    "due_s": Annotated[int, Field(ge=-(2**63), lt=2**63)] | None,
}
ROWS = {"counters": ("pairs",)}  # phase -> keys with a row for each peer, where not `rows` or `heard`
_make: Any = TypedDict  # its names are known at run time only


@dataclass
class Answer:
    """What a node said: one result a phase, or why there is none."""

    results: list[Result] = field(default_factory=list)
    unreachable: str | None = None
    broken: str | None = None
    clock: float | None = None  # the node's monotonic clock in seconds when it answered
    wall: float | None = None  # and its wall clock
    again: bool = False  # it was asked again by another way: when it came says nothing of how long a trip takes


def parse(text: str, request: Request) -> Answer:
    """Return the reply of a node to a request, or what the action plugin has to say in its stead."""
    if len(text) > MOST_BYTES:
        return Answer(broken=too_long())
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Answer(broken="its reply is not JSON")
    if isinstance(said, dict) and "results" not in said:
        found = {key: str(said[key]) for key in ("unreachable", "broken") if said.get(key) is not None}
        return Answer(unreachable=_last(found.get("unreachable")), broken=_last(found.get("broken")))
    try:
        envelope: shapes.Answer = _adapter(shapes.Answer).validate_python(said)
        results = [_result(short, raw) for short, raw in zip(envelope["results"], said["results"], strict=True)]
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return Answer(broken=f"its reply has another shape: {place}: {first['msg']}")
    if not _about(results, request):
        return Answer(broken="its reply is about other phases than it was asked for")
    for result in results:
        if wrong := _strange_row(result, request):
            return Answer(broken=f"its reply has a row about {wrong}, which it was not asked for, or two about it")
    return Answer(results=results, clock=envelope["clock"], wall=envelope["wall"])


def too_long() -> str:
    """Return what is said of a reply that is too long."""
    return f"its reply is longer than {MOST_BYTES // 2**20} MiB"


def _about(results: Sequence[Result], request: Request) -> bool:
    """Tell whether these are the phases that were asked for, in order, up to the first that is not ok."""
    if [result["phase"] for result in results] != request["phases"][: len(results)] or not results:
        return False
    if not all(result["ok"] for result in results[:-1]):
        return False
    last: Any = results[-1]
    same = last["phase"] == "status" and request.get("stop_when_same", False)
    return len(results) == len(request["phases"]) or not last["ok"] or (same and not last["differs"])


def _strange_row(result: Any, request: Request) -> str | None:
    """Return the peer of a row that is not asked for, or that has two; None where every row has its place."""
    if "waiting_for" in result or "lacking" in result:
        peers = {peer["id"] for peer in request["node"]["peers"]}
        named = result.get("waiting_for", [])
        if strange := next((peer for peer in named if peer not in peers), None):
            return str(strange)
        if not len(set(named)) == len(named) <= result.get("lacking", 0) <= len(peers):
            return "peers that it waits for"
    rows = [
        (row["peer"], row.get("network", ""))
        for key in ROWS.get(result["phase"], ("rows", "heard"))
        for row in result.get(key, ())
    ]
    if not rows:
        return None
    left = {(peer["id"], peer.get("network", "")) for peer in request["node"]["peers"]}
    for row in rows:
        if row not in left:
            return str(row[0])
        left.remove(row)
    return None


def _result(short: Result, raw: object) -> Result:
    """Return a result with what its phase adds to it; one that failed has no more than every result."""
    shape = shapes.RESULTS.get(short["phase"])
    found: Result = short if not short["ok"] or shape is None else _adapter(shape).validate_python(raw)
    found["findings"] = _some(found["findings"])
    return found


def _some(findings: list[Finding]) -> list[Finding]:
    """Return so many findings as people read, the errors first; the last one says how many there are beside them."""
    if len(findings) <= MOST_FINDINGS:
        return findings
    first = sorted(findings, key=lambda finding: finding["severity"] != "error")[: MOST_FINDINGS - 1]
    said = f"and {len(findings) - len(first)} more"
    return [*first, {"code": findings[0]["code"], "message": said, "hint": None, "severity": "warning"}]


@functools.cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(_strict(shape))


@functools.cache
def _strict(shape: Any, document: bool = False) -> Any:
    """Return a shape of the protocol as pydantic takes it: below Python 3.12 not from ``typing``, and strict.

    ``document``: its texts are no texts for people.
    """
    if is_typeddict(shape):
        keys = {
            name: (Required if name in shape.__required_keys__ else NotRequired)[
                OWN.get(name) or _strict(hint, document or name in DOCUMENTS)
            ]
            for name, hint in get_type_hints(shape).items()
        }
        made = _make(shape.__name__, keys)
        made.__pydantic_config__ = CONFIG
        return made
    parts = tuple(_strict(part, document) for part in get_args(shape))
    if get_origin(shape) in (Union, types.UnionType):
        return functools.reduce(operator.or_, parts)
    if get_origin(shape) in (list, dict):
        return get_origin(shape)[parts]
    return shape if document and shape is str else PLAIN.get(shape, shape)
