"""Follows a rollout through its journal; planner and controller share only the file.

So a planner can end at any time, and the next one finds the same transaction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netplan.rollout.record.journal import ClusterState
from netplan.rollout.record.lines import record_of

CHUNK = 1 << 16  # bytes read at once: some 400 events, so that no turn is long


def folder(root: Path, cluster: str) -> Path:
    """Return the state directory of a cluster, whether it exists or not."""
    return ClusterState(root, cluster).folder


def journals(root: Path, cluster: str) -> list[Path]:
    """Return the journals of a cluster, oldest first."""
    return sorted((folder(root, cluster) / "journal").glob("tx-*.jsonl"))


def controller(root: Path, cluster: str) -> int | None:
    """Return the process that holds the cluster's lock."""
    found = ClusterState(root, cluster, reading=True).at_work()
    return found.pid or None if found else None


class JournalTail:
    """Reads what has come since last time, in pieces, and never half a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""

    @property
    def transaction(self) -> str:
        """Return the transaction that the journal is about."""
        return self.path.stem

    def read(self) -> list[dict[str, Any]]:
        """Return the next records, at most about one chunk of them."""
        try:
            with open(self.path, "rb") as handle:
                handle.seek(self._offset)
                data = handle.read(CHUNK)
        except OSError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        records = []
        for line in lines:
            record = record_of(line)
            if record is not None:
                records.append(record)
        return records
