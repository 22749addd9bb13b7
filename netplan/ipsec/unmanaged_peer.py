"""The half of an unmanaged peer: its parameters in the words of the field, and a swanctl.conf.

An appliance, or another team's host: whoever configures it gets one page for each, with every value written out.
"""

from __future__ import annotations

from dataclasses import dataclass

from netplan.ipsec.connections import ConnectionFiles
from netplan.model.lifetimes import duration, longest, responder, seconds
from netplan.model.node import Node
from netplan.model.proposals import EspProposal, IkeProposal, esp_proposal, ike_proposal
from netplan.model.proposals.keywords import GROUPS, INTEGRITY, PRF, group
from netplan.plan.types import Plan
from netplan.templates.render import markdown_cell, render

# IANA numbers, which is what appliances ask for
_GROUP_NUMBERS = {
    "MODP_2048": 14,
    "MODP_3072": 15,
    "MODP_4096": 16,
    "MODP_6144": 17,
    "MODP_8192": 18,
    "ECP_256": 19,
    "ECP_384": 20,
    "ECP_521": 21,
    "ECP_224": 26,
    "ECP_224_BP": 27,
    "ECP_256_BP": 28,
    "ECP_384_BP": 29,
    "ECP_512_BP": 30,
    "CURVE_25519": 31,
    "CURVE_448": 32,
    "ML_KEM_512": 35,
    "ML_KEM_768": 36,
    "ML_KEM_1024": 37,
}


@dataclass(frozen=True, slots=True)
class Words:
    """One proposal as appliances ask for it."""

    encryption: str
    integrity: str
    prf: str
    groups: str


def files(plan: Plan, node: Node, made: ConnectionFiles | None = None) -> dict[str, str]:
    """Return file name -> text for one unmanaged peer; ``made`` writes the connections of this plan."""
    return {"PARAMETERS.md": parameters(plan, node), "ipsecplan.conf": (made or ConnectionFiles(plan)).text(node)}


def parameters(plan: Plan, node: Node) -> str:
    """Return the page of parameters."""
    ike, child = (seconds(getattr(plan.file.ipsec.lifetimes, kind)) or 0 for kind in ("ike", "child"))
    peers = [
        {
            "node": c.remote,
            "network": c.fabric.name,
            "nat_t": c.pair.pair_class.nat_t,
            "ike": [words(p) for t in c.pair.pair_class.offer.ike if isinstance(p := ike_proposal(t), IkeProposal)],
            "esp": [words(s.proposal) for s in c.pair.pair_class.sized],
        }
        for c in plan.connections(node)
    ]
    return render(
        "review/unmanaged-peer.md.j2",
        {"cell": markdown_cell},
        plan=plan,
        node=node,
        peers=peers,
        networks=[(fabric.name, local) for fabric in plan.additional if (local := fabric.at(node)) is not None],
        port=plan.file.overlay.udp_port,
        esn=any("esn" in t.split("-") for c in plan.connections(node) for t in c.pair.pair_class.offer.esp),
        lives={
            kind: (duration(responder(life)), duration(longest(life)))
            for kind, life in (("ike", ike), ("child", child))
        },
    )


def words(proposal: EspProposal | IkeProposal) -> Words:
    """Return a proposal in the words of the field."""
    keys = proposal.text.split("-")
    cipher = _cipher(keys[0])
    groups = [
        f"{GROUPS[g].name} (group {_GROUP_NUMBERS.get(GROUPS[g].name, '?')}"
        + (f", additional key exchange {number}, RFC 9370)" if number else ")")
        for key in keys[1:]
        if (found := group(key)) is not None
        for number, g in [found]
    ]
    return Words(
        encryption=cipher,
        integrity=next((INTEGRITY[k].name for k in keys[1:] if k in INTEGRITY), "none (AEAD)"),
        prf=next((PRF[k].name for k in keys[1:] if k in PRF), "of the integrity algorithm"),
        groups=", ".join(groups) or "none (no PFS)",
    )


def _cipher(word: str) -> str:
    found = esp_proposal(word) or esp_proposal(f"{word}-sha256")
    return found.negotiated.split("/")[0] if found else word
