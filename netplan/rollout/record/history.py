"""What the journals tell about transactions that were: read only, and without taking the cluster's lock."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netplan.problems import ExitCode
from netplan.refusals import refusals
from netplan.rollout.record.events import WorkerLost
from netplan.rollout.record.journal import read

UNFINISHED = "unfinished"  # the journal ends without an end: the control process runs yet, or died


@dataclass
class Phase:
    """One phase of one run: wall seconds of its round trip, node name -> (ok, seconds of its own time)."""

    name: str
    ok: bool | None = None
    seconds: float = 0.0
    nodes: dict[str, tuple[bool, float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the phase as data."""
        rows = {name: {"ok": ok, "seconds": seconds} for name, (ok, seconds) in self.nodes.items()}
        return {"phase": self.name, "ok": self.ok, "seconds": self.seconds, "nodes": rows}


@dataclass
class Run:
    """One control process at work on a transaction: verb, when (UTC), how it ended, its phases."""

    verb: str
    at: str
    outcome: str = UNFINISHED
    exit_code: int | None = None
    reason: str = ""
    until: str = ""
    phases: list[Phase] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the run as data."""
        return {
            "verb": self.verb,
            "at": self.at,
            "outcome": self.outcome,
            "exit_code": self.exit_code,
            "taken_back_because": self.reason or None,
            "awaiting_until": self.until or None,
            "phases": [phase.as_json() for phase in self.phases],
            "problems": self.problems,
        }


@dataclass
class Past:
    """One transaction: id, cluster, names of its nodes, digest of its bundle, seconds from first to last line."""

    transaction: str
    cluster: str = ""
    digest: str = ""
    nodes: tuple[str, ...] = ()
    seconds: int = 0
    runs: list[Run] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        """How its last run ended."""
        return self.runs[-1].outcome if self.runs else UNFINISHED

    def as_json(self) -> dict[str, Any]:
        """Return the transaction as data, without its phases."""
        return {
            "transaction": self.transaction,
            "cluster": self.cluster,
            "digest": self.digest,
            "nodes": list(self.nodes),
            "seconds": self.seconds,
            "outcome": self.outcome,
            "runs": [{"verb": r.verb, "at": r.at, "outcome": r.outcome} for r in self.runs],
        }


def past(path: Path) -> Past:
    """Fold one journal; records that no version of ours wrote are passed over."""
    found = Past(path.stem)
    times: list[str] = []
    for record in read(path):
        kind = record.get("event")
        times.append(str(record.get("at", "")))
        if kind == "RunStarted":
            found.cluster, found.digest = str(record.get("cluster")), str(record.get("digest"))
            found.nodes = tuple(record["nodes"].values())
            found.runs.append(Run(str(record.get("verb")), times[-1]))
        elif found.runs:
            _fold(found.runs[-1], record)
    if times:
        found.seconds = _seconds(times[0], times[-1])
    return found


def _fold(run: Run, record: dict[str, Any]) -> None:
    kind, name = record.get("event"), str(record.get("phase"))
    if kind == "PhaseStarted":
        run.phases.append(Phase(name))
    elif kind == "NodeResult":
        phase = next((p for p in reversed(run.phases) if p.name == name), None)
        if phase:
            phase.nodes[record["node"]] = (record["ok"], float(record["seconds"]))
        run.problems += record.get("problems", ())
    elif kind == "PhaseFinished":
        phase = next((p for p in reversed(run.phases) if p.name == name), None)
        if phase:
            phase.ok, phase.seconds = record["ok"], float(record["seconds"])
    elif kind == "WorkerLost":
        lost = WorkerLost(**{part.name: record[part.name] for part in fields(WorkerLost)})
        run.problems.append(lost.problem.as_json())
    elif kind == "Reverting":
        run.reason = str(record.get("reason"))
    elif kind == "AwaitingConfirm":
        run.until = str(record.get("until"))
    elif kind == "RunFinished":
        run.outcome, run.exit_code = record["outcome"], record["exit_code"]


def _seconds(first: str, last: str) -> int:
    try:
        begin, end = (datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for t in (first, last))
    except ValueError:
        return 0
    return int((end - begin).total_seconds())


def transactions(root: Path, cluster: str | None = None) -> list[Past]:
    """Return the transactions below a state directory, oldest first; of one cluster, or of all."""
    found = [past(path) for path in _journals(root)]
    return [one for one in found if cluster is None or one.cluster == cluster]


def _journals(root: Path) -> list[Path]:
    """Return all journals below a state directory, oldest first. Raises ProblemError where one can't be looked at."""
    with refusals(root, "read", "IPP608", ExitCode.FAILURE):
        try:
            clusters = list((root / "clusters").iterdir())
        except FileNotFoundError:
            return []
    found: list[Path] = []
    for cluster in clusters:
        with refusals(cluster, "read", "IPP608", ExitCode.FAILURE):
            folder = cluster / "journal"
            files = list(folder.iterdir()) if folder.is_dir() else []  # glob would pass over what it may not read
        found += [path for path in files if path.name.startswith("tx-") and path.suffix == ".jsonl"]
    return sorted(found, key=lambda path: path.name)


def matching(root: Path, prefix: str) -> list[Path]:
    """Return the journals whose transaction begins with ``prefix`` (with or without its ``tx-``)."""
    wanted = prefix if prefix.startswith("tx-") else f"tx-{prefix}"
    return [path for path in _journals(root) if path.stem.startswith(wanted)]
