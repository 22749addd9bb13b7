"""Files for 1,100 peers, loaded by the programs that read them: nft the guard, ip the block policies."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from netplan.agent.transaction import deferred_pairs
from netplan.bundle.node_files import NodeFiles
from tests.support.plans import make_planned

HOSTS = 1101
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("nft") or not shutil.which("ip"), reason="needs root, nft and ip"
    ),
]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    plan = make_planned(HOSTS, ipsec={"protect": "hosts"}).plan
    node = plan.nodes[0]
    return {f.path.removeprefix(f"nodes/{node.id}/"): f.text for f in NodeFiles(plan).of(node)}


def alone(script: str, file: Path) -> str:
    """Run a script with a file in a network namespace of its own."""
    argv = ["unshare", "-n", "sh", "-ec", script, "sh", str(file)]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout


def test_nft_loads_the_guard_of_many_peers_as_a_set(files: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "guard.nft"
    file.write_text(files["etc/ipsecplan/guard-drop.nft"])
    said = alone('nft -f "$1"; nft -f "$1"; nft list table inet ipsecplan', file)
    assert said.count("ipsec missing") == 4, "as many rules as with one peer"
    assert said.count("10.77.") >= HOSTS - 1


def test_ip_takes_the_block_policies_of_many_peers(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred_pairs, "current", lambda: {"pair-1": ("n-1", "10.77.0.12", "a")})
    file = tmp_path / "floor"
    policies, peers = files["etc/ipsecplan/floor-all"], files["etc/ipsecplan/peers"]
    file.write_text(deferred_pairs.floor(policies, peers, peers.split()[0]))
    said = alone('ip -batch "$1"; ip xfrm policy count', file)
    assert f"OUT {HOSTS - 2}" in said, said
