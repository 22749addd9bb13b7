"""What the controller and a node say to each other, key by key. docs/protocol.md is made from this file.

Shapes only, and nothing but the standard library: the file travels to the nodes with the rest of the agent, which
imports it for the type checker alone. A class whose name ends in Optional has the keys that may be absent. Sizes are
bytes, times seconds; ``None`` is JSON's null. The controller checks a reply against these shapes where it arrives; a
node trusts its controller.
"""

from __future__ import annotations

from typing import Any, Dict, Literal, TypedDict  # noqa: UP035  nodes may have Python 3.8

Json = Dict[str, Any]  # noqa: UP006  a JSON object of somebody else: of `ip -j`, of charon, of a CNI plugin

StateWord = Literal["none", "open", "confirmed"]
Severity = Literal["error", "warning"]


# What the bundle says of a node: node.json


class StationOptional(TypedDict, total=False):
    name: str  # of the network; absent for the main one


class Station(StationOptional):
    """The address of a node on one of the networks between the hosts."""

    address: str
    mtu: int  # of the link, in bytes


class PlannedMtu(TypedDict):
    """The sizes that are planned."""

    pod: int  # the IP packet in bytes that pods and overlay devices have


class DeviceOptional(TypedDict, total=False):
    peer: str  # id of the node it leads to; absent where one device leads to all


class Device(DeviceOptional):
    """A device of the overlay."""

    name: str
    mtu: int  # in bytes


class OverlayOptional(TypedDict, total=False):
    made_by: str  # the container network that makes it; absent for an overlay of ours
    tunnel: str | None  # made_by: its tunnel device
    mtu_on: str  # made_by: `link`, or `route` where routes carry the MTU
    routed: bool  # made_by: the host tells senders when a packet is too large
    pods_on: str | None  # made_by: the bridge that pods are on


class Overlay(OverlayOptional):
    """The overlay as one node has it."""

    type: str  # vxlan, geneve, gre, ipip, ...
    kind: str  # of the device, as Linux calls it
    port: int  # UDP port; 0 where it has none
    vni: int | None
    address: str | None  # of the node in the overlay
    pod_cidr: str | None
    devices: list[Device]
    bridge: str | None


class EspOptional(TypedDict, total=False):
    route: bool  # XFRM interfaces and routes instead of policies


class Esp(EspOptional):
    """What every SA is to be."""

    negotiated: list[str]  # transforms that charon may report, the preferred first
    mode: str  # TRANSPORT or TUNNEL


class PeerOptional(TypedDict, total=False):
    overlay_address: str | None  # absent on a additional network
    pod_cidr: str | None  # where a container network makes the overlay
    packet: str  # the full packet in stack notation; absent on a additional network
    network: str  # name of the additional network that this entry is about
    local: str  # with network: our own address there
    identity: str  # with network: IKE identity of the peer there, if it is not its id
    own_identity: str  # with network: our own IKE identity there
    host_mtu: int  # with protect: hosts; the packet between the hosts in bytes that always fits
    host_over: int  # and one that the kernel refuses; absent where it refuses none
    if_id: int  # of the XFRM interface towards the peer
    device: str  # its name
    device_mtu: int  # its MTU in bytes


class Peer(PeerOptional):
    """The other end of a pair, on one network."""

    id: str
    pair: str  # name of the connection in charon
    name: str  # for people
    address: str
    initiator: bool  # this node asks first
    encap: bool  # ESP travels in UDP
    link_mtu: int  # of the path, in bytes
    inner_mtu: int  # the packet in bytes that has to pass
    outer_packet: int  # and what it is on the wire
    children: list[str]  # names of its CHILD_SAs; this node sends on the first
    negotiated: list[str]


class Later(TypedDict):
    """What a node must know of a peer that is left out of a run."""

    pair: str
    id: str
    address: str
    children: list[str]


class NodeJsonOptional(TypedDict, total=False):
    networks: list[Station]  # its additional networks
    identities: list[str]  # its IKE identities there that are not its id
    wildcard: str  # the prefix whose hosts the wildcard connection is for


class NodeJson(NodeJsonOptional):
    """node.json: all that a node needs to know of the plan."""

    schema: int
    id: str
    name: str
    cluster: str
    family: str  # of the addresses between the hosts: ipv4 or ipv6
    underlay: Station
    overlay: Overlay
    mtu: PlannedMtu
    auth: str  # certificates, raw-keys or psk
    needs: list[str]  # charon's names of the algorithms that the node offers
    protect: str  # overlay or hosts
    clear: list[str]  # with protect: hosts; services that stay clear, as udp/123
    esp: Esp
    peers: list[Peer]


