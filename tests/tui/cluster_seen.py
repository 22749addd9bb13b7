"""What a cluster of six nodes said: for pictures of the overview and of what lies below it."""

from __future__ import annotations

import json
from typing import Any

from netplan.rollout.record.history import Past, Run
from netplan.rollout.record.seen import Direction, Look, NodeLook, Proof
from netplan.rollout.standing import Standing, next_step
from tui.draw.picture import Picture

NAMES = {f"n-{number:012x}": f"n{number}" for number in range(1, 7)}
DIGEST = "d" * 64


def look(at: float) -> Look:
    """Five nodes answered: one lacks an SA, one has a file that is not the bundle's."""
    nodes = {
        name: NodeLook(
            state="confirmed",
            release=DIGEST,
            guard="drop",
            days_left=81.0,
            differs=["/etc/swanctl/conf.d/ipsecplan.conf is not the bundle's"] if name == "n2" else [],
            xfrm_errors={"XfrmInError": 1} if name == "n3" else {},
        )
        for name in list(NAMES.values())[:5]
    }
    return Look(at=at - 40, digest=DIGEST, nodes=nodes, silent=["n6"], pairs=15, encrypted=14, clear=[("n1", "n4")])


def proof(at: float, rows: tuple[dict[str, Any], ...]) -> Proof:
    """A measurement of two hours ago; ``rows``: directions as `verify --json` has them."""
    kept = [Direction.model_validate({**row, "source": row["from"]}) for row in rows]
    failed = sum(not row.ok for row in kept)
    return Proof(at=at - 7200, digest=DIGEST, transaction="tx-1", ok=False, measured=30, failed=failed, directions=kept)


def picture(at: float, rows: tuple[dict[str, Any], ...]) -> Picture:
    """Everything that the overview can show, at ``at`` (seconds since the epoch)."""
    run = Run(verb="apply", at="2026-01-01T00:00:00Z", outcome="confirmed")
    now = Standing(
        cluster="prod-eu1",
        digest=DIGEST,
        in_force=DIGEST,
        last=Past("tx-1", "prod-eu1", DIGEST, tuple(NAMES.values()), 154, [run]),
        look=look(at),
        proof=proof(at, rows),
    )
    words = "pod MTU 1356, aes256gcm16-x25519, 6 nodes, 15 pairs"
    return Picture(at=at, standing=now, step=next_step(now, at, old=False), names=NAMES, bundle=words)


def both_ends() -> str:
    """Return what `status --json --pair n1 n4` printed: one end lost its SA to a peer that refused it."""
    child = {
        "name": "n1-n4",
        "state": "INSTALLED",
        "transform": "AES_GCM_16-256",
        "mode": "TRANSPORT",
        "encap": False,
        "packets_in": 4211,
        "bytes_in": 5120344,
        "packets_out": 3980,
        "bytes_out": 4488120,
        "installed_s": 1260,
        "rekey_s": 2100,
    }
    log = "2026-01-01T00:04:10+0000 n4 charon-systemd[412]: "
    end = {"network": "", "xfrm_errors": {}, "route": "10.77.1.14 dev eth0 src 10.77.0.11 uid 0"}
    near = {**end, "ike": "ESTABLISHED", "established_s": 1260, "rekey_s": 12000, "children": [child], "words": []}
    far = {
        **end,
        "ike": "CONNECTING",
        "established_s": 0,
        "rekey_s": 0,
        "children": [],
        "route": "10.77.0.11 dev eth0 src 10.77.1.14 uid 0",
        "xfrm_errors": {"XfrmInNoStates": 17},
        "words": [
            f"{log}07[IKE] <pair-n1-n4|3> authentication of 'CN=n1' with ECDSA-256 signature successful",
            f"{log}07[IKE] <pair-n1-n4|3> received AUTHENTICATION_FAILED notify error",
        ],
    }
    return json.dumps({"errors": [], "result": {"ends": {"n1": [near], "n4": [far]}}})
