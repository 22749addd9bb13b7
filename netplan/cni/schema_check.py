"""Strict validation of rendered artefacts: the schemas of netplan/data/schemas, nested texts included, and the rules
that no schema has."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

from jsonschema import Draft202012Validator

from netplan.cni.adapter import Artifact
from netplan.cni.yaml_document import Document, Piece, parse
from netplan.problems import Problem, ProblemError, closest, quoted

# schema of an artefact -> where texts stand in it, and the schema of those
NESTED: dict[str, dict[tuple[str, ...], str]] = {
    "flannel/config": {("data", "net-conf.json"): "flannel/net-conf", ("data", "cni-conf.json"): "cni/conflist"},
    "canal/config": {("data", "net-conf.json"): "flannel/net-conf"},
    "antrea/config": {("data", "antrea-agent.conf"): "antrea/agent"},
    "multus/nad": {("spec", "config"): "cni/conflist"},
}
_RKE2 = {
    "rke2-calico": "rke2/calico-values",
    "rke2-cilium": "cilium/values",
    "rke2-canal": "rke2/canal-values",
    "rke2-flannel": "rke2/flannel-values",
}


@functools.cache
def validator(schema: str) -> Draft202012Validator:
    """Return the validator of a schema by name."""
    text = resources.files("netplan").joinpath("data", "schemas", f"{schema}.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def check(artifact: Artifact) -> list[Problem]:
    """Return everything wrong with an artefact: unknown fields, wrong types, values out of range."""
    if not artifact.schema or artifact.schema == "ovs/script":
        return []
    try:
        documents = list(parse(artifact.text, artifact.path))
    except ProblemError as error:
        return list(error.problems)
    return [p for document in documents for p in _document(document, artifact.schema)]


def _document(document: Document, schema: str) -> Iterator[Problem]:
    piece = Piece(document, (), document.data)
    yield from problems(piece, schema)
    nested = dict(NESTED.get(schema, {}))
    if schema == "rke2/helmchartconfig" and piece.name in _RKE2:
        nested[("spec", "valuesContent")] = _RKE2[piece.name]
    for at, inner in nested.items():
        if piece.get(*at) is None:
            continue
        found = piece.nested(*at)
        if found is None:
            yield Problem("IPP904", f"{'.'.join(at)} is neither YAML nor JSON", location=piece.location(*at))
        else:
            yield from problems(found, inner)


def problems(piece: Piece, schema: str) -> Iterator[Problem]:
    """Generate what a schema has against a piece, each at its place."""
    for error in sorted(validator(schema).iter_errors(piece.data), key=lambda e: [str(s) for s in e.absolute_path]):
        best = _deepest(error)
        at = tuple(best.absolute_path)
        name = ".".join(str(step) for step in at)
        if best.validator == "additionalProperties" and isinstance(best.instance, dict):
            known = list(best.schema.get("properties", {}))
            for key in sorted(set(best.instance) - set(known)):
                near = closest(str(key), known)
                yield Problem(
                    "IPP904",
                    f"unknown field {quoted(key)}{' in ' + name if name else ''}",
                    location=piece.location(*at, key),
                    hint=f"did you mean {near}?" if near else "the API server drops such a field without a word",
                )
        else:
            yield Problem("IPP904", f"{name or 'document'}: {_said(best)}", location=piece.location(*at))


def _deepest(error: Any) -> Any:
    """Of the branches of a oneOf, the one that fits best: the same ``type``, else the least wrong."""
    while error.context:
        branches: dict[int, list[Any]] = {}
        for child in error.context:
            branches.setdefault(child.schema_path[0], []).append(child)
        fitting = [b for b in branches.values() if not any(c.validator in ("const", "enum") for c in b)]
        error = min(fitting or list(branches.values()), key=len)[0]
    return error


def _said(error: Any) -> str:
    limits = {"minimum": "at least", "maximum": "at most", "minItems": "at least", "maxItems": "at most"}
    if error.validator in limits:
        return f"must be {limits[error.validator]} {error.validator_value}, not {quoted(error.instance)}"
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"must be {' or '.join(kinds)}, not {quoted(json.dumps(error.instance))}"
    if error.validator in ("enum", "const"):
        wanted = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"must be {' or '.join(str(w) for w in wanted)}, not {quoted(error.instance)}"
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in error.instance]
        return f"{' and '.join(missing)} missing"
    return f"does not fit {error.validator} {quoted(error.validator_value)}"
