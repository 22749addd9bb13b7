"""What differs from what was confirmed, and since when it was as confirmed. Pure."""

from __future__ import annotations

from netplan.assess.evidence import Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, Verdict, grouped, unjudged
from netplan.verify.drift import problems

LOOK_DAYS = 7  # a look that is older tells nothing of today
APPLY = "`ipsecplan status` tells each with its remedy; `ipsecplan apply` puts back what differs"


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    del policy
    since = f" since it was confirmed {when(found.confirmed[1])}" if found.confirmed else ""
    if found.status is not None:
        return _now(found, since)
    look = found.look
    if look is None or look.digest != found.bundle.digest:
        said = "whether nodes differ from what was confirmed: they were not asked, and no look at them is kept"
        return [unjudged("drift", said, change="give --live")]
    if found.at - look.at > LOOK_DAYS * 86400:
        said = f"whether nodes differ from what was confirmed: the last look is of {when(look.at)}"
        return [unjudged("drift", said, change="give --live")]
    differ: list[Found] = [(name, "bad", text) for name, node in look.nodes.items() for text in node.differs]
    told: list[Found] = [
        (name, "good", f"nothing differs{since}") for name, node in look.nodes.items() if not node.differs
    ]
    told += [(name, "unjudged", "it did not answer the last look") for name in look.silent]
    seen = f"the nodes, {when(look.at)}"
    return [
        *grouped("drift IPP680", differ, code="IPP680", seen=seen, change=APPLY),
        *grouped("drift", told, seen=seen),
    ]


def _now(found: Evidence, since: str) -> list[Row]:
    seen = f"the nodes, {when(found.at)}"
    by_code: dict[str, list[Found]] = {}
    good: list[Found] = []
    for node_id, status in (found.status or {}).items():
        name = found.name(node_id)
        told = problems(name, status)
        if not told:
            good.append((name, "good", f"nothing differs{since}"))
        for problem in told:
            said = problem.message.removeprefix(f"{name}: ")
            verdict: Verdict = "bad" if problem.severity == "error" else "doubt"
            by_code.setdefault(problem.code, []).append((name, verdict, said))
    good += [(name, "unjudged", "the node did not answer") for name in found.silent]
    out = [
        r
        for code in sorted(by_code)
        for r in grouped(f"drift {code}", by_code[code], code=code, seen=seen, change=APPLY)
    ]
    return [*out, *grouped("drift", good, seen=seen)]
