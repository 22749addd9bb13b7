"""Turns the status of nodes into Problems, and into one side of a bundle comparison. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from netplan.agent.protocol.node_json import NodeJson
from netplan.agent.protocol.reply import DriftRow, Status
from netplan.bundle.connections import START
from netplan.ipsec.impact import Side
from netplan.ipsec.swanctl import connections_of
from netplan.ipsec.swanctl_parser import read
from netplan.problems import Problem, counted


def problems(name: str, node: Status) -> list[Problem]:
    """Return a Problem for each difference that the node ``name`` found between itself and its confirmed release.

    A node on which nothing is applied has nothing to drift from; but a rollback may have left something on it.
    """
    return [
        Problem(
            code=d["code"],
            message=f"{name}: {d['message']}",
            hint=d["hint"],
            severity=d["severity"],
        )
        for d in _told(node)
    ]


def facts(node: Status) -> dict[str, str]:
    """Return what a watcher compares between two looks: a name and its value as text."""
    found = {
        "state": node["state"]["state"],
        "guard": node["guard"]["mode"],
        "floor": str(node["floor"]),
        "IKE_SAs": str(node["ike_sas"]),
        "traps": str(node["traps"]),
    }
    if node["interfaces"] is not None:
        found["peers behind interfaces"] = str(node["interfaces"])
    for name, count in {**node["guard"]["clear"], **node["xfrm_errors"]}.items():
        found[name] = str(count)
    return found


def changed(name: str, before: Status | None, after: Status | None) -> Iterator[str]:
    """Yield a line for everything that changed on a node between two looks; None stands for no answer."""
    if before is None and after is None:
        return
    if after is None:
        yield f"{name}: no answer"
        return
    if before is None:
        yield (
            f"{name}: {after['state']['state']}, guard {after['guard']['mode']}, "
            f"{counted(len(after['differs']), 'difference')}"
        )
        yield from (f"{name}: {text}" for text in _words(after))
        return
    old, new = facts(before), facts(after)
    for key in [*old, *(k for k in new if k not in old)]:
        if old.get(key, "0") != new.get(key, "0"):
            yield f"{name}: {key} {old.get(key, '0')} -> {new.get(key, '0')}"
    gone, come = _words(before), _words(after)
    yield from (f"{name}: {text}" for text in come if text not in gone)
    yield from (f"{name}: no longer: {text}" for text in gone if text not in come)


def _words(node: Status) -> list[str]:
    return [d["message"] for d in _told(node)]


def _told(node: Status) -> list[DriftRow]:
    return [d for d in node["drift"] if node["state"]["state"] != "none" or d["code"] == "IPP686"]


def live_side(node: Status, planned: NodeJson) -> Side | None:
    """Return what a node has now, in the form in which bundles are compared; None where nothing of ours is loaded.

    ``node`` is its status with texts, ``planned`` the node.json of the bundle at hand. Raises ProblemError or
    ValueError when somebody made its swanctl.conf unreadable.
    """
    texts = node.get("texts")
    if texts is None or not texts["swanctl"]:
        return None
    text, guard = texts["swanctl"], texts["guard"] or ""
    connections = connections_of(read(text + START))
    names = {peer["pair"]: peer["name"] for peer in planned["peers"]}
    port = re.search(r"udp dport (\d+) rt ipsec", guard)
    mtus = [m for m in [node["mtu"]["bridge"], *node["mtu"]["devices"].values()] if m]
    live = {
        **{key: value for key, value in planned.items() if key != "wildcard"},
        "mtu": {"pod": max(mtus, default=planned["mtu"]["pod"])},
        "overlay": {**planned["overlay"], "port": int(port[1]) if port else planned["overlay"]["port"]},
        **({"wildcard": ""} if texts["wildcard"] else {}),
        "protect": "hosts" if "jump allowed" in guard else "overlay",
        "peers": [{"pair": pair, "name": names.get(pair, pair)} for pair in connections],
    }
    return Side(connections=connections, facts=live, partial="@protected" in guard and "jump allowed" not in guard)
