"""The releases of Debian that the lab's nodes can run, and which one they run unless told otherwise.

A *root* is what one node runs: a release, or a release with another IPsec daemon (``trixie-libreswan``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

RELEASES: tuple[str, ...] = ("bookworm", "trixie", "forky", "sid")  # the oldest first
STABLE = "trixie"
PEERS: tuple[str, ...] = ("libreswan",)  # IPsec daemons of an unmanaged peer
PEER_RELEASE = "trixie"  # has libreswan 5.2
KERNEL_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,5}){1,2}")  # as `uname -r` begins
_SERVICE = {"updates", "security", "backports"}


def peer_root(peer: str) -> str:
    """Return the root of an unmanaged peer with that IPsec daemon, one of :data:`PEERS`."""
    return f"{PEER_RELEASE}-{peer}"


def parts(root: str) -> tuple[str, str]:
    """Return the release of a root and its IPsec daemon; "" is strongSwan."""
    release, _, peer = root.partition("-")
    return release, peer


def by_age(roots: Iterable[str]) -> list[str]:
    """Return roots, each once, the oldest release first; of one release that with strongSwan comes last."""

    def age(root: str) -> tuple[int, bool, str]:
        release, peer = parts(root)
        return RELEASES.index(release), not peer, root

    return sorted(set(roots), key=age)


def kernel_suites(release: str) -> list[str]:
    """Return the suites in which a kernel of a wanted version may be, the most fitting one for ``release`` first."""
    others = [name for name in RELEASES if name != release]
    found = []
    for name in (release, *others):
        found += [name] if name in ("forky", "sid") else [name, f"{name}-backports"]
    return found


def with_updates(suite: str) -> tuple[str, ...]:
    """Return a suite and the suites that Debian keeps beside it, updates and security, where it keeps them."""
    alone = suite == "sid" or suite.rpartition("-")[2] in _SERVICE
    return (suite,) if alone else (suite, f"{suite}-updates", f"{suite}-security")
