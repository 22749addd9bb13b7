"""Logs for Elastic: documents of transactions and proofs in the Elastic Common Schema, and inputs for what ships them.

charon's own lines come from each node's journal. Their PRIORITY is no measure: charon gives failures a lower priority
than successes. So inputs take the whole unit and leave the judgement to the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netplan.problems import counted
from netplan.rollout.record.history import Past, transactions
from netplan.rollout.record.seen import Proof

ECS = "8.11.0"
LOG = "/var/log/ipsecplan/ecs.json"  # what the examples read; `exporter --log` writes it where it is told
MOST_NODES = 100  # names in a document


def documents(root: Path, cluster: str, proof: Proof | None) -> Iterator[dict[str, Any]]:
    """Yield a document for each run of each transaction that has ended, and one for the last proof.

    ``event.id`` is the same each time, so that whoever ships a line twice stores it once.
    """
    for one in transactions(root, cluster):
        for number, run in enumerate(one.runs):
            if run.exit_code is not None:
                yield _run(one, number)
    if proof is not None:
        yield _proof(cluster, proof)


def _run(one: Past, number: int) -> dict[str, Any]:
    run = one.runs[number]
    codes = sorted({str(problem.get("code")) for problem in run.problems})
    outcome = "success" if run.exit_code == 0 else "failure"
    found = {
        "@timestamp": run.at,
        "message": f"{run.verb} of {one.cluster} on {counted(len(one.nodes), 'node')}: {run.outcome}",
        "event": {
            "kind": "event",
            "category": ["configuration"],
            "type": ["change"],
            "action": run.verb,
            "outcome": outcome,
            "id": f"{one.transaction}-{number}",
            "dataset": "ipsecplan.transaction",
            "module": "ipsecplan",
            **({"duration": one.seconds * 10**9} if len(one.runs) == 1 else {}),
            **({"reason": run.reason} if run.reason else {}),
        },
        "ipsecplan": {
            "transaction": one.transaction,
            "bundle": one.digest,
            "result": run.outcome,
            "nodes": list(one.nodes[:MOST_NODES]),
            "phases": len(run.phases),
        },
        **({"error": {"code": codes[0], "message": ", ".join(codes)}} if codes and outcome == "failure" else {}),
    }
    return _ecs(found, one.cluster)


def _proof(cluster: str, proof: Proof) -> dict[str, Any]:
    at = datetime.fromtimestamp(proof.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = {
        "@timestamp": at,
        "message": f"{counted(proof.measured, 'direction')} of {cluster} measured, {proof.failed} not as planned",
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["info"],
            "action": "verify",
            "outcome": "success" if proof.ok else "failure",
            "id": f"proof-{proof.transaction}-{int(proof.at)}",
            "dataset": "ipsecplan.verdict",
            "module": "ipsecplan",
        },
        "ipsecplan": {
            "transaction": proof.transaction,
            "bundle": proof.digest,
            "directions": proof.measured,
            "failed": proof.failed,
            "plaintext_packets": sum(one.plaintext_packets for one in proof.directions),
        },
    }
    return _ecs(found, cluster)


def _ecs(found: dict[str, Any], cluster: str) -> dict[str, Any]:
    return {**found, "ecs": {"version": ECS}, "orchestrator": {"cluster": {"name": cluster}}}


def append(path: Path, found: Iterator[dict[str, Any]]) -> int:
    """Append the documents that a log has not yet, one a line; return how many. Raises OSError."""
    known = set()
    if path.exists():
        with open(path, encoding="utf-8") as log:
            for line in log:
                try:
                    known.add(json.loads(line)["event"]["id"])
                except (ValueError, KeyError, TypeError):
                    continue
    new = [document for document in found if document["event"]["id"] not in known]
    if new:
        with open(path, "a", encoding="utf-8") as log:
            log.writelines(json.dumps(document) + "\n" for document in new)
    return len(new)


FILEBEAT = f"""# Filebeat: on the control machine the first input, on every node the second.
filebeat.inputs:
  - type: filestream
    id: ipsecplan
    paths: ["{LOG}"]
    parsers:
      - ndjson: {{target: "", overwrite_keys: true, add_error_key: true}}
  - type: journald
    id: ipsecplan-charon
    # the whole unit: charon's priorities say nothing about failures
    include_matches.match: ["_SYSTEMD_UNIT=strongswan.service"]
"""
VECTOR = f"""# Vector: on the control machine the first source, on every node the second.
sources:
  ipsecplan:
    type: file
    include: ["{LOG}"]
  charon:
    type: journald
    include_units: ["strongswan.service"]
transforms:
  ipsecplan_ecs:
    type: remap
    inputs: ["ipsecplan"]
    source: ". = parse_json!(string!(.message))"
"""
FLUENT_BIT = f"""# Fluent Bit: on the control machine the first input, on every node the second.
parsers:
  - name: ipsecplan
    format: json
    time_key: "@timestamp"
    time_format: "%Y-%m-%dT%H:%M:%SZ"
    time_keep: on
pipeline:
  inputs:
    - name: tail
      tag: ipsecplan
      path: {LOG}
      parser: ipsecplan
    - name: systemd
      tag: charon
      systemd_filter: _SYSTEMD_UNIT=strongswan.service
"""
