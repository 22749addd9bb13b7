"""Every error code with one line of meaning. Codes are stable: scripts and documentation refer to them.

1xx stack notation, 2xx plan file, 3xx inventory, 4xx cross-field rules, 5xx bundle, 6xx nodes and rollout,
7xx verification, 8xx lab, 9xx container networks, hosts and audit.
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
    "IPP111": "explain knows no such topic",
    "IPP112": "no underlay preset has this name",
    # plan file
    "IPP201": "a file is missing or can't be read",
    "IPP202": "the file is not the YAML that a plan may be",
    "IPP203": "a key stands twice",
    "IPP204": "anchors, aliases, tags and merge keys are not allowed",
    "IPP205": "a number that YAML versions read differently",
    "IPP206": "a key that the plan file does not have",
    "IPP207": "a key is missing",
    "IPP208": "a value of the wrong type or outside its vocabulary",
    "IPP209": "a value out of range",
    "IPP210": "a file that would be written exists or can't be written",
    # inventory
    "IPP301": "there is no such inventory",
    "IPP302": "Ansible can't read the inventory",
    "IPP303": "the host pattern selects nothing",
    "IPP304": "a host variable is missing or has a wrong value",
    "IPP305": "a host name that can't be used",
    "IPP306": "fewer than two hosts",
    "IPP307": "a template where the plan needs a literal value",
    "IPP308": "two hosts have the same address",
    "IPP309": "address ranges overlap",
    # cross-field rules
    "IPP401": "a name that can't be used",
    "IPP402": "a choice that this version can't carry out",
    "IPP403": "not a proposal",
    "IPP404": "an unsafe choice is refused",
    "IPP405": "a choice that deserves a second look",
    "IPP406": "an IPv6 link below 1280",
    "IPP407": "a path rule names what the inventory does not have",
    # bundle
    "IPP501": "the target of render is not a bundle",
    "IPP502": "there is no readable bundle",
    "IPP503": "a bundle is not what its manifest says",
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
    # container networks and hosts
    "IPP901": "a container network can't do what the plan asks",
    "IPP902": "a network that brings its own IPsec on top of host IPsec",
    "IPP903": "an MTU outside what the network or its pods can use",
    "IPP904": "a rendered file is not what the network's schema allows",
    "IPP905": "values that don't fit together",
    # audit
    "IPP910": "an input was skipped",
    "IPP911": "an MTU or MSS is too large: full packets are lost or fragmented",
    "IPP912": "an MTU or MSS is smaller than it has to be",
    "IPP913": "IPsec does not cover the overlay",
    "IPP914": "two programs bring IPsec",
    "IPP915": "a running value is not the configured one",
    "IPP916": "a field that the program ignores",
    "IPP917": "an MTU below what IPv6 needs",
    "IPP918": "the exact value can't be computed from what was given",
    "IPP919": "audit found nothing that it knows",
}
