"""What the contract tests on this machine's own kernel share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.support.namespaces import ip


@pytest.fixture
def pair() -> Iterator[tuple[str, str]]:
    """Two namespaces with a link of 1500 bytes between them, IPv4 and IPv6."""
    names = [f"ipsecplan-{side}{uuid.uuid4().hex[:6]}" for side in "ab"]
    for name in names:
        ip("netns", "add", name)
    try:
        ip("-n", names[0], "link", "add", "u", "type", "veth", "peer", "name", "u", "netns", names[1])
        for number, name in enumerate(names, 1):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "link", "set", "u", "up")
            ip("-n", name, "addr", "add", f"10.9.0.{number}/24", "dev", "u")
            ip("-n", name, "addr", "add", f"fd09::{number}/64", "dev", "u", "nodad")
        yield names[0], names[1]
    finally:
        for name in names:
            ip("netns", "del", name)
