"""Times of SAs: how a plan writes them, and how long an SA may really live with strongSwan's rules."""

from __future__ import annotations

import re

_TIME = re.compile(r"^(?P<number>[1-9][0-9]{0,6})(?P<unit>[smhd])\Z")
# The kernel asks charon once for an SA and again after this time. charon ignores what it is asked while it is at work
# for the same pair, so this is also how long such a pair stays dark. SPIs that charon allocated live as long.
ACQUIRE_S = 10
DPD_S = 20  # of silence, with few peers
# Between the rekey of an SA and its end. Where both ends rekey at once, an answer may be thrown away and is sent again
# 4 s later by a charon that has strongSwan's own retransmissions; a rekey on a busy host took up to 3.7 s.
LEAST_MARGIN_S = 10 + 4
# Half of the 32-bit sequence numbers: with the tenth that strongSwan adds, an SA ends before they wrap (RFC 4303,
# section 3.3.3). Behind the last one every send fails with EOVERFLOW, and nobody tells charon.
REKEY_PACKETS = 2**31
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


def margin(life: int) -> int:
    """Return the seconds between an SA's latest rekey and its end: the tenth that strongSwan adds."""
    return life // 10


def packet_rate(life: int) -> int:
    """Return how many packets a second, without extended sequence numbers, use an SA up to its rekey in ``life`` s."""
    return REKEY_PACKETS // life


def shortest(limit: int) -> int:
    """Return the longest rekey time in whole minutes whose SAs all end within ``limit`` (seconds)."""
    return limit * 8 // 11 // 60 * 60


def duration(life: int) -> str:
    """Return seconds as swanctl and people write them: in the largest unit that leaves no rest."""
    for unit in ("h", "m"):
        if life % _UNITS[unit] == 0:
            return f"{life // _UNITS[unit]}{unit}"
    return f"{life}s"


def dpd_delay(peers: int, *, always: bool = True) -> int:
    """Return after how many seconds of silence a peer is asked whether it lives: at most 5 such questions a second.

    strongSwan from 6.0.1 on asks each peer again and again for as long as there is an IKE_SA, though ESP comes in, so
    peers / delay exchanges a second. Earlier ones (``always`` false) ask only silent peers; there are 20 of them a
    second where every peer is silent.
    """
    return max(DPD_S, -(-peers // (5 if always else 20)))
