"""What a node answers, and the shape of what each phase adds."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from .words import Role, Severity, StateWord, Tried

# What a node answers


class FindingOptional(TypedDict, total=False):
    ended: Last  # how the transaction ended that is gone


class Finding(FindingOptional):
    """Something that is wrong, or worth a look."""

    code: str  # IPP and three digits
    message: str
    hint: str | None
    severity: Severity


class DriftRow(Finding):
    """A difference between a node and its release."""

    found: str
    planned: str


class WorkOptional(TypedDict, total=False):
    notes: list[Finding]  # warnings


class Work(WorkOptional):
    """What the function of a phase returns."""

    changed: bool
    detail: str  # one line for people


class ResultOptional(TypedDict, total=False):
    waiting_for: list[str]  # the phase lacks what these peers (ids, the first 50) have yet to do: ask again
    lacking: int  # how many peers those are


class Result(ResultOptional):
    """What came of one phase; a phase that failed or waits has only these keys."""

    phase: str
    ok: bool
    changed: bool
    detail: str  # one line for people
    findings: list[Finding]
    seconds: float  # of the node's own time


class Last(TypedDict, total=False):
    """How a node's last transaction ended; empty where there was none."""

    tx: str
    result: str  # confirmed or reverted
    by: str  # operator, witness, timer, boot
    at: str  # UTC


class StateOptional(TypedDict, total=False):
    cluster: str  # of what is confirmed


class State(StateOptional):
    """What a node remembers."""

    schema: int
    state: StateWord
    tx: str
    release: str  # digest
    at: str  # UTC
    last: Last


class ProgressOptional(TypedDict, total=False):
    rolling_back: bool  # its rollback has begun: nobody may go on with it
    left: list[str]  # what that rollback could not take away yet


class Progress(ProgressOptional):
    """How far the open transaction is."""

    kind: str  # apply or try; empty where none is open
    release: str
    steps: list[str]  # that are done
    proven: bool
    prepared: bool
    left_s: float | None  # seconds until the node rolls back by itself


class Lease(TypedDict):
    """Who may change the node."""

    owner: str
    who: str
    epoch: int
    until: float  # on the node's monotonic clock
    boot: str  # id of the boot that clock belongs to
    left_s: int  # seconds; 0 where nobody holds it


class Guard(TypedDict):
    """The guard as it is loaded."""

    mode: Literal["absent", "count", "drop"]
    clear: dict[str, int]  # counter -> clear packets it matched


class PodPort(TypedDict):
    """A running pod."""

    port: str  # the host's end of its veth
    mtu: int  # what the pod sends at most, in bytes
    port_mtu: int  # of the host's end


class LiveMtu(TypedDict):
    """The sizes that are there."""

    devices: dict[str, int | None]  # in bytes; None where the device is missing
    bridge: int | None
    pods: list[PodPort]
    unknown_ports: list[str]  # whose pods were not found


class PairSas(TypedDict):
    """The SAs with one peer."""

    peer: str  # id
    name: str
    children: dict[str, list[str]]  # name of the CHILD_SA -> transforms


class CertificateAge(TypedDict):
    """How old a certificate is."""

    used_percent: int  # of its life
    days_left: float


class Texts(TypedDict):
    """Texts of what is installed; None where a file is missing."""

    swanctl: str | None
    guard: str | None
    wildcard: str | None
    files: dict[str, str | None]  # path -> text


class ChildCounters(TypedDict):
    """A CHILD_SA as charon has it, with the kernel's counters."""

    name: str
    state: str
    transform: str  # as AES_GCM_16-256
    mode: str
    encap: bool  # ESP travels in UDP
    bytes_in: int
    bytes_out: int
    packets_in: int
    packets_out: int
    installed_s: int  # seconds since it was installed
    rekey_s: int  # seconds until it is replaced


class CloseUp(TypedDict):
    """One pair from near."""

    peer: str  # id
    network: str  # the additional network; empty for the main one
    ike: str  # state of the newest IKE_SA; none where there is none
    established_s: int  # seconds since it was established
    rekey_s: int  # seconds until it is replaced
    children: list[ChildCounters]
    route: str  # the first line of `ip route get`
    xfrm_errors: dict[str, int]  # the node's counters that are not zero
    words: list[str]  # charon's last words about it


