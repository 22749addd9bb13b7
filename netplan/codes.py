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
    "IPP109": "the stack ends before the packet it carries",
    "IPP110": "calc was asked for two things that exclude each other",
    "IPP111": "explain knows no such topic",
    # lab
    "IPP801": "a name, path or option of the lab is not valid",
    "IPP802": "a program that the lab needs is not installed",
    "IPP803": "the lab's image could not be built",
    "IPP804": "no way to run the lab works on this machine, or not the one asked for",
    "IPP805": "the lab did not answer in time",
    "IPP806": "there is no such lab or node, or it is not running",
    "IPP807": "a lab of this name runs with other parameters",
    "IPP808": "a saved cluster could not be made or restored",
    "IPP809": "a command inside the lab failed",
}
