"""Known advisories of the daemons in use, by a dated table. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime

from netplan.agent import known_advisories
from netplan.agent.known_advisories import NEWEST, SOURCE
from netplan.assess.evidence import Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, Verdict, grouped, unjudged
from netplan.problems import counted

TABLE_DAYS = 90  # an older table lacks what was published since
UPDATE = "see the distribution's tracker whether this package has the fixes; update it"


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    rule = policy.rule("advisories")
    told: list[Found] = [(found.name(node_id), *_of(found, node_id)) for node_id in found.nodes]
    seen = f"the nodes, {when(found.at)}" if found.facts is not None else "the plan's facts"
    known = grouped("advisories", told, code="IPP647", rule=rule, seen=seen, change=UPDATE)
    out = [row.model_copy(update={"change": "give --live"}) if row.verdict == "unjudged" else row for row in known]
    return [*out, _table(found, rule)]


def _of(found: Evidence, node_id: str) -> tuple[Verdict, str]:
    """Return the verdict on one node's charon. That a version has a fault doesn't say that the package has it."""
    facts = (found.facts or {}).get(node_id)
    planned = {node["id"]: str(node.get("strongswan", "")) for node in found.plan.get("nodes", ())}
    running = facts["version"] if facts else planned.get(node_id, "")
    if not known_advisories.version(running):
        return "unjudged", "which strongSwan runs is not known"
    known = known_advisories.of_version(running)
    plugins = facts.get("plugins") if facts else None
    package = (facts.get("package") if facts else "") or "package unknown"
    if not known:
        return "good", f"strongSwan {running}: no advisory of the table is about it"
    if plugins is None:
        numbers = ", ".join(sorted({one.number for one in known}))
        return "unjudged", f"strongSwan {running} may have {numbers}: which plugins are loaded is not known"
    hit = known_advisories.against(running, plugins)
    if not hit:
        return "good", f"strongSwan {running} ({package}): no plugin is loaded that an advisory is about"
    said = ", ".join(f"{number} ({' '.join(where) or 'charon'})" for number, where in sorted(hit.items()))
    return "doubt", f"strongSwan {running} ({package}) has {said} unless the distribution mended it"


def _table(found: Evidence, rule: str) -> Row:
    days = (datetime.fromtimestamp(found.at, UTC).date() - date.fromisoformat(NEWEST)).days
    said = f"the table of advisories ends with {NEWEST}, {counted(days, 'day')} ago ({SOURCE})"
    if days > TABLE_DAYS:
        return unjudged("table", f"advisories since then: {said}", change="update ipsecplan, or look there", rule=rule)
    return Row(check="table", verdict="good", said=said, rule=rule)
