"""The releases of Debian that the lab's nodes can run, and which one they run unless told otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable

RELEASES: tuple[str, ...] = ("bookworm", "trixie", "forky", "sid")  # the oldest first
STABLE = "trixie"
KERNEL_VERSION = re.compile(r"[0-9]{1,3}(\.[0-9]{1,5}){1,2}")  # as `uname -r` begins
_SERVICE = {"updates", "security", "backports"}


def by_age(releases: Iterable[str]) -> list[str]:
    """Return some of :data:`RELEASES`, each once, the oldest first."""
    return sorted(set(releases), key=RELEASES.index)


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
