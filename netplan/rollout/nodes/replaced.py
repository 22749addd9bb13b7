"""A node that knows nothing while others keep a release with it: its machine was replaced, which only a person can say.

An attacker's machine at the address of a node looks the same, so no certificate is signed for it without `--replace`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from netplan.agent.protocol.reply import Status
from netplan.problems import Problem, quoted
from netplan.rollout.nodes.targets import Target

# what of the machine before is still good, and what ends it
LEFT = {
    "certificates": "the certificate of the machine before is good until it expires; `ipsecplan rotate ca` ends that",
    "psk": "the machine before knew its pre-shared keys; `ipsecplan rotate psk` makes new ones",
}


def parse_names(targets: Mapping[str, Target], words: str) -> tuple[set[str], list[Problem]]:
    """Return the ids of the nodes named in ``words`` (names with commas), and a Problem for each that is not here."""
    by_name = {target.name: i for i, target in targets.items()}
    names = [word.strip() for word in words.split(",") if word.strip()]
    problems = [
        Problem(code="IPP674", message=f"--replace: {quoted(name)} is no node of this run", hint="names, no groups")
        for name in names
        if name not in by_name
    ]
    return {by_name[name] for name in names if name in by_name}, problems


def nodes_without_state(targets: Mapping[str, Target], found: Mapping[str, Status]) -> dict[str, list[str]]:
    """Return id -> names of the peers that keep a pair with it, of nodes without any memory of ours."""
    order = {node_id: number for number, node_id in enumerate(targets)}
    held = {i: set(found[i]["held"]) for i in targets if i in found}
    out = {}
    for node_id in targets:
        if node_id not in found or found[node_id]["state"]["state"] != "none" or found[node_id]["state"]["last"]:
            continue
        pairs = {peer["id"]: peer["pair"] for peer in targets[node_id].node["peers"]}
        holders = [i for i, pair in pairs.items() if pair in held.get(i, ())]
        if holders:
            out[node_id] = [targets[i].name for i in sorted(holders, key=order.__getitem__)]
    return out


def check(
    targets: Mapping[str, Target],
    found: Mapping[str, Status],
    wanted: Iterable[str],
    remembered: Collection[str] = (),
) -> list[Problem]:
    """Return what is wrong between what the operator said was replaced (ids) and what the nodes say.

    ``remembered``: nodes that we have confirmed something on. A new machine may tell anything of how it came to have
    nothing of it, so the operator may name it, too.
    """
    known, wanted = nodes_without_state(targets, found), set(wanted)
    problems = []
    for node_id, holders in known.items():
        if node_id not in wanted:
            name = targets[node_id].name
            text = f"{name} was replaced: it has nothing of the release that {', '.join(holders)} keep with it"
            hint = f"if you reinstalled it, `--replace {name}` admits the new machine with a new key"
            problems.append(Problem(code="IPP674", message=text, hint=hint))
    for node_id in sorted(wanted - set(known)):
        fresh = node_id in found and found[node_id]["state"]["state"] == "none"
        if node_id in found and not (fresh and node_id in remembered):
            text = f"{targets[node_id].name} was not replaced: "
            text += "no other node keeps a pair with it" if fresh else "it still has ipsecplan state"
            problems.append(Problem(code="IPP674", message=text, hint="apply without --replace"))
    return problems


def warnings(targets: Mapping[str, Target], replaced: Iterable[str]) -> list[Problem]:
    """Return a warning for each new machine about what the one before still has."""
    return [
        Problem(code="IPP674", message=f"{targets[i].name}: {left}", severity="warning")
        for i in sorted(replaced)
        if (left := LEFT.get(targets[i].node["auth"]))
    ]
