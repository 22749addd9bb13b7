"""Pre-shared keys, one for each pair: made once on the control machine, never on a node, never in a bundle.

The store may be an ansible-vault file (:mod:`netplan.ipsec.vault`), and its keys may come from somebody else's vault:
then a pair without one is an error, and none is made here.

A key that each run makes anew "if absent" is how a reinstalled node loses all its peers, so there is one store for the
cluster. It holds what is current and, while a rotation is under way, what comes next, and how far each node is.

Rotation in three phases, because charon accepts every key that it has loaded but signs with the one loaded last:

    1  [next, current]   accepts both, signs with the current one
    2  [current, next]   accepts both, signs with the next one
    3  [next]

Nodes one phase apart can always authenticate each other; two phases apart they can't, so that is refused.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from pydantic import Field

from netplan.files import make_private, read_regular, write_atomic
from netplan.ipsec import vault
from netplan.ipsec.stored import LAST_PHASE, LIMIT, Document, NodeId, PairId, Phase, Version, checked, parsed
from netplan.ipsec.swanctl import quote
from netplan.model.ids import node_id, pair_id
from netplan.problems import ExitCode, Location, ProblemError, fail, quoted
from netplan.refusals import refusals

BYTES = 32  # 256 bits; NIST SP 800-77r1 asks for at least 112 bits of strength, unique for each pair
LEAST = 32  # characters of a key that somebody else made
LEAST_DIFFERENT = 10  # of its characters
RESTORE = "restore it from a backup (`ipsecplan ca restore`): new keys would cut every pair"
_HEX = re.compile(r"^[0-9a-f]{64}\Z")


class _Pair(Document):
    current: str
    next: str | None


class _Stored(Document):
    schema_: Version = Field(alias="schema")
    pairs: dict[PairId, _Pair]
    phases: dict[NodeId, Phase]
    given: bool = False


class Secret:
    """A key that no message, log, traceback or repr shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and secrets.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """Return the key; for the store and for the node's own file, and nothing else."""
        return self._text


@dataclass(slots=True)
class PairKeys:
    """The keys of one pair; ``following`` is None unless a rotation is under way."""

    current: Secret
    following: Secret | None = None


@dataclass(slots=True)
class Store:
    """All keys of a cluster: pair id -> keys, and node id -> phase of the rotation that it is known to have reached.

    ``given``: somebody else makes the keys, so none is made here; ``sealed``: the file is a vault.
    """

    path: Path
    pairs: dict[str, PairKeys] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)
    given: bool = False
    sealed: bool = False

    @property
    def rotating(self) -> bool:
        """Tell whether a rotation is under way."""
        return any(keys.following is not None for keys in self.pairs.values())

    def ensure(self, pairs: Iterable[str]) -> int:
        """Make keys for pairs that have none; returns how many. A pair that joins during a rotation has nothing old.

        Raises ProblemError where keys are given and one is missing.
        """
        made = 0
        pairs = list(pairs)
        missing = [pair for pair in pairs if pair not in self.pairs]
        if self.given and missing:
            fail(
                "IPP670",
                f"{len(missing)} of {len(pairs)} pairs have no key in what was imported, first {missing[0]}",
                hint="`ipsecplan psk import` takes it; a key is never made here beside imported ones",
            )
        for pair in pairs:
            if pair not in self.pairs:
                self.pairs[checked(pair)] = PairKeys(_new())
                made += 1
        return made

    def begin(self, nodes: Iterable[str]) -> None:
        """Begin a rotation of every pair, or go on with the one that was begun.

        ``nodes``: all of the bundle that is confirmed; one that has left has no pair with them any more.
        """
        if self.given and not self.rotating:
            fail(
                "IPP670",
                "the keys of this cluster are imported",
                hint="`ipsecplan psk import` the new ones, then rotate",
            )
        if not self.rotating:
            for keys in self.pairs.values():
                keys.following = _new()
            self.phases = {}
        self.phases = {checked(node): self.phases.get(node, 0) for node in nodes}

    def may(self, node: str, phase: int) -> None:
        """Refuse a step that would put two nodes two phases apart, or one node two phases on."""
        if not self.rotating and phase:
            fail("IPP670", "no rotation is under way", hint="begin one with `ipsecplan rotate psk`")
        behind = sorted(other for other, reached in self.phases.items() if reached < phase - 1)
        if behind:
            fail(
                "IPP670",
                f"{node} can't go to phase {phase}: {', '.join(behind[:4])} is at {self.phases[behind[0]]}, and nodes "
                "two phases apart can't authenticate each other",
                hint="bring every node to the phase before",
            )
        if phase < self.phases.get(node, 0) - 1:
            fail("IPP670", f"{node} is at phase {self.phases[node]} and can't go back to {phase}")

    def reached(self, node: str, phase: int) -> None:
        """Remember that a node has loaded the keys of a phase."""
        self.may(node, phase)
        self.phases[node] = phase

    def finish(self) -> None:
        """End the rotation: every node is at the last phase, so the old keys go."""
        late = sorted(node for node, phase in self.phases.items() if phase < LAST_PHASE)
        if late:
            fail("IPP670", f"{', '.join(late[:4])} is not at phase {LAST_PHASE}")
        for keys in self.pairs.values():
            if keys.following is not None:
                keys.current, keys.following = keys.following, None
        self.phases = {}

    def keys(self, pair: str, phase: int) -> list[Secret]:
        """Return what a node loads for a pair in a phase, in the order of its file: the last one signs."""
        found = self.pairs[pair]
        if found.following is None or phase == 0:
            return [found.current]
        return {
            1: [found.following, found.current],
            2: [found.current, found.following],
            3: [found.following],
        }[phase]

    def save(self) -> None:
        """Write the store, 0600, in one step."""
        document = _Stored(
            schema=1,
            pairs={
                pair: _Pair(current=k.current.reveal(), next=k.following.reveal() if k.following else None)
                for pair, k in sorted(self.pairs.items())
            },
            phases=dict(sorted(self.phases.items())),
            given=self.given,
        )
        data = (document.model_dump_json(by_alias=True, indent=1) + "\n").encode()
        with refusals(self.path, "written", "IPP670", ExitCode.FAILURE):
            make_private(self.path.parent)
            write_atomic(self.path, vault.seal(data, str(self.path)) if self.sealed else data, 0o600)


