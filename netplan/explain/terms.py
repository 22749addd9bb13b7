"""What the words of plans, phases and reports mean; `explain WORD` prints them."""

from __future__ import annotations

TERMS: dict[str, str] = {
    "guard": "The leak guard is an nftables table of our own on every node. It counts overlay packets without IPsec"
    " first (guard-count.nft) and drops them from the phase enforce on (guard-drop.nft). A watchdog reloads it.",
    "floor": "The block policies: XFRM policies behind strongSwan's own that stop overlay packets without IPsec also"
    " where nftables is gone (docs/decisions/0050-block-policies.md).",
    "soak": "The phase between trap and enforce: for --soak seconds no clear packet may be counted and no XFRM error"
    " may rise, before clear packets are dropped.",
    "senders": "What makes packets: pods and the routes in them. They get a smaller MTU before devices do, and a larger"
    " one after them, so no packet is too large on its way.",
    "permissive": "The phase in which a node accepts clear and encrypted packets of its peers, so that each end of a"
    " pair can change over alone without loss.",
    "trap": "A policy that asks charon for an SA when a packet needs one. With it a lost SA never means clear traffic.",
    "class": "All host pairs with the same link MTU, NAT traversal and proposals: the unit of arithmetic. The class"
    " with the smallest inner packet sets the MTU of all pods.",
    "plane": "An earlier word for an additional network between the hosts: underlay.networks in the plan.",
    "witness": "The peer that a node asks, when its rollback timer fires, whether the transaction was confirmed.",
    "lease": "What a node remembers of the one control process that may change it, with an end. --take-over takes it.",
    "overlay": "The tunnels that carry pods' packets between hosts (VXLAN, Geneve). IPsec protects them.",
    "bundle": "The directory that render writes: the exact files of all nodes, REVIEW.md, and a manifest with digests.",
    "probe": "The proof on the wire: a DF packet of the planned size passes, one byte more is refused, ESP is seen and"
    " no clear packet but one that is planted.",
}
