"""What audit knows after reading: numbers, links, IPsec, and what was skipped; and what it says: findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from netplan.cni.adapter import Clue, Family, Setting
from netplan.cni.yaml_document import find_word
from netplan.path.model import Interface, Mode, Route, Rule
from netplan.problems import Location, Problem
from netplan.stack import Solution

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Esp:
    """IPsec that was found. ``ports`` are the UDP ports its selectors name (None: no ports, whole hosts or networks);
    ``protocols`` those of IP (empty: any), ``networks`` whether the selectors are networks behind the hosts; ``live``
    whether an SA was seen. ``local`` and ``remote`` are the networks of the selectors in the sending direction (empty:
    any), ``ends`` the addresses of a tunnel."""

    suite: str
    mode: Mode
    location: Location
    nat_t: bool = False
    family: Family | None = None
    ports: frozenset[int] | None = None
    protocols: frozenset[int] = frozenset()
    networks: bool = False
    live: bool = False
    assumed: str = ""
    local: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    ends: tuple[str, str] = ("", "")
    mark: int | None = None
    if_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyKind:
    """What XFRM policies have in common: ports, marks, the addresses of the template, the direction."""

    ports: frozenset[int] = frozenset()
    protocols: frozenset[int] = frozenset()
    mark: int | None = None
    if_id: int | None = None
    ends: tuple[str, str] = ("", "")
    out: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKind:
    """What XFRM states have in common: what they cost, and the selector where they have one of their own."""

    suite: str
    mode: Mode
    nat_t: bool
    tunnel: bool
    ports: frozenset[int] = frozenset()
    protocols: frozenset[int] = frozenset()
    networks: bool = False
    local: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()
    mark: int | None = None
    if_id: int | None = None


class XfrmPolicy(NamedTuple):
    """An XFRM policy with a template: where it stands (from 0), and its selector."""

    dump: XfrmDump
    line: int
    reqid: str
    src: str
    dst: str
    kind: PolicyKind

    @property
    def location(self) -> Location:
        """Where it stands, for a message."""
        return self.dump.location(self.line)


class XfrmState(NamedTuple):
    """An XFRM state: where it stands (from 0), and the reqid by which policies use it."""

    dump: XfrmDump
    line: int
    reqid: str
    src: str
    dst: str
    kind: StateKind


@dataclass(slots=True)
class XfrmDump:
    """What one input has of a kernel's states and policies."""

    path: str
    lines: list[str]
    states: list[XfrmState] = field(default_factory=list)
    policies: list[XfrmPolicy] = field(default_factory=list)

    def location(self, line: int) -> Location:
        """Return where a state or policy begins, a line counted from 0."""
        return find_word(self.path, self.lines, line, "src")

    def place(self, line: int) -> Location:
        """Return the same without the text of the line: what no message shows."""
        return Location(self.path, line + 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A network device: ``kind`` is the kernel's word for it (empty: hardware), ``lower`` what it stands on.

    ``interface`` is all that is known of it, where a reader knows more than these fields.
    """

    name: str
    mtu: int
    location: Location
    kind: str = ""
    up: bool = True
    lower: str = ""
    master: str = ""
    loopback: bool = False
    configured: bool = False
    interface: Interface | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What one file says of a device: its type, its MTU, what it stands on. Several files make one device.

    ``kind`` is the kernel's word (empty: this file does not say; ``hardware`` for a link), ``data`` what ``ip -d -j``
    would print of it. A drop-in of networkd has no name; its unit has.
    """

    name: str
    location: Location
    system: str
    shown: str = "mtu"  # how messages call the number
    change: str = ""
    mtu: int | None = None
    kind: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    lower: str = ""
    master: str = ""
    addresses: tuple[str, ...] = ()
    independent: bool = False
    unit: str = ""  # of networkd: the file's name, or that of the file which a drop-in adds to


@dataclass(slots=True)
class Evidence:
    """Everything that was read."""

    settings: list[Setting] = field(default_factory=list)
    clues: list[Clue] = field(default_factory=list)
    esps: list[Esp] = field(default_factory=list)
    links: list[Device] = field(default_factory=list)
    # of these four the path of the input alone is kept: a cluster has many
    routes: list[tuple[str, Route]] = field(default_factory=list)
    rules: list[tuple[str, Rule]] = field(default_factory=list)
    far_ends: list[tuple[str, str, str]] = field(default_factory=list)  # device and outer address of an FDB entry
    mtus6: list[tuple[str, str, int]] = field(default_factory=list)  # device and IPv6's own MTU of it
    # WireGuard's: device (empty: the host's only one), a network inside, the outer address of the peer that has it
    endpoints: list[tuple[str, str, str, str]] = field(default_factory=list)
    # of a tunnel device: what its own list says of it, as ``ip -d -j`` prints info_data
    tunnels: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)
    exempt: list[tuple[Location, str]] = field(default_factory=list)  # devices (or all) that IPsec is taken off
    catch_all: list[tuple[Location, str]] = field(default_factory=list)  # devices that take all traffic between nodes
    full_tunnels: list[tuple[str, str]] = field(default_factory=list)  # path and device of wg-quick's default route
    marks: list[tuple[Location, int, int]] = field(default_factory=list)  # packets to this UDP port get this mark
    configured: list[Configured] = field(default_factory=list)
    xfrm: list[XfrmDump] = field(default_factory=list)
    families: list[Family] = field(default_factory=list)
    faults: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    understood: int = 0

    @property
    def policies(self) -> Iterator[XfrmPolicy]:
        """The XFRM policies of all inputs."""
        return (policy for dump in self.xfrm for policy in dump.policies)

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

    @property
    def problem(self) -> Problem:
        """The warning that says so."""
        where = Location(self.path, self.line)
        return Problem("IPP910", f"skipped: {self.reason}", location=where, severity="warning")


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

    @classmethod
    def about(cls, setting: Setting, code: str, severity: Severity, message: str, **more: Any) -> Finding:
        """Return a finding that stands where the setting does; ``more``: further fields."""
        where: dict[str, Any] = {"system": setting.system, "field": setting.field, "location": setting.location}
        return cls(code=code, severity=severity, message=message, **{**where, **more})

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one number. ``limit`` names the device or route that limits where it is not the plain link."""

    setting: Setting
    status: Literal["judged", "assumed", "unjudged"]
    host: str = ""
    ends: int | None = None
    exact: int | None = None
    solution: Solution | None = None
    limit: str = ""
    assumed: tuple[str, ...] = ()
    why: str = ""
    finding: Finding | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the object of ``audit --json``."""
        return {
            "system": self.setting.system,
            "field": self.setting.field,
            "file": self.setting.location.path,
            "line": self.setting.location.line,
            "host": self.host,
            "status": self.status,
            "found": self.setting.value,
            "ends_with": self.ends,
            "exact": self.exact,
            "stack": self.solution.stack.text if self.solution else None,
            "link_mtu": self.solution.link_mtu if self.solution else None,
            "limited_by": self.limit or None,
            "assumed": list(self.assumed),
            "why": self.why or None,
        }
