"""How long a certificate lives, read without a program: openssl is not on every node."""

from __future__ import annotations

import base64
import calendar
import re
import time

_TIME = rb"(\x17\x0d\d{12}Z|\x18\x0f\d{14}Z)"  # UTCTime, GeneralizedTime
_VALIDITY = re.compile(rb"\x30." + _TIME + _TIME, re.DOTALL)


def lifetime(pem: str) -> tuple[float, float] | None:
    """Return (not before, not after) of a certificate in seconds since 1970; None when it is none.

    They are the first two times in it that stand together (RFC 5280, section 4.1.2.5): no program is needed, and
    openssl is not on every node.
    """
    body = "".join(line for line in pem.splitlines() if line and not line.startswith("-"))
    try:
        found = _VALIDITY.search(base64.b64decode(body, validate=True))
        return (_seconds(found[1]), _seconds(found[2])) if found else None
    except ValueError:
        return None


def _seconds(time_of_asn1: bytes) -> float:
    text = time_of_asn1[2:-1].decode("ascii")
    if len(text) == 12:  # a year of two digits: 1950 to 2049
        text = ("20" if text[:2] < "50" else "19") + text
    return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S")))


def age(begin: float, end: float, now: float) -> tuple[float, float]:
    """Return (used part of a life from 0 to 1, days left); below 0 is not valid yet, above 1 is over."""
    return (now - begin) / max(1.0, end - begin), (end - now) / 86400