def open_store(path: Path) -> Store:
    """Read the store of a cluster, or return an empty one. Refuses one that others can read."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return Store(path)
    where = Location(str(path))
    if about.st_uid != os.geteuid():
        fail("IPP670", "it belongs to another user", location=where, hint=RESTORE)
    if about.st_mode & 0o077:
        fail("IPP670", "it can be read by others", location=where, hint=f"chmod 600 {path}")
    with refusals(path, "read", "IPP670"):
        raw = read_regular(path, LIMIT)
    sealed = vault.sealed(raw)
    if sealed:
        raw = vault.unseal(raw, str(path))
    found = parsed(_Stored, raw, path, "IPP670", "store of keys", RESTORE)
    try:
        pairs = {
            pair: PairKeys(_usable(pair, keys.current), _usable(pair, keys.next) if keys.next is not None else None)
            for pair, keys in found.pairs.items()
        }
        _refuse_repeated(pairs)
    except ProblemError as error:
        fail("IPP670", f"no store of keys: {error}", location=where, hint=RESTORE)
    return Store(path, pairs, found.phases, given=found.given, sealed=sealed)


def take(store: Store, given: Mapping[str, str]) -> tuple[int, int]:
    """Put keys that somebody else made (pair id -> key) into a store. Returns how many pairs are new and how many have
    another key now, which `rotate psk` brings into use. Weak and repeated ones are refused."""
    if store.rotating:
        fail("IPP670", "a rotation is under way", hint="end it first: `ipsecplan rotate psk`")
    before, changed = len(store.pairs), 0
    for pair, text in given.items():
        key = _usable(pair, text)
        known = store.pairs.setdefault(checked(pair), PairKeys(key))
        if known.current != key:
            known.following = key
            changed += 1
    _refuse_repeated(store.pairs)
    store.given = True
    return len(store.pairs) - before, changed


def by_names(cluster: str, data: bytes) -> dict[str, str]:
    """Read keys from YAML: two host names with a space between them -> key. Returns pair id -> key."""
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not document:
        fail("IPP670", "this is no list of keys", hint='YAML such as: "n1 n2": KEY')
    found = {}
    for names, key in document.items():
        hosts = str(names).split()
        if len(hosts) != 2 or hosts[0] == hosts[1] or not isinstance(key, str):
            fail("IPP670", f"{quoted(names)} is no pair with a key", hint='two host names and a text: "n1 n2": KEY')
        pair = pair_id(*(node_id(cluster, host) for host in hosts))
        if pair in found:
            fail("IPP670", f"{quoted(names)} has two keys")
        found[pair] = key
    return found


def secrets_file(
    store: Store, node: str, peers: Mapping[str, str], phase: int, more: Mapping[str, tuple[str, str, str]] = {}
) -> str:
    """Return the node's own secrets for swanctl; ``peers`` is pair id -> peer id. The order of sections matters.

    ``more``: the same keys again for identities on additional networks, as pair id -> (pair whose key it is, own
    identity, peer's).
    """
    lines = [
        "# ipsecplan: made by `ipsecplan apply`; the order is semantic, charon signs with the last one",
        "secrets {",
    ]
    owners = {pair: (pair, node, peer) for pair, peer in peers.items()} | dict(more)
    for pair, (key, own, peer) in sorted(owners.items()):
        for number, secret in enumerate(store.keys(key, phase), 1):
            text = secret.reveal()
            value = f"0x{text}" if _HEX.match(text) else quote(text)
            lines.append(f"  ike-{checked(pair)}-{number} {{")
            lines += [f"    id-1 = {quote(checked(own))}", f"    id-2 = {quote(checked(peer))}"]
            lines += [f"    secret = {value}", "  }"]
    return "\n".join([*lines, "}"]) + "\n"


def _new() -> Secret:
    return Secret(secrets.token_hex(BYTES))


def _usable(pair: str, text: str) -> Secret:
    """Return a key. Raises ProblemError for a weak one, and for one that no file of ours may hold."""
    if len(text) < LEAST or len(set(text)) < LEAST_DIFFERENT:
        fail("IPP670", f"the key of {pair} is too weak: at least {LEAST} characters, made by a generator")
    try:
        quote(text)
    except ValueError:
        fail("IPP670", f"the key of {pair} has a line break or another control character in it")
    return Secret(text)


def _refuse_repeated(pairs: Mapping[str, PairKeys]) -> None:
    keys = [k for pair in pairs.values() for k in (pair.current, pair.following) if k is not None]
    if len({key.reveal() for key in keys}) != len(keys):
        fail("IPP670", "two pairs have the same key: a node could pose as another one", hint="one key for each pair")
