"""What an assessment is made from: the bundle, what the state directory keeps, and what the nodes answered."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import Facts, Status
from netplan.assess.rows import Source
from netplan.bundle.connections import connections
from netplan.bundle.reader import PLAN, Bundle
from netplan.ipsec import ca_store
from netplan.problems import ProblemError, counted
from netplan.rollout.record import seen
from netplan.rollout.record.history import Past, transactions

GUARD, FLOOR = "etc/ipsecplan/guard-drop.nft", "etc/ipsecplan/floor-all"
# phase -> what a run that rotates has renewed, the first that it ran through
ROTATED = (("load-psk", "pre-shared keys"), ("new-key", "keys and certificates"))
CONFIRMED = ("confirmed", "unchanged")


def when(at: float) -> str:
    """Return seconds since the epoch as ISO 8601 in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(at: str) -> float | None:
    """Return ISO 8601 in UTC, as journals have it, as seconds since the epoch; None for what is no time."""
    try:
        return datetime.strptime(at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Offer:
    """What one end of a pair offers: proposals, and the times after which it rekeys, as swanctl.conf writes them.

    A cluster has few different ones, and each is kept once however many pairs have it.
    """

    esp: tuple[str, ...]
    ike: tuple[str, ...]
    child_lives: tuple[str, ...]
    ike_life: str


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate of the cluster's CA: whose, from and until when (seconds since the epoch)."""

    owner: str
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Rotation:
    """Credentials that were renewed: what, when (seconds since the epoch), in which transaction."""

    what: str
    at: float
    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is judged. ``at``: now, in seconds since the epoch; nodes by id everywhere.

    ``offers``: by node and name of the pair. ``rendered``: from a plan alone, so nobody can have applied it. ``status``
    and ``facts`` are None where the nodes were not asked; ``silent`` are names of nodes that were and did not answer.
    ``objects`` are Kubernetes objects that somebody dumped, None without.
    """

    at: float
    bundle: Bundle
    nodes: Mapping[str, NodeJson]
    offers: Mapping[str, Mapping[str, Offer]]
    plan: Mapping[str, Any]
    rendered: bool = False
    proof: seen.Proof | None = None
    look: seen.Look | None = None
    past: tuple[Past, ...] = ()
    issued: tuple[Issued, ...] | None = None
    status: Mapping[str, Status] | None = None
    facts: Mapping[str, Facts] | None = None
    silent: tuple[str, ...] = ()
    objects: tuple[Mapping[str, Any], ...] | None = None
    sources: tuple[Source, ...] = field(default=())

    def name(self, node: str) -> str:
        """Return a node's name."""
        return self.bundle.nodes[node]["name"]

    def lines_of(self, node: str, path: str) -> list[str] | None:
        """Return the lines of a file of a node's release, None where it has none."""
        inside = f"nodes/{node}/{path}"
        return self.bundle.content(inside).decode().splitlines() if inside in self.bundle.entries else None

    @property
    def confirmed(self) -> tuple[Past, float] | None:
        """The last transaction that was confirmed, and when it ended."""
        for past in reversed(self.past):
            if past.outcome in CONFIRMED and past.digest == self.bundle.digest:
                began = seconds(past.runs[0].at)
                if began is not None:
                    return past, began + past.seconds
        return None

    @property
    def rotations(self) -> list[Rotation]:
        """Every rotation of credentials that came through, oldest first."""
        found = []
        for past in self.past:
            for run in past.runs:
                at, names = seconds(run.at), {phase.name for phase in run.phases}
                what = next((what for phase, what in ROTATED if phase in names), None)
                if run.verb == "rotate" and run.outcome == "rotated" and what and at is not None:
                    found.append(Rotation(what, at, past.transaction))
        return found


def gather(
    bundle: Bundle,
    root: Path,
    at: float,
    *,
    rendered: bool = False,
    status: Mapping[str, Status] | None = None,
    facts: Mapping[str, Facts] | None = None,
    silent: tuple[str, ...] = (),
    objects: tuple[Mapping[str, Any], ...] | None = None,
    folder: Path | None = None,
) -> Evidence:
    """Read the bundle and what the state directory ``root`` keeps of its cluster in ``folder``.

    Raises ProblemError for a bundle or a journal that can't be read; what is missing is missing, and named.
    """
    past = tuple(transactions(root, bundle.cluster)) if folder else ()
    proof, look = (seen.last_proof(folder), seen.last_look(folder)) if folder else (None, None)
    found = Evidence(
        at=at,
        bundle=bundle,
        nodes={node: bundle.node(node) for node in bundle.nodes},
        offers=_offers(bundle),
        plan=json.loads(bundle.content(PLAN)),
        rendered=rendered,
        proof=proof,
        look=look,
        past=past,
        issued=_issued(folder / "ca", bundle) if folder else None,
        status=status,
        facts=facts,
        silent=silent,
        objects=objects,
    )
    return _with_sources(found)


def _offers(bundle: Bundle) -> dict[str, dict[str, Offer]]:
    kept: dict[Offer, Offer] = {}
    found: dict[str, dict[str, Offer]] = {}
    for node in bundle.nodes:
        found[node] = {}
        for pair, connection in connections(bundle, node).items():
            children = connection["children"].values()
            offer = Offer(
                tuple(sorted({text for child in children for text in child["esp_proposals"]})),
                tuple(sorted(connection["proposals"])),
                tuple(sorted({child["rekey_time"] for child in children})),
                connection["rekey_time"],
            )
            found[node][pair] = kept.setdefault(offer, offer)
    return found


def _issued(folder: Path, bundle: Bundle) -> tuple[Issued, ...] | None:
    """Return the CA's own certificate and those of the nodes; None where no CA can be read."""
    with contextlib.suppress(ProblemError):
        index = ca_store.read_index(folder)
        if index is None:
            return None
        own = ca_store.load_certificate(folder / index.current)
        leaves = ca_store.certificates(folder / index.current)
        named = {"the CA": own} | {bundle.nodes[i]["name"]: c for i, c in leaves.items() if i in bundle.nodes}
        return tuple(
            Issued(owner, c.not_valid_before_utc.timestamp(), c.not_valid_after_utc.timestamp())
            for owner, c in named.items()
        )
    return None


def _with_sources(found: Evidence) -> Evidence:
    now = when(found.at)
    live = (
        f"{len(found.status)} of {counted(len(found.nodes), 'node')} answered"
        if found.status is not None
        else "not asked"
    )
    plan = "rendered from the plan for this report" if found.rendered else str(found.bundle.directory)
    objects = "not given" if found.objects is None else f"{len(found.objects)} Kubernetes objects"
    sources = (
        Source(what="bundle", at="", said=f"{plan}, digest {found.bundle.digest[:16]}"),
        Source(what="nodes", at=now if found.status is not None else "", said=live),
        Source(
            what="last measurement",
            at=when(found.proof.at) if found.proof else "",
            said=f"{counted(found.proof.measured, 'direction')}" if found.proof else "none is kept",
        ),
        Source(
            what="last look",
            at=when(found.look.at) if found.look else "",
            said=f"{counted(len(found.look.nodes), 'node')}" if found.look else "none is kept",
        ),
        Source(
            what="journals",
            at=found.past[-1].runs[0].at if found.past and found.past[-1].runs else "",
            said=counted(len(found.past), "transaction"),
        ),
        Source(what="cluster objects", at="", said=objects),
    )
    return replace(found, sources=sources)
