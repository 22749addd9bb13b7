"""Keys and their ages: lives of SAs, how the ends authenticate, certificates, rotations. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netplan.assess.evidence import Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, Verdict, grouped, unjudged
from netplan.model.lifetimes import duration, margin, seconds
from netplan.problems import counted

DAY_S = 86400
LEAST_DAYS = 30  # a certificate that ends sooner is worth a word
OLDEST_DAYS = 365  # credentials that nobody renewed for longer are


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    return [
        *_lives(found, policy),
        *_authentication(found, policy),
        *_certificates(found, policy),
        *_age(found, policy),
    ]


def _lives(found: Evidence, policy: Policy) -> list[Row]:
    """How long the key of an SA may be in use: its rekey time and the margin that strongSwan adds."""
    told: list[Found] = []
    for node_id, offers in found.offers.items():
        different = set(offers.values())
        ends = {
            "IKE_SA": {_longest(offer.ike_life) for offer in different},
            "CHILD_SA": {_longest(life) for offer in different for life in offer.child_lives},
        }
        for kind, limit in (("IKE_SA", policy.ike_life), ("CHILD_SA", policy.child_life)):
            longest = max(ends[kind], default=0)
            if not longest:
                told.append((found.name(node_id), "unjudged", f"the life of one {kind} is no time that is known here"))
                continue
            verdict: Verdict = "bad" if longest > limit else "good"
            word = "longer than" if longest > limit else "within"
            said = f"the key of one {kind} lives {duration(longest)} at most, {word} {duration(limit)}"
            told.append((found.name(node_id), verdict, said))
    change = "shorten ipsec.lifetimes in the plan, render and apply"
    return grouped("lives", told, code="IPP710", rule=policy.rule("lives"), seen="the bundle", change=change)


def _longest(text: str) -> int:
    life = seconds(text) or 0
    return life + margin(life)


def _authentication(found: Evidence, policy: Policy) -> list[Row]:
    told: list[Found] = []
    for node in found.nodes.values():
        auth = node["auth"]
        if auth not in policy.auth:
            told.append(
                (node["name"], "bad", f"peers authenticate by {auth}, not by {' or '.join(sorted(policy.auth))}")
            )
        elif auth == "certificates" and policy.signature_doubt:
            told.append((node["name"], "doubt", policy.signature_doubt))
        else:
            words = {"certificates": "certificates (ECDSA P-384, of the cluster's CA)", "raw-keys": "raw public keys"}
            told.append((node["name"], "good", f"peers authenticate by {words.get(auth, 'a pre-shared key a pair')}"))
    change = "set ipsec.auth in the plan, render and apply"
    rule = policy.rule("authentication")
    return grouped("authentication", told, code="IPP710", rule=rule, seen="the bundle", change=change)


def _certificates(found: Evidence, policy: Policy) -> list[Row]:
    if all(node["auth"] != "certificates" for node in found.nodes.values()):
        return []
    rule, change = policy.rule("credentials"), "`ipsecplan rotate certificates`, or `rotate ca` for the CA's own"
    out = []
    if found.status is not None:
        seen = f"the nodes, {when(found.at)}"
        told = list(_on_nodes(found))
        out += grouped("certificates on nodes", told, code="IPP712", rule=rule, seen=seen, change=change)
    if found.issued is None:
        said = "what the cluster's CA issued: this state directory has no CA that can be read"
        return [
            *out,
            unjudged("certificates issued", said, change="give --state-dir of the control machine", rule=rule),
        ]
    told = [(issued.owner, *_left(issued.ends, found.at)) for issued in found.issued]
    missing = sorted({found.name(i) for i in found.nodes} - {issued.owner for issued in found.issued})
    told += [(name, "unjudged", "no certificate of this node is kept here") for name in missing]
    return [*out, *grouped("certificates issued", told, code="IPP712", rule=rule, seen="the CA", change=change)]


def _on_nodes(found: Evidence) -> Iterator[Found]:
    for node_id, status in (found.status or {}).items():
        if not status["certificates"]:
            yield found.name(node_id), "unjudged", "the node has no certificate of ours, or didn't say"
        for name, age in status["certificates"].items():
            yield (f"{found.name(node_id)} {name}", *_left(found.at + age["days_left"] * DAY_S, found.at))
    yield from ((name, "unjudged", "the node did not answer") for name in found.silent)


def _left(ends: float, now: float) -> tuple[Verdict, str]:
    days = (ends - now) / DAY_S
    if days < 0:
        return "bad", "has expired"
    if days < LEAST_DAYS:
        return "doubt", f"ends in less than {counted(LEAST_DAYS, 'day')} ({when(ends)[:10]})"
    return "good", f"valid for more than {counted(LEAST_DAYS, 'day')}"


def _age(found: Evidence, policy: Policy) -> list[Row]:
    """When credentials were renewed last, by the journals."""
    rule = policy.rule("credentials")
    if found.rotations:
        last = found.rotations[-1]
        at, said = last.at, f"{last.what} were renewed {when(last.at)} ({last.transaction})"
    elif found.confirmed:
        past, at = found.confirmed
        said = f"credentials were never rotated; this bundle was confirmed {when(at)} ({past.transaction})"
    else:
        said = "when credentials were renewed: no journal here has a confirmed transaction of this bundle"
        return [unjudged("rotations", said, change="give --state-dir of the control machine", rule=rule)]
    old = found.at - at > OLDEST_DAYS * DAY_S
    told: list[Found] = [(found.bundle.cluster, "doubt" if old else "good", said)]
    change = "`ipsecplan rotate`"
    return grouped("rotations", told, code="IPP712", rule=rule, seen="the journals", change=change)
