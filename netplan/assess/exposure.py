"""Whether a node takes or sends what no peer should: guard, block policies, openings, open transactions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.assess.evidence import FLOOR, GUARD, Evidence, when
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, grouped, unjudged
from netplan.problems import counted

OPENINGS = "cluster/firewall/"  # what administrators load; a rollout doesn't
_DROPS = re.compile(r'counter name "clear_(in|out)" drop')
_SETS = re.compile(r"add element \S+ \S+ ipsecplan_peers[46] \{([^}]*)\}")
_ENTRY = re.compile(r"<entry>([^<]+)</entry>")
APPLY = "`ipsecplan apply` puts back what differs"
# what to do where applying again is no answer
INSTEAD = {
    "clear packets": "`verify` plants such packets; where `ipsecplan top` shows more, find who sends them",
    "transaction": "`ipsecplan status` tells the state; apply this bundle, or end what is open",
}


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    rule = policy.rule("exposure")
    out = grouped("guard in the release", _planned(found), code="IPP714", rule=rule, seen="the bundle", change=APPLY)
    if found.status is not None:
        seen = f"the nodes, {when(found.at)}"
        for check, told in (
            ("guard", _guard(found)),
            ("block policies", _floor(found)),
            ("clear packets", _clear(found)),
            ("transaction", _open(found)),
        ):
            silent: list[Found] = [(name, "unjudged", "the node did not answer") for name in found.silent]
            change = INSTEAD.get(check, APPLY)
            out += grouped(check, [*told, *silent], code="IPP714", rule=rule, seen=seen, change=change)
    else:
        out += _last_look(found, rule)
    return [*out, *_openings(found, rule)]


def _planned(found: Evidence) -> Iterator[Found]:
    for node_id in found.nodes:
        drops = set(_DROPS.findall("\n".join(found.lines_of(node_id, GUARD) or []))) == {"in", "out"}
        said = "the guard drops clear packets" if drops else "the guard of the release doesn't drop clear packets"
        yield found.name(node_id), "good" if drops else "bad", said


def _guard(found: Evidence) -> Iterator[Found]:
    for node_id, status in (found.status or {}).items():
        mode = status["guard"]["mode"]
        said = {"drop": "the guard is loaded and drops", "count": "the guard only counts clear packets"}
        yield found.name(node_id), "good" if mode == "drop" else "bad", said.get(mode, "the guard is not loaded")


def _floor(found: Evidence) -> Iterator[Found]:
    for node_id, status in (found.status or {}).items():
        stops = any(found.lines_of(node_id, FLOOR) or ())
        wanted = sum("network" not in peer for peer in found.nodes[node_id]["peers"]) if stops else 0
        there = status["floor"]
        if status["interfaces"] is not None:
            yield (
                found.name(node_id),
                "good",
                "peers are behind XFRM interfaces: what leaves one is encrypted or dropped",
            )
        elif there < wanted:
            yield found.name(node_id), "bad", f"{there} of {wanted} block policies are there"
        else:
            yield found.name(node_id), "good", f"all {wanted} block policies are there"


def _clear(found: Evidence) -> Iterator[Found]:
    for node_id, status in (found.status or {}).items():
        number = sum(status["guard"]["clear"].values())
        name = found.name(node_id)
        if status["permissive"]:
            yield name, "bad", "the policy that accepts clear packets during a change is still there"
        elif status["guard"]["mode"] == "absent":
            yield name, "unjudged", "whether anything is sent in clear: the guard that would count it is not loaded"
        elif not number:
            yield name, "good", "no clear packet met the guard since it was loaded"
        elif status["guard"]["mode"] == "drop":
            yield (
                name,
                "doubt",
                "clear packets met the guard since it was loaded, and were dropped",
            )
        else:
            yield name, "bad", f"{counted(number, 'clear packet')} passed a guard that only counts"


def _open(found: Evidence) -> Iterator[Found]:
    for node_id, status in (found.status or {}).items():
        state, name = status["state"], found.name(node_id)
        if state["state"] == "confirmed" and state["release"] == found.bundle.nodes[node_id]["digest"]:
            yield name, "good", "this bundle is confirmed"
        elif state["state"] == "open":
            yield name, "doubt", f"a transaction is open: {state['tx']}"
        elif state["state"] == "confirmed":
            yield name, "bad", "another bundle is confirmed on it"
        else:
            yield name, "bad", "nothing of ipsecplan is applied: its packets are in clear"


def _last_look(found: Evidence, rule: str) -> list[Row]:
    look = found.look
    if look is None or look.digest != found.bundle.digest:
        said = "whether guard and block policies are in force: the nodes were not asked, and no look at them is kept"
        return [unjudged("guard", said, change="give --live", rule=rule)]
    told: list[Found] = [
        (name, "good" if node.guard == "drop" else "bad", f"the guard was in mode {node.guard}")
        for name, node in look.nodes.items()
    ]
    told += [(name, "unjudged", "it did not answer the last look") for name in look.silent]
    seen = f"the nodes, {when(look.at)}"
    said = "whether the block policies are in force now: the nodes were not asked"
    guard = grouped("guard", told, code="IPP714", rule=rule, seen=seen, change=APPLY)
    return [*guard, unjudged("block policies", said, change="give --live", rule=rule)]


def _openings(found: Evidence, rule: str) -> list[Row]:
    """Whether the host's firewall lets IKE and ESP in from peers alone, as far as the bundle decides that."""
    of_nodes: dict[str, list[str]] = {}
    for path in found.bundle.entries:
        if path.startswith(OPENINGS):
            of_nodes.setdefault(path.removeprefix(OPENINGS).partition("/")[0], []).append(path)
    if not of_nodes:
        said = "who may reach UDP 500, 4500 and ESP: the plan says nothing of the hosts' firewall (firewall.kind: none)"
        return [unjudged("openings", said, change="set firewall.kind, or check the hosts' own firewall", rule=rule)]
    told: list[Found] = []
    for node_id, node in found.nodes.items():
        peers = {peer["address"] for peer in node["peers"]}
        text = "".join(found.bundle.content(path).decode() for path in of_nodes.get(node_id, ()))
        opened = {a.strip() for part in _SETS.findall(text) for a in part.split(",")} | set(_ENTRY.findall(text))
        strange = sorted(opened - peers)
        if not opened:
            told.append((node["name"], "unjudged", "no openings are rendered for it"))
        elif strange:
            told.append((node["name"], "bad", f"open to {', '.join(strange[:4])}, which is no peer"))
        else:
            told.append((node["name"], "good", "the rendered openings name its peers and nobody else"))
    rendered = grouped(
        "openings", told, code="IPP714", rule=rule, seen="the bundle", change="render again, and load them"
    )
    said = "whether the hosts' firewall has loaded these openings, and nothing wider: administrators load them"
    return [
        *rendered,
        unjudged("openings loaded", said, change="list the hosts' ruleset (nft list ruleset)", rule=rule),
    ]
