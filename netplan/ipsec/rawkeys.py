"""Raw public keys: each node makes its key, hands out the public half, and is known to its peers by that half alone.

The list is public. It lies in the cluster's state directory, so that who was known by which key can be looked up, and
so that a node that made no new key need not be asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import Field

from netplan.files import read_regular, write_atomic
from netplan.ipsec.ca import public_key
from netplan.ipsec.stored import LIMIT, Document, NodeId, Version, parsed
from netplan.problems import ExitCode, fail
from netplan.refusals import refusals


class _Stored(Document):
    schema_: Version = Field(alias="schema")
    keys: dict[NodeId, str]


def collect(path: Path, requests: Mapping[str, str]) -> dict[str, str]:
    """Take the public keys out of the nodes' requests (node id -> PEM), keep them, return all that are known."""
    known = read(path)
    fresh = {node: public_key(request, node) for node, request in requests.items()}
    known.update(fresh)
    if len(set(known.values())) != len(known):
        fail("IPP607", "two nodes have the same key: one could pose as the other", hint="make a new key on one of them")
    document = _Stored(schema=1, keys=dict(sorted(known.items())))
    with refusals(path, "written", "IPP607", ExitCode.FAILURE):
        write_atomic(path, (document.model_dump_json(by_alias=True, indent=1) + "\n").encode(), 0o600)
    return known


def read(path: Path) -> dict[str, str]:
    """Return node id -> public key of a cluster, empty when there is none yet."""
    with refusals(path, "read", "IPP607"):
        try:
            data = read_regular(path, LIMIT)
        except FileNotFoundError:
            return {}
    hint = "remove it: the next apply asks the nodes"
    return parsed(_Stored, data, path, "IPP607", "list of public keys", hint).keys


def of_peers(known: Mapping[str, str], peers: Iterable[str]) -> dict[str, str]:
    """Return peer id -> key for the peers of a node. Raises ProblemError when one is missing."""
    peers = list(peers)
    missing = sorted(set(peers) - known.keys())
    if missing:
        fail(
            "IPP607", f"the public key of {missing[0]} is not known", hint="its node has not answered yet: apply again"
        )
    return {peer: known[peer] for peer in peers}
