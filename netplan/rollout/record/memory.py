"""What a state directory remembers of its own transactions, so that no node has to be believed about another one.

<state>/clusters/<cluster>/memory.json   0600: the transaction that was confirmed last, and a later one that is open:
    which nodes took part, which were left out, at which MTU
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from netplan.files import write_atomic

FILE = "memory.json"


class Remembered(BaseModel):
    """One transaction. ``nodes`` took part, in it or, once it is confirmed, in one before; ``left_out`` did not (ids);
    ``mtu``: of pods, in bytes; ``held``: it waits
    at that size to be raised to the planned one."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    transaction: str
    nodes: frozenset[str]
    left_out: frozenset[str]
    mtu: int
    held: bool
    confirmed: bool = False

    @property
    def held_mtu(self) -> int | None:
        """The size in bytes that waits to be raised, None where none does."""
        return self.mtu if self.held else None


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    schema_version: int = 1
    transactions: list[Remembered] = []


class Memory:
    """The memory of one cluster's state directory. Who only reads makes nothing; a damaged file is no memory."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def _read(self) -> list[Remembered]:
        try:
            return _Document.model_validate_json(self._file.read_bytes()).transactions
        except (OSError, ValidationError):
            return []

    def _write(self, transactions: list[Remembered]) -> None:
        text = _Document(transactions=transactions).model_dump_json(indent=1)
        write_atomic(self._file, (text + "\n").encode(), 0o600)

    @property
    def confirmed(self) -> Remembered | None:
        """What was confirmed last and not removed since."""
        return next((one for one in reversed(self._read()) if one.confirmed), None)

    def of(self, transactions: Collection[str]) -> Remembered | None:
        """Return the newest of these transactions (ids) that is remembered."""
        return next((one for one in reversed(self._read()) if one.transaction in transactions), None)

    def begin(self, transaction: Remembered) -> None:
        """Remember a transaction before its first change, beside what is confirmed. Raises OSError."""
        kept = self.confirmed
        self._write([*([kept] if kept else []), transaction])

    def confirm(self, transaction: str) -> None:
        """A transaction is confirmed, and nothing older is in force but on nodes that it left out. Raises OSError."""
        found, before = self.of([transaction]), self.confirmed
        if found:
            nodes = found.nodes | (before.nodes if before else frozenset())
            self._write([found.model_copy(update={"confirmed": True, "nodes": nodes})])

    def raised(self, mtu: int) -> None:
        """What is confirmed has this MTU in bytes now. Raises OSError."""
        found = self.confirmed
        if found:
            self._write([found.model_copy(update={"mtu": mtu, "held": False})])

    def forget(self, nodes: Collection[str]) -> None:
        """These nodes (ids) have nothing of ours any more. Raises OSError."""
        left = [one.model_copy(update={"nodes": one.nodes - set(nodes)}) for one in self._read()]
        if self._file.exists():
            self._write([one for one in left if one.nodes])
