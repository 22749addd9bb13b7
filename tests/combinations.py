"""Every combination of what the IPsec side of a plan can say, for the list of what is refused and for the lab."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MODES: dict[str, dict[str, Any]] = {
    "transport": {"mode": "transport"},
    "tunnel": {"mode": "tunnel"},
    "xfrm": {"mode": "tunnel", "xfrm_interface": True},
}
PROTECTS = ("overlay", "hosts")
AUTHS = ("certificates", "psk", "raw-keys")
FAMILIES = ("ipv4", "ipv6", "dual")
TOPOLOGIES: dict[str, Any] = {
    "full-mesh": "full-mesh",
    "hub": {"hub": "n1"},
    "zones": {"zones": ["zone_a", "zone_b"]},
    "between": {"between": [["n1", "n2"], ["n2", "n3"]]},
    "trap-any": "trap-any",
}
OVERLAYS = ("vxlan", "geneve", "gre", "ipip")
NATS = ("always", "never")


@dataclass(frozen=True)
class Combination:
    """One combination, in the words of the plan file; ``mode`` and ``topology`` are keys of
    :data:`MODES` and :data:`TOPOLOGIES`."""

    mode: str
    protect: str
    auth: str
    family: str
    topology: str
    overlay: str
    nat: str

    @property
    def name(self) -> str:
        return "-".join(
            (self.mode, self.protect, self.auth, self.family, self.topology, self.overlay, f"nat_{self.nat}")
        )

    def file(self) -> dict[str, Any]:
        """Return the keys of a plan file."""
        ipsec = {**MODES[self.mode], "protect": self.protect, "auth": self.auth, "nat_traversal": self.nat}
        return {
            "underlay": {"family": self.family},
            "ipsec": {**ipsec, "topology": TOPOLOGIES[self.topology]},
            "overlay": {"type": self.overlay},
        }


def every() -> Iterator[Combination]:
    """Generate all combinations."""
    for values in itertools.product(MODES, PROTECTS, AUTHS, FAMILIES, TOPOLOGIES, OVERLAYS, NATS):
        yield Combination(*values)
