"""The half of an unmanaged peer: its parameters in the words of the field, and the same as files of several programs.

An appliance, or another team's host: whoever configures it gets one page for each, with every value written out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from netplan.ipsec.connections import ConnectionFiles
from netplan.ipsec.far_end import cisco, fortios, libreswan, routeros
from netplan.ipsec.far_end.ends import GROUP_NUMBERS, CannotSay, FarEnd, far_end
from netplan.model.lifetimes import duration, longest, responder, seconds
from netplan.model.node import Node
from netplan.model.proposals import EspProposal, IkeProposal, esp_proposal, ike_proposal
from netplan.model.proposals.keywords import GROUPS, INTEGRITY, PRF, group
from netplan.plan.types import Plan
from netplan.templates.render import markdown_cell, render

_PROGRAMS: tuple[tuple[str, str, Callable[[FarEnd], str]], ...] = (
    ("libreswan 5", libreswan.NAME, libreswan.text),
    ("RouterOS 7", routeros.NAME, routeros.text),
    ("FortiOS 7", fortios.NAME, fortios.text),
    ("Cisco IOS XE", cisco.NAME, cisco.text),
)


@dataclass(frozen=True, slots=True)
class Words:
    """One proposal as appliances ask for it."""

    encryption: str
    integrity: str
    prf: str
    groups: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file for one program, or ``lacks``: what the program has no word for, so that there is no file."""

    program: str
    name: str
    text: str = ""
    lacks: str = ""


def sheets(plan: Plan, node: Node) -> list[Sheet]:
    """Return the files for an unmanaged peer's administrator, one a program that it may run."""
    end = far_end(plan, node)
    made = []
    for program, name, write in _PROGRAMS:
        try:
            made.append(Sheet(program, name, write(end)))
        except CannotSay as reason:
            made.append(Sheet(program, name, lacks=str(reason)))
    return made


def files(plan: Plan, node: Node, made: ConnectionFiles | None = None) -> dict[str, str]:
    """Return file name -> text for one unmanaged peer; ``made`` writes the connections of this plan."""
    others = sheets(plan, node)
    return {
        "PARAMETERS.md": parameters(plan, node, others),
        "ipsecplan.conf": (made or ConnectionFiles(plan)).text(node),
        **{sheet.name: sheet.text for sheet in others if sheet.text},
    }


def parameters(plan: Plan, node: Node, others: Sequence[Sheet] = ()) -> str:
    """Return the page of parameters, with what each of the ``others`` beside it is for."""
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
        sheets=others,
        networks=[(fabric.name, local) for fabric in plan.additional if (local := fabric.at(node)) is not None],
        port=plan.file.overlay.udp_port,
        esn=any("esn" in t.split("-") for c in plan.connections(node) for t in c.pair.pair_class.offer.esp),
        pfs=any(size.proposal.key_exchange for c in plan.connections(node) for size in c.pair.pair_class.sized),
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
        f"{GROUPS[g].name} (group {GROUP_NUMBERS.get(GROUPS[g].name, '?')}"
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
