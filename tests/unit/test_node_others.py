"""Preflight on a node: which IPsec there is ours, and which is somebody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netplan.agent.phases import preflight
from netplan.agent.system import vici, xfrm
from netplan.agent.transaction import state

OWN, STAYS, LEFT, STRANGER = "10.0.0.1", "10.0.0.2", "10.0.0.4", "192.0.2.9"


def policy(peer: str) -> dict[str, Any]:
    return {
        "src": f"{OWN}/32",
        "dst": f"{peer}/32",
        "sport": 0,
        "dport": 0,
        "dir": "out",
        "template": True,
        "action": "allow",
        "priority": 367231,
    }


@pytest.mark.parametrize(
    ("protect", "peer", "said"),
    [
        ("overlay", STAYS, ""),
        ("overlay", LEFT, ""),
        ("overlay", STRANGER, "0 IPsec policies and 2 states here"),
        ("hosts", STAYS, ""),
        ("hosts", LEFT, ""),
        ("hosts", STRANGER, "1 IPsec policies and 2 states here"),
    ],
)
def test_a_peer_of_the_release_in_force_is_no_stranger(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, protect: str, peer: str, said: str
) -> None:
    node = {
        "protect": protect,
        "underlay": {"address": OWN},
        "overlay": {"port": 4789},
        "clear": [],
        "peers": [{"pair": "pair-a", "name": "n2", "address": STAYS, "children": ["pair-a-out", "pair-a-in"]}],
    }
    (tmp_path / "peers").write_text(f"{OWN} {STAYS}\n{OWN} {LEFT}\n")
    (tmp_path / "pairs").write_text("pair-a\npair-b\n")
    monkeypatch.setattr(state, "load", lambda: {"state": "confirmed", "tx": "tx-1"})
    monkeypatch.setattr(state, "tx_folder", lambda _: str(tmp_path))
    monkeypatch.setattr(xfrm, "policies", lambda: [policy(peer)] if protect == "hosts" else [])
    monkeypatch.setattr(xfrm, "states", lambda: [(OWN, peer, "0x1"), (peer, OWN, "0x2")])
    monkeypatch.setattr(vici, "connections", lambda: {"pair-b": {"children": {"pair-b-out": {}}}})
    found = [finding["message"] for finding in preflight._other(node, "tx-2")]
    assert found == ([] if not said else [f"{said} are not ours"])
