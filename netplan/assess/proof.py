"""The proof on the wire: when it was measured, how, of which bundle, and what it found. Pure."""

from __future__ import annotations

from netplan.assess.evidence import Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, grouped, unjudged
from netplan.problems import counted
from netplan.verify.verdict import directions_of

METHOD = (
    "from a pod on each node a DF packet of the planned size arrives and one byte more is refused; a capture on the "
    "underlay sees ESP of the planned size and no clear packet, and does see a clear one that is planted"
)
AGAIN = "`ipsecplan verify` measures again; nothing is changed by it"


def rows(found: Evidence, policy: Policy, *, proof_days: int) -> list[Row]:
    """Return the rows of the topic; ``proof_days``: from which age on a measurement proves nothing."""
    proof, rule = found.proof, policy.rule("proof")
    if proof is None:
        said = "whether anything leaves in clear: no measurement is kept in this state directory"
        return [unjudged("measured", said, change=AGAIN, rule=rule)]
    seen = f"measured {when(proof.at)}{f', {proof.transaction}' if proof.transaction else ''}"
    if proof.digest != found.bundle.digest:
        said = f"the last measurement is of another bundle ({proof.digest[:16]})"
        return [_row("measured", said, rule, seen)]
    out: list[Row] = []
    days = int((found.at - proof.at) / 86400)
    if days >= proof_days or proof.at > found.at + 86400:
        out.append(
            _row("age", f"the last measurement is {counted(days, 'day')} old; it counts for {proof_days}", rule, seen)
        )
    told: list[Found] = [
        (f"{direction.source} -> {direction.to}", "bad", "; ".join(direction.wrong) or "not as planned")
        for direction in proof.directions
        if not direction.ok
    ]
    out += grouped("direction", told, code="IPP713", rule=rule, seen=seen, change=AGAIN)
    if not proof.ok and not told:
        out.append(_row("measured", "an XFRM error counter rose during the measurement", rule, seen))
    planned = directions_of(found.nodes.values())
    if proof.measured < planned:
        said = f"{planned - proof.measured} of {planned} directions were not measured"
        out.append(unjudged("not measured", said, change=AGAIN, rule=rule))
    if not out:
        clear = sum(direction.plaintext_packets for direction in proof.directions)
        directions, packets = counted(planned, "direction"), counted(clear, "clear packet")
        said = f"{proof.measured} of {directions} as planned, {packets}: {METHOD}"
        out.append(Row(check="measured", verdict="good", said=said, rule=rule, seen=seen))
    return out


def _row(check: str, said: str, rule: str, seen: str) -> Row:
    return Row(check=check, verdict="bad", said=said, code="IPP713", rule=rule, seen=seen, change=AGAIN)
