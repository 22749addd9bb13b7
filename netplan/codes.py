"""Every error code with one line of meaning. Codes are stable: scripts and documentation refer to them.

1xx stack notation, 2xx plan file, 3xx inventory, 4xx cross-field rules, 5xx bundle, 6xx nodes and rollout,
7xx verification, 8xx lab.
"""

from __future__ import annotations

CODES: dict[str, str] = {
    # stack notation
    "IPP101": "a stack token is unknown",
    "IPP102": "an option of a stack token is unknown or out of range",
    "IPP103": "this header can't follow the one before it",
    "IPP104": "the stack is empty or has an empty token",
    "IPP105": "the link is too small for this stack",
    "IPP106": "an MTU or packet size is not a whole number in range",
    "IPP107": "an ESP or AH algorithm is unknown or unfit",
    "IPP108": "a batch line is not 'STACK MTU'",
}
