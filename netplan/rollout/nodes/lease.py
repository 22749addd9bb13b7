"""The control machine's half of the lease: who we are, and whether the nodes are free for us."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from netplan.agent.protocol.limits import MOST_EPOCH
from netplan.agent.protocol.reply import Status
from netplan.agent.protocol.request import LeaseRequest
from netplan.problems import Problem, errors
from netplan.rollout.nodes.targets import Target
from netplan.rollout.record import at_work

_OWNER = re.compile(r"[0-9a-f]{16}")
_ODD = re.compile(r"[^A-Za-z0-9._@-]")


def owner(folder: Path) -> str:
    """Return the id of a cluster's state directory; made once, kept beside the journal, so a restart is the same."""
    path = folder / "owner"
    if not path.exists():
        temporary = path.with_name(".owner.tmp")
        temporary.unlink(missing_ok=True)
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(8) + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    found = path.read_text(encoding="ascii", errors="replace").strip()
    return found if _OWNER.fullmatch(found) else secrets.token_hex(8)


def who() -> str:
    """Return user@host, of the letters that a node takes."""
    return _ODD.sub("-", at_work.who())


def acquire(
    folder: Path, targets: Mapping[str, Target], found: Mapping[str, Status], *, steal: bool
) -> tuple[dict[str, LeaseRequest], list[Problem]]:
    """Return node id -> what every changing request to it carries (``seconds`` is each request's own), and warnings
    about whom it is taken from.

    ``found``: node id -> its state. None of them, with errors, when another holds a node and ``steal`` is not wanted.
    Each node's epoch goes on from what that node told: what it says of itself can't burn an epoch of another one.
    """
    mine, we = owner(folder), who()
    leases: dict[str, LeaseRequest] = {}
    problems = []
    for node_id, node in found.items():
        held = node["lease"]
        epoch = held["epoch"] + 1
        leases[node_id] = {"owner": mine, "who": we, "epoch": epoch, "seconds": 0, "steal": steal}
        if epoch > MOST_EPOCH:
            said = f"{targets[node_id].name}: the epoch of its lease is {held['epoch']}, and none comes after that"
            problems.append(Problem(code="IPP671", message=said, hint="remove /var/lib/ipsecplan/lease on that node"))
        elif held["left_s"] and held["owner"] != mine:
            holder = held["who"]
            if steal:
                said = f"{targets[node_id].name}: taken over from {holder}"
                problems.append(Problem(code="IPP671", message=said, severity="warning"))
            else:
                said = f"{targets[node_id].name}: {holder} holds it for {held['left_s']} s yet"
                hint = "wait for it to end; or, when it is dead, take over: resume, confirm or revert with --take-over"
                problems.append(Problem(code="IPP671", message=said, hint=hint))
    return ({} if errors(problems) else leases), problems
