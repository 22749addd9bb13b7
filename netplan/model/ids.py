"""Names that we make, so that a user's string never becomes a section name, a path or a shell word.

An id is a short prefix and 12 hexadecimal digits of SHA-256: stable over runs, the same on every node, and
harmless in swanctl.conf, nft, systemd, Ansible and file systems.
"""

from __future__ import annotations

import hashlib
import re

ID = re.compile(r"^(n|pair)-[0-9a-f]{12}\Z")
# names that people choose, each to be matched as a whole
CLUSTER_NAME = r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?"
HOST_NAME = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?"
DIGITS = 12  # of SHA-256 in an id, hexadecimal


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:DIGITS]


def node_id(cluster: str, name: str) -> str:
    """Return the id of a node: ``n-`` and 12 hex digits; also its IKE identity and certificate name."""
    return "n-" + _short(cluster, name)


def pair_id(one: str, other: str, network: str = "") -> str:
    """Return the id of the unordered pair of two node ids; also the name of its swanctl connection on both ends.

    ``network``: the network between them, when it is not the one that carries the overlay.
    """
    return "pair-" + _short(*sorted((one, other)), *((network,) if network else ()))


def identity(node: str, network: str) -> str:
    """Return the IKE identity of a node (an id) on an additional network where its id can't be it."""
    return "n-" + _short(node, "network", network)


def is_initiator(one: str, other: str) -> bool:
    """Tell whether ``one`` (a node id) initiates the pair; exactly one of the two ends does, half of them each."""
    low, high = sorted((one, other))
    digit = int(pair_id(one, other)[-1], 16)
    return one == (low if digit % 2 else high)


def peer_device(overlay: str, peer: str) -> str:
    """Return the interface name of the device towards a peer (a node id); 13 characters of the 15 allowed."""
    return {"geneve": "gv-", "gre": "gr-", "ipip": "ip-"}[overlay] + peer.removeprefix("n-")[:10]


def mac_address(overlay_address: str) -> str:
    """Return the MAC address of a VXLAN device: locally administered, the device's IPv4 address in its last bytes."""
    return "02:1e" + "".join(f":{int(octet):02x}" for octet in overlay_address.split("."))
