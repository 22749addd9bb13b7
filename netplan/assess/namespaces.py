"""Namespaces without a policy: what the bundle's baselines close, and what a dump of the cluster says. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netplan.assess import json_file
from netplan.assess.evidence import Evidence
from netplan.assess.policies import Policy
from netplan.assess.rows import Found, Row, grouped, unjudged
from netplan.model.cni_facts import SYSTEM_NAMESPACES
from netplan.problems import Location, fail

MAX_BYTES = 1 << 28
DUMP = "kubectl get namespaces,networkpolicies -A -o json"
CLOSE = "name it under `namespaces` in the plan, and apply the policies that the bundle has for it"


def read_objects(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Return the Kubernetes objects of a JSON list. Raises ProblemError (IPP201, IPP202)."""
    hint = f"expected what `{DUMP}` prints"
    document = json_file.read(path, MAX_BYTES, "IPP202", hint)
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        fail("IPP202", "no list of Kubernetes objects", location=Location(str(path)), hint=hint)
    return tuple(items)


def rows(found: Evidence, policy: Policy) -> list[Row]:
    """Return the rows of the topic."""
    rule = policy.rule("namespaces")
    if found.objects is None:
        said = "which namespaces have no policy: no dump of the cluster was given"
        return [unjudged("namespaces", said, change=f"give --objects with what `{DUMP}` prints", rule=rule)]
    told = list(_judged(found.objects))
    if not told:
        said = "which namespaces have no policy: the dump has no namespace"
        return [unjudged("namespaces", said, change=f"dump them with `{DUMP}`", rule=rule)]
    return grouped("namespaces", told, code="IPP715", rule=rule, seen="the dump", change=CLOSE)


def _judged(objects: tuple[Mapping[str, Any], ...]) -> Iterator[Found]:
    names = {_of(o, "name") for o in objects if o.get("kind") == "Namespace"} - {""}
    policies: dict[str, list[Mapping[str, Any]]] = {}
    for item in objects:
        if item.get("kind") == "NetworkPolicy":
            policies.setdefault(_of(item, "namespace"), []).append(item)
    for name in sorted(names):
        own = policies.get(name, [])
        closed = {side for item in own for side in _closes(item)}
        if closed >= {"Ingress", "Egress"}:
            yield name, "good", "closed both ways but for what is named"
        elif name in SYSTEM_NAMESPACES:
            yield name, "doubt", "a namespace of the cluster itself is not closed; closing it cuts the cluster off"
        elif not own:
            yield name, "bad", "no policy: every pod of the cluster may reach it, and it every pod"
        elif closed:
            yield name, "doubt", f"closed for {min(closed)} only"
        else:
            yield name, "bad", f"{len(own)} policies, but none that selects every pod"


def _of(item: Mapping[str, Any], key: str) -> str:
    about = item.get("metadata")
    value = about.get(key) if isinstance(about, dict) else None
    return value if isinstance(value, str) else ""


def _closes(item: Mapping[str, Any]) -> set[str]:
    """Return for which directions a policy selects every pod: those are closed but for what policies name."""
    spec = item.get("spec")
    if not isinstance(spec, dict) or spec.get("podSelector") not in ({}, None):
        return set()
    given = spec.get("policyTypes")
    if isinstance(given, list):
        return {side for side in given if side in ("Ingress", "Egress")}
    return {"Ingress", "Egress"} if "egress" in spec else {"Ingress"}
