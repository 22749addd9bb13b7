"""What the nodes said last: the last proof and the last look, kept beside the journals so that an age can be told.

<state>/clusters/<cluster>/last-proof.json   0600: what the last measurement found, by apply, confirm or verify
                           last-status.json  0600: a summary of the last answers to status

They are for people: no rollout reads them, and a damaged or missing file means that nothing is known.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from netplan.agent.protocol.reply import Status
from netplan.files import read_regular, write_atomic
from netplan.verify.verdict import Verdict

PROOF, LOOK = "last-proof.json", "last-status.json"
MAX_BYTES = 1 << 28  # 1,000 nodes prove some million directions
TOLD = 20  # differences kept of one node
NAMED = 100  # pairs without an SA that are kept by name
WRONG = 1000  # directions kept of a proof, besides those that failed


Kept = TypeVar("Kept", bound=BaseModel)


class _Kept(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Direction(_Kept):
    """One direction of a pair as it was measured; see PairVerdict.as_json, and ``line``, the words for people."""

    source: str
    to: str
    ok: bool
    inner_mtu: int
    passes: bool
    one_more_refused: bool | None
    esp_packets: int
    outer_packet: int
    outer_packet_planned: int
    plaintext_packets: int
    wrong: list[str]
    line: str

    def as_json(self) -> dict[str, Any]:
        """Return it with the keys of a verdict."""
        found = self.model_dump()
        return {"from": found.pop("source"), **found}


class Proof(_Kept):
    """A measurement. ``at``: seconds since the epoch; ``digest``: of the bundle; ``measured``: how many directions."""

    at: float
    digest: str
    transaction: str
    ok: bool
    measured: int
    failed: int
    directions: list[Direction]


class NodeLook(_Kept):
    """What one node had: state, digest of its release, guard, days until its first certificate ends, differences."""

    state: str
    release: str
    guard: str
    days_left: float | None
    differs: list[str]
    xfrm_errors: dict[str, int]


class Look(_Kept):
    """Answers to one status. ``at``: seconds since the epoch; ``silent``: names of nodes that did not answer.

    ``pairs`` of nodes, ``encrypted``: those where each end that answered has an SA to send on; ``clear``: names of the
    ends of the others, the first NAMED of them.
    """

    at: float
    digest: str
    nodes: dict[str, NodeLook]
    silent: list[str]
    pairs: int
    encrypted: int
    clear: list[tuple[str, str]]


def proof_of(verdict: Verdict, digest: str, transaction: str, at: float) -> Proof:
    """Return a verdict as it is kept: every direction that failed, and the first WRONG of the others."""
    good = [pair for pair in verdict.pairs if pair.ok][:WRONG]
    bad = [pair for pair in verdict.pairs if not pair.ok]
    rows = [{**pair.as_json(), "source": pair.source, "line": pair.line()} for pair in (*bad, *good)]
    return Proof(
        at=at,
        digest=digest,
        transaction=transaction,
        ok=verdict.ok,
        measured=verdict.directions,
        failed=verdict.tally.failed,
        directions=[Direction.model_validate(row) for row in rows],
    )


def look_of(found: Mapping[str, Status], names: Mapping[str, str], digest: str, at: float) -> Look:
    """Return the summary of what nodes answered; ``found``: id -> answer, ``names``: id -> name of all that were asked.

    A pair counts as encrypted only where every end that was asked says so: silence proves nothing.
    """
    ends: dict[frozenset[str], list[bool]] = {}
    for node_id, status in found.items():
        for pair in status["pairs"]:
            first = next(iter(pair["children"].values()), [])
            ends.setdefault(frozenset((node_id, pair["peer"])), []).append(bool(first))
    good = {pair for pair, said in ends.items() if all(said) and all(end in found for end in pair if end in names)}
    called = {pair["peer"]: pair["name"] for status in found.values() for pair in status["pairs"]} | dict(names)
    clear = sorted(tuple(sorted(called.get(end, end) for end in pair)) for pair in ends.keys() - good)
    return Look(
        at=at,
        digest=digest,
        nodes={names.get(i, i): _node(status) for i, status in found.items()},
        silent=sorted(name for i, name in names.items() if i not in found),
        pairs=len(ends),
        encrypted=len(good),
        clear=[(pair[0], pair[-1]) for pair in clear[:NAMED]],
    )


def _node(status: Status) -> NodeLook:
    return NodeLook(
        state=status["state"]["state"],
        release=status["state"]["release"],
        guard=status["guard"]["mode"],
        days_left=min((float(age["days_left"]) for age in status["certificates"].values()), default=None),
        differs=list(_differs(status))[:TOLD],
        xfrm_errors=dict(status["xfrm_errors"]),
    )


def _differs(status: Status) -> Sequence[str]:
    """A node on which nothing is applied has nothing to differ from."""
    return status["differs"] if status["state"]["state"] != "none" else ()


def keep_proof(folder: Path, verdict: Verdict, digest: str, transaction: str) -> None:
    """Keep a verdict; a state directory that is not there, or can't be written, keeps nothing."""
    _write(folder / PROOF, proof_of(verdict, digest, transaction, time.time()))


def keep_look(folder: Path, found: Mapping[str, Status], names: Mapping[str, str], digest: str) -> None:
    """Keep a summary of answers; a state directory that is not there, or can't be written, keeps nothing."""
    _write(folder / LOOK, look_of(found, names, digest, time.time()))


def last_proof(folder: Path) -> Proof | None:
    """Return what was measured last; None where nothing readable is kept."""
    return _read(folder / PROOF, Proof)


def last_look(folder: Path) -> Look | None:
    """Return what nodes answered last; None where nothing readable is kept."""
    return _read(folder / LOOK, Look)


def _write(path: Path, document: BaseModel) -> None:
    with contextlib.suppress(OSError):
        write_atomic(path, (document.model_dump_json() + "\n").encode())


def _read(path: Path, kind: type[Kept]) -> Kept | None:
    try:
        return kind.model_validate_json(read_regular(path, MAX_BYTES))
    except (OSError, ValidationError):
        return None
