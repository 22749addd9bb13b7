"""From one CA of a cluster to the next: nodes trust both, then get certificates of the new one, then trust it alone.

Three phases, each on every node before the next begins. What was reached is in the index of the CAs, which belongs to
this one new CA, and the new CA takes the place of the old one when that index is written: one rename.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from netplan.ipsec import ca, ca_store
from netplan.ipsec.ca import Authority
from netplan.ipsec.ca_store import Index
from netplan.ipsec.stored import LAST_PHASE
from netplan.problems import DefectError, present

CERTIFIED = 2  # the phase in which nodes get certificates of the new CA


@dataclass(slots=True)
class Rollover:
    """A new CA that is taking over. ``phases``: node id -> the phase that it is known to have reached, at least."""

    folder: Path
    old: Authority
    new: Authority
    index: Index

    @property
    def phases(self) -> dict[str, int]:
        """The phase that each node id has reached."""
        return self.index.phases

    @property
    def trusted(self) -> list[str]:
        """Both CAs as PEM, the old one first."""
        return [self.old.pem, self.new.pem]

    def begin(self, nodes: Iterable[str]) -> None:
        """Take in the nodes of the confirmed bundle: none may be left behind, and one that has left is forgotten."""
        self.index.phases = {node: self.phases.get(node, 0) for node in nodes}
        self.index.save(self.folder)

    def reached(self, nodes: Iterable[str], phase: int) -> None:
        """Remember, on disk, that nodes have reached a phase."""
        self.phases.update(dict.fromkeys(nodes, phase))
        self.index.save(self.folder)

    def signer(self) -> tuple[Authority, int]:
        """Return the CA whose certificates every node accepts at this moment, and the phase of a node that gets one.

        That is the new one from the moment on that every node has a certificate of it: then nodes may trust it alone.
        """
        ready = bool(self.phases) and min(self.phases.values()) >= CERTIFIED
        return (self.new, CERTIFIED) if ready else (self.old, CERTIFIED - 1)

    def finish(self) -> None:
        """The new CA takes the place of the old one, whose folder stays. Raises DefectError when a node is late."""
        if not self.phases or min(self.phases.values()) < LAST_PHASE:
            raise DefectError("a node does not trust the new CA alone yet")
        Index(_name(self.new)).save(self.folder)


def under_way(folder: Path) -> Rollover | None:
    """Return the change to a new CA that was begun and not ended; None where there is none. Raises ProblemError."""
    index = ca_store.settle(folder)
    if index is None or index.following is None:
        return None
    current, following = folder / index.current, folder / index.following
    if not following.exists() and not any(index.phases.values()):
        return None  # it was announced, and never made
    return Rollover(folder, ca.load(current, following), ca.load(following, current), index)


def rollover(folder: Path, cluster: str) -> Rollover:
    """Begin the change to a new CA, or go on with the one that was begun. Its name has a number of its own."""
    found = under_way(folder)
    if found is None:
        current = _name(ca.open_authority(folder, cluster))
        name = f"ipsecplan CA {cluster}"[:50] + f" {secrets.token_hex(4)}"
        ca.make(folder, name, lambda made: Index(current, made).save(folder))
        found = present(under_way(folder), "the CA that was just made")
    return found


def _name(authority: Authority) -> str:
    return present(authority.folder, "the folder of the CA").name
