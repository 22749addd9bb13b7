"""What a cluster has now, as patches need it: the object that is patched, its texts, and numbers inside texts.

A patch changes the MTU and nothing else, so everything beside it comes from here: name and namespace of the object, the
group of its API, its backend, its encryption.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from netplan.cni.adapter import Artifact, CniRequest
from netplan.cni.kubernetes import patch
from netplan.cni.yaml_document import Piece, parse
from netplan.problems import ProblemError

_LITERAL = re.compile(r'("mtu"\s*:\s*)("?)(\d+)("?)', re.IGNORECASE)


def roots(existing: Mapping[str, str]) -> list[Piece]:
    """Return every document of the existing texts, the members of lists one by one; what is no YAML is left out."""
    found: list[Piece] = []
    for name, text in existing.items():
        try:
            documents = list(parse(text, name))
        except ProblemError:
            continue
        for document in documents:
            root = Piece(document, (), document.data)
            if isinstance(document.data, list):
                found += [Piece(document, (i,), member) for i, member in enumerate(document.data)]
            else:
                found += root.items("items") or [root]
    return found


def objects(request: CniRequest, kind: str, *names: str) -> list[Piece]:
    """Return the Kubernetes objects of a kind; with names, those whose name is or begins with one of them."""
    return [
        piece
        for piece in roots(request.existing)
        if piece.kind == kind and piece.text("apiVersion") and (not names or piece.name.startswith(names))
    ]


def first(request: CniRequest, kind: str, *names: str) -> Piece | None:
    """Return the first object of a kind, or None."""
    return next(iter(objects(request, kind, *names)), None)


def namespace_of(piece: Piece | None, request: CniRequest, default: str) -> str:
    """Return the namespace of the object that was given, else that of the option, else the usual one."""
    own = piece.text("metadata", "namespace") if piece else ""
    return own or request.options.get("namespace", default)


def target(piece: Piece | None, request: CniRequest, default: str) -> str:
    """Return ``kind/namespace/name`` of the object that was given, else the usual one with the option's namespace."""
    kind, namespace, name = default.split("/")
    if namespace:
        namespace = namespace_of(piece, request, namespace)
    return f"{kind}/{namespace}/{piece.name if piece and piece.name else name}"


def text(request: CniRequest, piece: Piece | None, key: str) -> str:
    """Return a text of the object's data, else one that was given under this name; empty without one."""
    return (piece.text("data", key) if piece else "") or request.existing.get(key, "")


def numbers_in(cni: str) -> list[int]:
    """Return the numbers that stand behind ``"mtu":`` in a CNI list, which may hold placeholders and be no JSON."""
    return [int(match.group(3)[:9]) for match in _LITERAL.finditer(cni)]


def with_number(cni: str, mtu: int) -> str:
    """Return a CNI list with another number behind ``"mtu":``; placeholders stay, a text becomes a number."""
    return _LITERAL.sub(rf"\g<1>{mtu}", cni)


def environment_patch(path: str, workload: Piece, values: Mapping[str, Mapping[str, str]]) -> Artifact:
    """Return a strategic merge patch of environment variables: container -> variable -> value."""
    changes = [
        {"name": name, "env": [{"name": key, "value": value} for key, value in env.items()]}
        for name, env in values.items()
    ]
    return workload_patch(path, workload, changes)


def workload_patch(path: str, workload: Piece, changes: Sequence[Mapping[str, Any]]) -> Artifact:
    """Return a strategic merge patch of a DaemonSet's containers, which are matched by their names."""
    body = {"spec": {"template": {"spec": {"containers": list(changes)}}}}
    goal = f"{workload.kind}/{workload.text('metadata', 'namespace') or 'kube-system'}/{workload.name}"
    return patch(path, body, goal, "kubernetes/daemonset", api="apps/v1", how="strategic")


def mappings(request: CniRequest, *keys: str) -> list[dict[str, Any]]:
    """Return the mappings among the existing documents that have all these keys."""
    return [piece.data for piece in roots(request.existing) if piece.has(*keys)]
