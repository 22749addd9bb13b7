"""The files of one step: what each node is to be sent, as the action plugin reads it, here or on a worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netplan.agent.protocol.request import Request
from netplan.model.ids import ID
from netplan.problems import DefectError, quoted
from netplan.rollout.nodes.targets import Target
from netplan.rollout.transport.parts import Parts

FETCHED = "{{ lookup('ipsecplan_login_password', ipsecplan_exchange) }}"


@dataclass
class Exchange:
    """``secret``: id of a node -> its request, where that holds a secret and is in no file; ``sent``: id -> what went
    with its request, see Parts."""

    secret: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)


def lay_out(
    run: Path,
    requests: Mapping[str, Request],
    targets: Mapping[str, Target],
    parts_of: Parts,
    *,
    payload: bool,
    placed: Callable[[str, str], str] = lambda path, _: path,
) -> Exchange:
    """Write the requests of a step to ``run``. Raises OSError.

    ``placed``: takes the path of a part that is sent once, and its SHA-256; returns where the plugin will find it.
    """
    for part in ("in", "out"):
        (run / part).mkdir(mode=0o700, parents=True)
    made = Exchange()
    for node_id, request in requests.items():
        rest, sent = parts_of.split(node_id, request)
        made.sent[node_id] = sent
        text = json.dumps(rest).encode()
        if "secrets" in request:
            made.secret[node_id] = text
        else:
            put(run / "in" / node_id, text)
        found = {name: placed(sent[name], sent[of]) for name, of in PARTS if sent[name]}
        put(run / "in" / f"{node_id}.parts", json.dumps({**sent, **found}).encode())
        if payload:
            put(run / "in" / f"{node_id}.tar", targets[node_id].archive())
    return made


PARTS = (("code", "digest"), ("about", "about_digest"))  # key of a part's path -> key of its digest


def inventory_text(targets: Mapping[str, Target], asks: Collection[str] = ()) -> str:
    """Return the inventory of a step as YAML; every string is marked unsafe, which Ansible never templates.

    ``asks``: ids of nodes whose login needs a password to become root; a template of ours fetches it, the same for all.
    Raises DefectError for a host name that is no id of a node: it alone stands there as it is.
    """
    lines = ["all:", "  hosts:"]
    for node_id, target in targets.items():
        if not ID.fullmatch(node_id):
            raise DefectError(f"{quoted(node_id)} is no id of a node")
        lines.append(f"    {node_id}:")
        for name, value in sorted(target.connection.items()):
            text = json.dumps(value)
            lines.append(f"      {name}: {'!unsafe ' if isinstance(value, str) else ''}{text}")
        if node_id in asks:
            lines.append(f"      ansible_become_password: {json.dumps(FETCHED)}")
    return "\n".join(lines) + "\n"


def put(path: Path, data: bytes) -> None:
    """Write a new file that only we can read. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
