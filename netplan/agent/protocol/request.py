"""What the controller asks of a node in one round trip."""

from __future__ import annotations

from typing import TypedDict

from .node_json import FileEntry, Later, NodeJson

# What the controller asks for


class HeaderOptional(TypedDict, total=False):
    about_digest: str  # SHA-256 of `node` and `files` as JSON, where the request does not have them itself
    about: int  # compressed (zlib); 0 where the node has kept them
    packed: bool  # whether the request is compressed (zlib), too


class Header(HeaderOptional):
    """The first line of a round trip: how many bytes of each part follow. A node that lacks what is named by its digest
    alone answers `{"lacks": true}`, has done nothing, and is sent all of it."""

    digest: str  # SHA-256 of the agent's code
    code: int  # compressed (zlib); 0 where the node has kept it
    request: int
    archive: int  # compressed (zlib); 0 for none


class LeaseRequired(TypedDict):
    """Who wants to change the node: what every lease has."""

    owner: str  # random id of a state directory, 16 hex digits
    who: str  # user@host
    epoch: int  # grows with every run
    seconds: int  # how long the node is to be ours
    steal: bool  # take it from another one


class LeaseRequest(LeaseRequired, total=False):
    """Who wants to change the node, and in which turn."""

    turn: int  # how many times the node was asked again by another way in this epoch; absent: not once


class RequestOptional(TypedDict, total=False):
    lease: LeaseRequest  # absent from what only looks
    step: str  # name of the step, to be remembered once it is done
    sent: float  # when it was sent, on the node's monotonic clock as far as the controller knows it
    skew: float  # set by the node: its wall clock minus `time`
    deferred: list[Later]  # peers that are left out
    replaced: list[str]  # ids of nodes that are other machines than before
    texts: bool  # status: with the texts of files
    close: list[str]  # status: ids of peers, the pairs with which are looked at from near
    stop_when_same: bool  # status: no phase after it where nothing differs
    payload_bytes: int  # preflight: how much the release has at most
    script: str | None  # preflight: revert.sh, to be tried
    watchdog: str | None  # preflight: guard.sh, to be tried
    run: str  # preflight, reachability: the words that packets of this run carry
    held_mtu: int  # lower-devices: the size in bytes that is kept instead of the release's
    more: bool  # what a phase lacks of its peers is no failure yet: it is asked again
    life: float  # preflight: seconds until the last node has begun to talk
    pairs: list[str]  # encrypt: the pairs whose turn it is; without it every pair
    alone: list[str]  # encrypt: pairs whose other end nobody asks
    rekey: list[str]  # rekey: pairs of which a CHILD_SA is rekeyed
    nonce: str  # probe: marks its packets
    witness: str | None  # prepare: id of the peer to ask; None decides for the others
    certificate: str  # credentials, install-certificate: PEM
    authority: str  # credentials: PEM of the CA
    authorities: list[str]  # load-ca, credentials: two PEMs, which may be the same; without it twice `authority`
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
    patience: float  # seconds to look again for what a phase lacks, before it answers; 0: it looks once
    soak: float  # seconds
    kind: str  # apply or try
