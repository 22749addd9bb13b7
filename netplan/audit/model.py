"""What audit knows after reading: numbers, links, IPsec, and what was skipped; and what it says: findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from netplan.cni.adapter import Clue, Family, Setting
from netplan.problems import Location
from netplan.stack import Solution

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """IPsec that was found. ``ports`` are the UDP ports its selectors name (None: no ports, whole hosts or networks);
    ``networks`` whether the selectors are networks behind the hosts; ``live`` whether an SA was seen."""

    suite: str
    mode: Literal["transport", "tunnel"]
    location: Location
    nat_t: bool = False
    family: Family | None = None
    ports: frozenset[int] | None = None
    networks: bool = False
    live: bool = False
    assumed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A network device: ``kind`` is the kernel's word for it (empty: hardware), ``lower`` what it stands on."""

    name: str
    mtu: int
    location: Location
    kind: str = ""
    up: bool = True
    lower: str = ""
    master: str = ""
    loopback: bool = False
    configured: bool = False


@dataclass(slots=True)
class Evidence:
    """Everything that was read."""

    settings: list[Setting] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    esps: list[Esp] = field(default_factory=list)
    links: list[Device] = field(default_factory=list)
    default_devices: list[str] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    understood: int = 0

    def add(self, found: list[Setting | Clue]) -> bool:
        """Add what a reader found; tell whether it was anything."""
        for each in found:
            if isinstance(each, Clue):
                self.clues.append(each)
            else:
                self.settings.append(each)
        return bool(found)


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input that was not read, and why."""

    path: str
    reason: str
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One judgement. ``ends`` is the size that comes out, ``exact`` what fits; ``too_large`` of the two in bytes."""

    code: str
    severity: Severity
    system: str
    field: str
    location: Location
    message: str
    change: str = ""
    found: int | None = None
    ends: int | None = None
    exact: int | None = None
    exact_field: int | None = None
    measure: str = "mtu"
    solution: Solution | None = None
    notes: tuple[str, ...] = ()

    @property
    def too_large(self) -> int | None:
        """Bytes that the size is too large; negative: too small; None: not compared."""
        return None if self.ends is None or self.exact is None else self.ends - self.exact

    def as_json(self) -> dict[str, Any]:
        """Return the object of ``audit --json``."""
        over = self.too_large
        return {
            "code": self.code,
            "severity": self.severity,
            "system": self.system,
            "field": self.field,
            "file": self.location.path,
            "line": self.location.line,
            "column": self.location.column,
            "message": self.message,
            "measure": self.measure,
            "found": self.found,
            "ends_with": self.ends,
            "exact": self.exact,
            "exact_field": self.exact_field,
            "too_large_by": over if over and over > 0 else 0,
            "too_small_by": -over if over and over < 0 else 0,
            "change": self.change,
            "stack": self.solution.stack.text if self.solution else None,
            "link_mtu": self.solution.link_mtu if self.solution else None,
            "notes": list(self.notes),
            "ledger": [row.as_json() for row in self.solution.ledger] if self.solution else [],
        }
