"""What is encrypted between whom with what: offers, negotiated transforms, and what stays clear. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netplan.agent.protocol.node_json import NodeJson, Peer
from netplan.assess.algorithms import against_offer, against_transform, doubts
from netplan.assess.evidence import Evidence, Offer, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, grouped, unjudged
from netplan.problems import counted

REVIEWED = "the bundle"


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    return [
        *grouped("pair", _pairs(found), seen=REVIEWED),
        *_offers(found, policy),
        *_negotiated(found, policy),
        *_clear(found, policy),
    ]


def _peers(found: Evidence) -> Iterator[tuple[str, NodeJson, Peer]]:
    """Generate every pair once, from the end that asks first (of a pair with a host of others: from ours)."""
    for node_id, node in found.nodes.items():
        for peer in node["peers"]:
            if peer["initiator"] or peer["id"] not in found.nodes:
                yield node_id, node, peer


def _name(node: NodeJson, peer: Peer) -> str:
    network = f" ({peer['network']})" if peer.get("network") else ""
    return f"{node['name']} - {peer['name']}{network}"


def _pairs(found: Evidence) -> Iterator[Found]:
    for _, node, peer in _peers(found):
        port = node["overlay"]["port"]
        what = "everything between the hosts"
        if node["protect"] == "overlay":
            what = f"{node['overlay']['type']}{f' (UDP {port})' if port else ''}"
        esp, mode = " or ".join(peer["negotiated"]), node["esp"]["mode"].lower()
        said = f"{what}: ESP {esp}, {mode} mode, IKEv2 by {node['auth']}"
        yield _name(node, peer), "good", said + (", ESP in UDP 4500" if peer["encap"] else "")


def _offers(found: Evidence, policy: Policy) -> list[Row]:
    """Every proposal that an end offers has to be allowed: then whatever two ends agree on is."""
    by_kind: dict[str, list[Found]] = {}
    good: list[Found] = []
    aged: list[Found] = []
    judged: dict[Offer, tuple[list[tuple[str, str]], list[str]]] = {}
    for node_id, node, peer in _peers(found):
        name, offer = _name(node, peer), found.offers[node_id].get(peer["pair"])
        if offer is None:
            by_kind.setdefault("encryption", []).append((name, "bad", "no connection in swanctl.conf"))
            continue
        if offer not in judged:
            judged[offer] = _judged(policy, offer)
        wrong, old = judged[offer]
        for kind, said in wrong:
            by_kind.setdefault(kind, []).append((name, "bad", said))
        aged += [(name, "doubt", said) for said in old]
        if not wrong:
            good.append((name, "good", f"offered: ESP {', '.join(offer.esp)}; IKE {', '.join(offer.ike)}"))
    change = "change ipsec.esp, ipsec.ike or ipsec.profile in the plan, render and apply"
    out = grouped("offer", good, rule=policy.rule("encryption"), seen=REVIEWED)
    for kind, told in by_kind.items():
        out += grouped(f"offer: {kind}", told, code="IPP710", rule=policy.rule(kind), seen=REVIEWED, change=change)
    return [*out, *grouped("offer: aged", aged, code="IPP405", seen=REVIEWED, change=change)]


def _judged(policy: Policy, offer: Offer) -> tuple[list[tuple[str, str]], list[str]]:
    """Return (kind of word, what is wrong) of every proposal of an offer, and what the RFCs say against others."""
    wrong: list[tuple[str, str]] = []
    old: list[str] = []
    for word, texts in (("ESP", offer.esp), ("IKE", offer.ike)):
        for text in texts:
            found = against_offer(policy, text, ike=word == "IKE")
            wrong += [(kind, f"{word} {text} is offered: {why}") for kind, why in found.items()]
            old += [f"{text}: {why}" for why in doubts(text, ike=word == "IKE")]
    return wrong, old


def _negotiated(found: Evidence, policy: Policy) -> list[Row]:
    """What charon has agreed on with each peer, where the nodes were asked."""
    rule = policy.rule("encryption")
    if found.status is None:
        return [_looked(found, rule)]
    told: list[Found] = []
    for node_id, status in found.status.items():
        planned = {(peer["id"]): set(peer["negotiated"]) for peer in found.nodes[node_id]["peers"]}
        for pair in status["pairs"]:
            name = f"{found.name(node_id)} -> {pair['name']}"
            transforms = sorted({t for children in pair["children"].values() for t in children})
            why = [said for t in transforms if (said := against_transform(policy, t))]
            other = [t for t in transforms if t not in planned.get(pair["peer"], set())]
            if not transforms:
                told.append((name, "doubt", "no SA at this moment: nothing passes until a packet asks for one"))
            elif why:
                told.append((name, "bad", f"{', '.join(transforms)} is in use: {'; '.join(why)}"))
            elif other:
                told.append((name, "bad", f"{', '.join(other)} is in use, and is not what the bundle offers"))
            else:
                told.append((name, "good", f"{', '.join(transforms)} in use"))
    told += [(name, "unjudged", "the node did not answer") for name in found.silent]
    change = "`ipsecplan status` names what differs on the node; `ipsecplan apply` puts the reviewed files back"
    return grouped("in use", told, code="IPP710", rule=rule, seen=f"charon, {when(found.at)}", change=change)


def _looked(found: Evidence, rule: str) -> Row:
    """What the last look at the nodes says, in place of asking them."""
    look = found.look
    if look is None or look.digest != found.bundle.digest:
        said = "which SAs there are: the nodes were not asked, and no look at this bundle's nodes is kept"
        return unjudged("in use", said, change="give --live", rule=rule)
    said = f"SAs were there for {look.encrypted} of {counted(look.pairs, 'pair')}; with which transforms is not kept"
    return unjudged("in use", f"{said} (seen {when(look.at)})", change="give --live", rule=rule)


def _clear(found: Evidence, policy: Policy) -> list[Row]:
    """What the plan leaves clear on purpose."""
    rule = policy.rule("clear")
    number = sum(int(c.get("pairs", 0)) for c in found.plan.get("classes", ()) if not c.get("protected", True))
    out = []
    if number:
        said = f"the plan leaves {counted(number, 'pair')} unprotected (ipsec.topology)"
        out.append(
            Row(
                check="pairs in clear",
                verdict="doubt",
                said=said,
                number=number,
                code="IPP711",
                rule=rule,
                seen=REVIEWED,
                change="protect them by ipsec.topology, or keep the reason with this report",
            )
        )
    services: list[Found] = [
        (node["name"], "doubt", f"{', '.join(node['clear'])} stays clear between hosts (ipsec.clear)")
        for node in found.nodes.values()
        if node["protect"] == "hosts" and node["clear"]
    ]
    change = "leave only services there that encrypt by themselves, as SSH does"
    out += grouped("services in clear", services, code="IPP711", rule=rule, seen=REVIEWED, change=change)
    hosts: list[Found] = [
        (node["name"], "doubt", "what the hosts send each other outside the overlay is not protected")
        for node in found.nodes.values()
        if node["protect"] == "overlay"
    ]
    change = "`protect: hosts` covers it, where it is not encrypted by itself (kubelet, etcd, storage)"
    return [*out, *grouped("hosts in clear", hosts, code="IPP711", rule=rule, seen=REVIEWED, change=change)]