class FileEntry(TypedDict):
    """A file of the release."""

    path: str  # on the node
    sha256: str
    mode: str  # octal
    owner: str


# What the controller asks for


class Header(TypedDict):
    """The first line of a round trip: how many bytes of each part follow."""

    digest: str  # of the agent's code
    code: int
    request: int
    archive: int


class LeaseRequest(TypedDict):
    """Who wants to change the node."""

    owner: str  # random id of a state directory, 16 hex digits
    who: str  # user@host
    epoch: int  # grows with every run
    seconds: int  # how long the node is to be ours
    steal: bool  # take it from another one


class RequestOptional(TypedDict, total=False):
    lease: LeaseRequest  # absent from what only looks
    step: str  # name of the step, to be remembered once it is done
    sent: float  # when it was sent, on the node's monotonic clock as far as the controller knows it
    skew: float  # set by the node: its wall clock minus `time`
    deferred: list[Later]  # peers that are left out
    replaced: list[str]  # ids of nodes that are other machines than before
    texts: bool  # status: with the texts of files
    stop_when_same: bool  # status: no phase after it where nothing differs
    payload_bytes: int  # preflight: how much the release has at most
    script: str | None  # preflight: revert.sh, to be tried
    run: str  # preflight, reachability: the words that packets of this run carry
    held_mtu: int  # lower-devices: the size in bytes that is kept instead of the release's
    pairs: list[str]  # encrypt: the pairs whose turn it is
    alone: list[str]  # encrypt: pairs whose other end nobody asks
    nonce: str  # probe: marks its packets
    witness: str | None  # prepare: id of the peer to ask; None decides for the others
    certificate: str  # credentials, install-certificate: PEM
    authority: str  # credentials: PEM of the CA
    authorities: list[str]  # load-ca: two PEMs, which may be the same
    publics: dict[str, str]  # credentials: public keys of the peers by id, PEM
    secrets: str  # credentials, load-psk: a file of pre-shared keys; never in a file on its way
    size: int  # lower-senders-again, lower-devices-again: bytes
    any: bool  # rolling back: whatever transaction is open
    off: bool  # rolling back: also what is confirmed


class Request(RequestOptional):
    """What one node is asked to do in one round trip."""

    phases: list[str]  # in order; the first that fails is the last
    tx: str  # id of the transaction
    node: NodeJson  # as this run needs it: without peers that are left out
    release: str  # digest of the node's files, 64 hex digits
    files: list[FileEntry]
    timer: int  # seconds after which the node rolls back by itself
    rearm: bool  # the timer begins anew before the first phase
    time: float  # wall clock of the controller, seconds since 1970
    patience: float  # longest wait for peers in a phase, seconds
    soak: float  # seconds
    kind: str  # apply or try


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


class Result(TypedDict):
    """What came of one phase; a phase that failed has only these keys."""

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


class Progress(TypedDict):
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


class StatusReportOptional(TypedDict, total=False):
    texts: Texts  # where they were asked for


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
    """Phase facts: the strongSwan that runs."""

    version: str
    algorithms: list[str]  # charon's names


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


class TrapReport(TypedDict):
    """Phase trap."""

    duplicates: int  # CHILD_SAs beyond one


class StatusWork(Work, StatusReport):
    """What the function of status returns."""


class HeardWork(Work, HeardReport):
    """What the function of reachability returns."""


class PreflightWork(Work, PreflightReport):
    """What the function of preflight returns."""


class FactsWork(Work, Strongswan):
    """What the function of facts returns."""


class ProbeWork(Work, ProbeReport):
    """What the function of probe returns."""


class RequestWork(Work, RequestReport):
    """What the functions of stage and new-key return."""


class TrapWork(Work, TrapReport):
    """What the function of trap returns."""


class Status(Result, StatusReport):
    """The result of a status that succeeded."""


class Heard(Result, HeardReport):
    """The result of a reachability that succeeded."""


class Preflight(Result, PreflightReport):
    """The result of a preflight that succeeded."""


class Facts(Result, Strongswan):
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
    "preflight": Preflight,
    "reachability": Heard,
    "facts": Facts,
    "stage": Requested,
    "new-key": Requested,
    "trap": Trapped,
    "probe": Probe,
}
