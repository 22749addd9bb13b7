"""``nft -j list ruleset``: TCP MSS clamps with a number. Text of nft and iptables-save is read in :mod:`.linux`."""

from __future__ import annotations

from netplan.cni.adapter import Clue, Setting, whole
from netplan.cni.yaml_document import Piece

MAX_RULES = 20_000


def clamps(piece: Piece) -> list[Setting | Clue]:
    """Read rules that set the MSS to a number; one that takes the route's MTU needs no judgement."""
    found: list[Setting | Clue] = []
    for entry in piece.items("nftables")[:MAX_RULES]:
        for expression in entry.items("rule", "expr"):
            option = expression.get("mangle", "key", "tcp option")
            value = whole(expression.get("mangle", "value"))
            if isinstance(option, dict) and option.get("name") == "maxseg" and value:
                found.append(
                    Setting(
                        system="nftables",
                        field="TCP MSS clamp",
                        location=expression.location("mangle", "value"),
                        value=value,
                        semantics="pod",
                        encap="",
                        measure="mss",
                        change="set the clamp, or clamp to the route's MTU and set that",
                        note="a clamp helps TCP only; UDP and QUIC still need the right MTU",
                    )
                )
    return found