class StatusReportOptional(TypedDict, total=False):
    texts: Texts  # where they were asked for
    close: list[CloseUp]  # of the pairs that were asked for


class StatusReport(StatusReportOptional):
    """Phase status: what a node has."""

    state: State
    transaction: Progress
    lease: Lease
    guard: Guard
    mtu: LiveMtu
    timers: list[str]  # names of armed rollback timers
    pairs: list[PairSas]
    ike_sas: int  # peers with an established one
    connections: int  # loaded in charon
    traps: int
    permissive: bool  # the wide inbound policy is there
    policies: int  # ours in the kernel
    interfaces: int | None  # peers behind XFRM interfaces; None without them
    floor: int  # block policies
    states: int  # SAs in the kernel
    certificates: dict[str, CertificateAge]
    held: list[str]  # pairs that it keeps with others in what is confirmed
    deferred: list[str]  # ids of nodes that it waits for
    to_raise: int  # the size in bytes that waits to be raised; 0: none
    xfrm_errors: dict[str, int]  # counters that are not zero
    mtu_before: dict[str, int | None]  # device -> its MTU before ipsecplan
    drift: list[DriftRow]
    differs: list[str]  # messages of the errors among them


class HeardRowOptional(TypedDict, total=False):
    network: str  # the additional network


class HeardRow(HeardRowOptional):
    """What was heard of one peer."""

    peer: str  # id
    esp: bool  # a small packet of protocol 50
    esp_full: bool  # one of the planned size
    udp: bool  # a small one to UDP 4500
    udp_full: bool


class HeardReport(TypedDict):
    """Phase reachability."""

    heard: list[HeardRow]


class Strongswan(TypedDict):
    """The strongSwan that runs, as charon itself says."""

    version: str
    algorithms: list[str]  # charon's names
    key_exchanges: list[str]  # those among them that exchange keys: CURVE_25519, ML_KEM_768, ...


class KernelTrials(TypedDict):
    """What the kernel does with a packet in a throwaway SA of a kind."""

    iptfs: Tried  # RFC 9347
    per_cpu_sas: Tried  # RFC 9611


class Surroundings(TypedDict):
    """What charon runs in."""

    system: str  # a name in the table of systems; empty where none fits
    unit: str  # the service that starts charon; empty where none is known
    confined: str  # what confines charon, and how: `AppArmor: usr.sbin.charon-systemd (enforce)`; empty for nothing


class FactsReportOptional(TypedDict, total=False):
    package: str  # of the distribution, with its version; empty where none is known
    plugins: list[str]  # that charon has loaded


class FactsReport(Strongswan, FactsReportOptional):
    """Phase facts."""

    kernel: KernelTrials
    surroundings: Surroundings


class PreflightReportOptional(TypedDict, total=False):
    strongswan: Strongswan  # absent where charon does not say


class PreflightReport(HeardReport, PreflightReportOptional):
    """Phase preflight."""


class HostRow(TypedDict):
    """Packets between the hosts themselves."""

    passes: bool
    refused: bool  # one that is too large
    said: str


class Pinged(TypedDict):
    """What DF pings to one peer came to."""

    passes: bool  # the full packet
    said: str
    refused: bool  # one byte more
    over_answers: int  # to that
    said_over: str


class ProbeRowOptional(TypedDict, total=False):
    flow_sent: int  # pings that ran through the whole measurement
    flow_gap: int  # most of them lost in a row
    host: HostRow  # with protect: hosts


class PingedRow(Pinged, ProbeRowOptional):
    """What the pings to one peer came to, before the captures are read."""


class ProbeRow(PingedRow):
    """What was measured towards one peer."""

    peer: str  # id
    network: str  # the additional network; empty for the main one
    n: int  # the full packet in bytes
    esp: int  # ESP packets that left the node
    esp_full: int  # of the planned size
    outer: int  # the largest, in bytes
    outer_planned: int
    fragments: int
    plaintext: int  # packets that left in clear
    planted: int  # plaintext packets sent on purpose
    planted_seen: int
    algorithms: list[str]
    unlike: list[str]  # what is not as planned in a CHILD_SA
    modes: list[str]


class ProbeReport(TypedDict):
    """Phase probe."""

    rows: list[ProbeRow]
    family: int  # 4 or 6
    xfrm: dict[str, int]  # error counters that rose meanwhile, and by how many


