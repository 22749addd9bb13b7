"""Times of SAs: how a plan writes them, and how long an SA may really live with strongSwan's rules."""

from __future__ import annotations

import re

_TIME = re.compile(r"^(?P<number>[1-9][0-9]{0,6})(?P<unit>[smhd])\Z")
# The kernel asks charon once for an SA and again after this time. charon ignores what it is asked while it is at work
# for the same pair, so this is also how long such a pair stays dark. SPIs that charon allocated live as long.
ACQUIRE_S = 10
DPD_S = 20  # of silence, with few peers
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> int | None:
    """Return a time such as ``4h`` or ``90m`` in seconds; None when it is none."""
    found = _TIME.match(text)
    return int(found["number"]) * _UNITS[found["unit"]] if found else None


def responder(life: int) -> int:
    """Return when the responder rekeys (seconds): a quarter later, so that only one end starts it."""
    return life * 5 // 4


def longest(life: int) -> int:
    """Return how long an SA may live at most (seconds): strongSwan adds a tenth before it ends an SA for good."""
    return responder(life) * 11 // 10


def shortest(limit: int) -> int:
    """Return the longest rekey time in whole minutes whose SAs all end within ``limit`` (seconds)."""
    return limit * 8 // 11 // 60 * 60


def duration(life: int) -> str:
    """Return seconds as swanctl and people write them: in the largest unit that leaves no rest."""
    for unit in ("h", "m"):
        if life % _UNITS[unit] == 0:
            return f"{life // _UNITS[unit]}{unit}"
    return f"{life}s"


def dpd_delay(peers: int) -> int:
    """Return after how many seconds of silence a peer is asked whether it lives: at most 5 such questions a second.

    strongSwan 6 asks each peer again and again for as long as there is an IKE_SA, so peers / delay exchanges a second.
    """
    return max(DPD_S, -(-peers // 5))
