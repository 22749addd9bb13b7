"""JSON Schemas of what ``--json`` prints: one envelope for all, and what ``result`` has for each verb.

Additions are no change of a schema's version; a field that goes or changes its type is (``schema_version``).
"""

from __future__ import annotations

from typing import Any

from netplan.cli.envelope import SCHEMA_VERSION

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
TRUTH: Schema = {"type": "boolean"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_WHOLE: Schema = {"type": ["integer", "null"]}
ANY: Schema = {}


def _object(**fields: Schema) -> Schema:
    """Return the schema of an object that has at least these fields."""
    return {"type": "object", "properties": fields, "required": list(fields)}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


PROBLEM = _object(
    code={"type": "string", "pattern": "^IPP[0-9]{3}$"},
    severity={"enum": ["error", "warning"]},
    file=MAYBE_TEXT,
    line=MAYBE_WHOLE,
    column=MAYBE_WHOLE,
    message=TEXT,
    hint=MAYBE_TEXT,
    url=TEXT,
)
_ROW = _object(name=TEXT, bytes=WHOLE, offset=WHOLE, source=TEXT, note=TEXT, encrypted=TRUTH)
_SOLUTION = _object(
    stack=TEXT,
    link_mtu=WHOLE,
    inner_mtu=WHOLE,
    outer_packet=WHOLE,
    overhead=WHOLE,
    mss4=WHOLE,
    mss6=WHOLE,
    pad=WHOLE,
    slack=WHOLE,
    next_gain_at=MAYBE_WHOLE,
    notes=_list(TEXT),
)
_SOLUTION["properties"]["ledger"] = _list(_ROW)
_CLASS = _object(name=TEXT, link_mtu=WHOLE, nat_t=TRUTH, pairs=WHOLE, limited_by=TEXT, protected=TRUTH, inner_mtu=WHOLE)
_DIRECTION = {
    "type": "object",
    "properties": {
        "from": TEXT,
        "to": TEXT,
        "ok": TRUTH,
        "inner_mtu": WHOLE,
        "passes": TRUTH,
        "plaintext_packets": WHOLE,
    },
    "required": ["from", "to", "ok", "inner_mtu", "passes", "plaintext_packets"],
}
_ANSWER = _object(check=TEXT, verdict={"enum": ["good", "doubt", "bad", "unjudged"]}, said=TEXT, subjects=_list(TEXT))
RESULTS: dict[str, Schema] = {
    "assess": _object(
        cluster=TEXT,
        digest=TEXT,
        at=TEXT,
        live=TRUTH,
        policy=_object(name=TEXT, title=TEXT, source=TEXT),
        verdict=TEXT,
        counts={"type": "object"},
        topics=_list(_object(name=TEXT, title=TEXT, rows=_list(_ANSWER))),
        changes={"type": ["array", "null"]},
    ),
    "audit": _object(
        inputs=WHOLE, numbers=WHOLE, breaks=WHOLE, unjudged=WHOLE, verdicts=_list(ANY), findings=_list(ANY)
    ),
    "calc": {"anyOf": [_SOLUTION, _list(ANY)]},
    "diff": _object(
        changes=_list(ANY), files=_list(_object(path=TEXT, change={"enum": ["new", "gone", "changed", "mode"]}))
    ),
    "explain": {"type": ["object", "array"]},
    "facts": _object(file=TEXT, hosts={"type": "object"}),
    "graph": _object(title=TEXT, hosts=_list(_object(id=TEXT, label=TEXT)), pairs=_list(ANY)),
    "history": _list(_object(transaction=TEXT)),
    "init": _object(plan=TEXT, inventory=TEXT, hosts=_list(TEXT), lacking=_list(PROBLEM)),
    "lint": _object(nodes=WHOLE, pod_mtu=WHOLE),
    "monitoring": _object(files=_list(_object(path=TEXT, text=TEXT))),
    "network": {
        "anyOf": [_list(_object(plugin=TEXT, title=TEXT)), _object(plugin=TEXT, pod_mtu=WHOLE, files=_list(ANY))]
    },
    "plan": _object(cluster=TEXT, pod_mtu=WHOLE, limiting_class=TEXT, classes=_list(_CLASS), nodes=_list(ANY)),
    "render": _object(bundle=TEXT, digest=TEXT, files=WHOLE),
    "report": _object(archive=TEXT, files=_list(TEXT), secrets_looked_for=WHOLE, secrets_found={"const": 0}),
    "show": {"type": "object"},
    "status": {"type": "object"},
    "top": _object(
        at=TEXT,
        pairs=_list({"type": "object", "required": ["from", "to", "bytes", "packets", "bytes_per_second", "lost"]}),
        nodes=_list(_object(node=TEXT, xfrm_errors=WHOLE, drops=WHOLE, fragments=WHOLE)),
        silent=_list(TEXT),
    ),
    "trace": {"type": "object"},
    "verify": _object(ok=TRUTH, pairs=_list(_DIRECTION), xfrm_errors={"type": "object"}),
    "version": _object(ipsecplan=TEXT, python=TEXT, platform=TEXT),
}


def schema_of(verb: str) -> Schema:
    """Return the schema of the object that a verb prints. ``result`` is null where the verb failed, usage included."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:ipsecplan:schema:{verb}:{SCHEMA_VERSION}",
        "title": f"ipsecplan {verb} --json",
        **_object(
            schema_version={"const": SCHEMA_VERSION},
            exit_code={"enum": [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]},
            result={"anyOf": [{"type": "null"}, RESULTS[verb]]},
            warnings=_list(PROBLEM),
            errors=_list(PROBLEM),
        ),
    }