class RequestReport(TypedDict, total=False):
    """Phases stage and new-key."""

    request: str  # for a certificate, or the public key, PEM; absent where the certificate is good


class CountedChild(TypedDict):
    """What one CHILD_SA counts. One that a rekey has replaced is listed for 5 s more, with its last numbers."""

    id: int  # charon's; another SA of the same name has another
    bytes_in: int  # inner bytes
    bytes_out: int
    packets_in: int
    packets_out: int


class PairCounters(TypedDict):
    """What the SAs with one peer count; in the sums those that a rekey has replaced are left out."""

    peer: str  # id
    network: str  # the additional network; empty for the main one
    ike: str  # state of the newest IKE_SA; none where there is none
    wanted: int  # CHILD_SAs that the pair has, by name
    installed: int  # how many of them are there
    suites: list[str]  # transforms, as AES_GCM_16-256
    age_s: int | None  # seconds since the oldest was installed; None where there is none
    due_s: int | None  # seconds until the first is replaced, below 0 where that is overdue
    bytes_in: int  # inner bytes, from 0 at each rekey
    bytes_out: int
    packets_in: int
    packets_out: int
    children: list[CountedChild]  # every one, for sums over rekeys


class DeviceCounters(TypedDict):
    """A device that the plan is about."""

    device: str
    role: Role
    mtu: int  # in bytes
    counters: dict[str, int]  # the kernel's, as rx_bytes


class CountersReport(TypedDict):
    """Phase counters."""

    at: float  # the node's monotonic clock in seconds
    charon: bool  # whether it answered
    ike_sas: int
    half_open: int  # IKE_SAs that are not authenticated yet
    pairs: list[PairCounters]
    devices: list[DeviceCounters]
    ip: dict[str, int]  # fragments and refusals, as IpFragCreates and Ip6FragCreates
    xfrm: dict[str, int]  # every error counter of the kernel
    preflight_packets: int  # that came here since boot; XfrmInNoStates counts them, too
    guard: Guard
    floor: int  # block policies
    floor_planned: int  # as many as the release in force has
    watchdog: bool  # whether it runs, and hears
    path_mtu: dict[str, int]  # peer (id) -> MTU in bytes learned for the way to it, where that is below the planned


class TrapReport(TypedDict):
    """Phase trap."""

    duplicates: int  # CHILD_SAs beyond one


class StatusWork(Work, StatusReport):
    """What the function of status returns."""


class CountersWork(Work, CountersReport):
    """What the function of counters returns."""


class HeardWork(Work, HeardReport):
    """What the function of reachability returns."""


class PreflightWork(Work, PreflightReport):
    """What the function of preflight returns."""


class FactsWork(Work, FactsReport):
    """What the function of facts returns."""


class ProbeWork(Work, ProbeReport):
    """What the function of probe returns."""


class RequestWork(Work, RequestReport):
    """What the functions of stage and new-key return."""


class TrapWork(Work, TrapReport):
    """What the function of trap returns."""


class Status(Result, StatusReport):
    """The result of a status that succeeded."""


class Counters(Result, CountersReport):
    """The result of a counters that succeeded."""


class Heard(Result, HeardReport):
    """The result of a reachability that succeeded."""


class Preflight(Result, PreflightReport):
    """The result of a preflight that succeeded."""


class Facts(Result, FactsReport):
    """The result of a facts that succeeded."""


class Probe(Result, ProbeReport):
    """The result of a probe that succeeded."""


class Requested(Result, RequestReport):
    """The result of a stage or a new-key that succeeded."""


class Trapped(Result, TrapReport):
    """The result of a trap that succeeded."""


class Answer(TypedDict):
    """The answer of a node, one line of JSON behind the sentinel."""

    results: list[Result]  # one for each phase that ran
    clock: float  # the node's monotonic clock in seconds when it answered
    wall: float  # and its wall clock


# phase -> the shape of its result, where it says more than every result does
RESULTS: dict[str, Any] = {
    "status": Status,
    "counters": Counters,
    "preflight": Preflight,
    "reachability": Heard,
    "facts": Facts,
    "stage": Requested,
    "new-key": Requested,
    "trap": Trapped,
    "probe": Probe,
}
