"""The topics of an assessment, and the report of all of them."""

from __future__ import annotations

from netplan.assess import credentials, daemons, drift, exposure, namespaces, pairs, proof
from netplan.assess.evidence import Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Named, Report, Row, Topic

PROOF_DAYS = 30
TITLES = {
    "pairs": "What is encrypted between whom, with what",
    "credentials": "Keys and their ages",
    "proof": "The proof on the wire",
    "exposure": "What a node takes and sends besides",
    "drift": "What differs from what was confirmed",
    "advisories": "Known advisories of the daemons in use",
    "namespaces": "Namespaces without a policy",
}


def assess(found: Evidence, policy: Policy, *, proof_days: int = PROOF_DAYS) -> Report:
    """Return the report. Every topic is in it: one about which nothing is known says so."""
    told: dict[str, list[Row]] = {
        "pairs": pairs.rows(found, policy),
        "credentials": credentials.rows(found, policy),
        "proof": proof.rows(found, policy, proof_days=proof_days),
        "exposure": exposure.rows(found, policy),
        "drift": drift.rows(found, policy),
        "advisories": daemons.rows(found, policy),
        "namespaces": namespaces.rows(found, policy),
    }
    return Report(
        cluster=found.bundle.cluster,
        digest=found.bundle.digest,
        at=when(found.at),
        live=found.status is not None,
        policy=Named(name=policy.name, title=policy.title, source=policy.source),
        sources=list(found.sources),
        topics=[Topic(name=name, title=title, rows=told[name]) for name, title in TITLES.items()],
    )
