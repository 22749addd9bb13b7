"""Collect once, and put it in one step where node_exporter's textfile collector reads it."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time

from ..phases import counters
from ..system import core, paths, validity
from ..system.core import read
from ..transaction import lease, state
from . import exposition, families
from .memory import Memory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson

# node_exporter reads whatever ends in `.prom`, hidden or not: what is written beside it ends otherwise
FILE = "/var/lib/prometheus/node-exporter/ipsecplan.prom"  # Debian's
NODE = paths.ETC + "/node.json"
KEPT = state.RUN + "/metrics.json"
CERTIFICATES = {"leaf": paths.CERTIFICATE, "ca": paths.CA}


def main() -> int:
    """Collect; the exit code is 1 where there is no node.json, which a rollback takes away in this very moment."""
    began = time.monotonic()
    os.umask(0o077)
    text = read(NODE)
    if text is None:
        sys.stderr.write(f"ipsecplan: {NODE} is not there\n")
        return 1
    node: NodeJson = json.loads(text)
    memory = Memory(read(KEPT) or "")
    found = counters.look(node)
    memory.count(found["pairs"])
    memory.listen()
    now = state.load()
    made = [
        *families.of_pairs(node, found, memory),
        *families.of_ike(found, memory),
        *families.of_kernel(node, found),
        *families.of_change(now, state.progress(now), lease.load()),
        *families.of_certificates(lives()),
        *families.of_run(node, began, sum(os.times()[:4])),
    ]
    core.write(KEPT, memory.dump(), 0o600)
    core.write(FILE, exposition.text(made), 0o644)
    return 0


def lives() -> dict[str, tuple[float, float]]:
    """Return certificate -> (begin, end) of its life, in seconds since 1970."""
    found: dict[str, tuple[float, float]] = {}
    for name, path in CERTIFICATES.items():
        life = None
        with contextlib.suppress(OSError):
            life = validity.lifetime(read(path) or "")
        if life is not None:
            found[name] = life
    return found
