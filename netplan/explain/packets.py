"""Packets by name, such as ``calico-vxlan``: what a network's overlay looks like on the wire, without or with ESP."""

from __future__ import annotations

from netplan.model.cni_facts import NETWORKS

# between the outer and the inner IP header
_MIDDLES = {
    "vxlan": "udp/vxlan/eth",
    "geneve": "udp/geneve/eth",
    "gre": "gre",
    "gretap": "gre/eth",
    "ipip": "",
    "wireguard": "udp/wireguard",
}
MODES = ("transport", "tunnel")


def _all() -> dict[str, str]:
    """Return name -> what stands between the outer and the inner IP header."""
    found = dict(_MIDDLES)
    for network, facts in NETWORKS.items():
        for overlay, about in facts.overlays.items():
            if overlay in _MIDDLES:
                middle = f"udp/geneve:{about.options}/eth" if about.options else _MIDDLES[overlay]
                found[f"{network}-{overlay}"] = middle
                found.setdefault(network, middle)
    found["calico-ipip"] = _MIDDLES["ipip"]
    found["flannel-ipip"] = _MIDDLES["ipip"]
    return found


PACKETS = _all()


def packet(
    name: str, suite: str | None = None, mode: str = "transport", *, nat_t: bool = False, outer: str = "ip4"
) -> str:
    """Return the stack of a packet by its name. ``suite``: protected by ESP between the hosts, else in clear."""
    middle = PACKETS[name]
    words = [outer]
    if suite:
        words += [*(["udp"] if nat_t else []), f"esp:{suite}", *([outer] if mode == "tunnel" else [])]
    words += [*([middle] if middle else []), "ip4"]
    return "/".join(words)
