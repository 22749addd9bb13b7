"""Rotation and cipher changes on a live cluster: pings lost, clear packets, and a TCP connection that must live."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from netplan.lab.cluster import Lab

from .applied import Applied
from .command import ipsecplan
from .conftest import ClusterFactory
from .pace import HANG_S, Pace, answers
from .watchers import Seen, watched

# Changes of files behind which a rotation dies: a few of those that tests/unit/test_killed_rotation.py goes through
POINTS = {"ca": (8, 35, 60, 85), "psk": (8, 30, 50)}

pytestmark = [pytest.mark.lab, pytest.mark.slow]


def plan(lab: Lab, folder: Path, **ipsec: Any) -> None:
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"] = ipsec
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    ipsecplan("render", "plan.yaml", "--to", "bundle", cwd=folder)


def apply(folder: Path) -> str:
    return ipsecplan("apply", "bundle", "--yes", cwd=folder)


def judged(what: str, seen: Seen, lab: Lab) -> None:
    print(f"\n{what}: {seen}")
    assert seen.clear == 0
    assert seen.pings.longest <= Pace.of(lab).unit, seen
    assert seen.flow["error"] is None
    assert int(str(seen.flow["bytes"])) > 0


def authenticated_anew(lab: Lab, verify: Callable[[], object]) -> None:
    """End every IKE_SA: the traps ask for new ones, which only the new credentials can give."""
    names = "swanctl --list-sas --raw | grep -o 'pair-[0-9a-f]\\{12\\}' | sort -u"
    script = f"for c in $({names}); do swanctl --terminate --ike $c; done"
    lab.exec("n1", ["sh", "-c", script])
    for node in lab.nodes[1:]:
        answers(lab, "n1", node.pod_address)
    verify()


@pytest.mark.weight(70)
def test_certificates(applied: Applied) -> None:
    """The short part, on a cluster in force."""
    lab, rollout = applied.lab, applied.rollout
    key = lab.exec("n1", ["sha256sum", "/etc/swanctl/private/ipsecplan.pem"]).stdout
    with watched(lab) as seen:
        assert "rotated" in rollout.run("rotate certificates", "--yes", ok=True).stdout
    judged("certificates", seen, lab)
    assert lab.exec("n1", ["sha256sum", "/etc/swanctl/private/ipsecplan.pem"]).stdout != key
    authenticated_anew(lab, lambda: rollout.run("verify", ok=True))


@pytest.mark.drill
def test_pre_shared_keys(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    plan(lab, tmp_path, auth="psk")
    assert "confirmed" in apply(tmp_path)
    before = lab.exec("n1", ["cat", "/etc/swanctl/conf.d/ipsecplan-secrets.conf"]).stdout
    with watched(lab) as seen:
        assert "rotated" in ipsecplan("rotate", "psk", "bundle", "--yes", cwd=tmp_path)
    judged("psk", seen, lab)
    after = lab.exec("n1", ["cat", "/etc/swanctl/conf.d/ipsecplan-secrets.conf"]).stdout
    assert before.count("secret =") == after.count("secret =") == 1
    assert before != after
    authenticated_anew(lab, lambda: ipsecplan("verify", "bundle", cwd=tmp_path))
    assert "0 to change" in apply(tmp_path)


@pytest.mark.drill
def test_certificates_and_authority(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    plan(lab, tmp_path)
    assert "confirmed" in apply(tmp_path)
    for what in ("certificates", "ca"):
        key = lab.exec("n1", ["sha256sum", "/etc/swanctl/private/ipsecplan.pem"]).stdout
        with watched(lab) as seen:
            assert "rotated" in ipsecplan("rotate", what, "bundle", "--yes", cwd=tmp_path)
        judged(what, seen, lab)
        assert lab.exec("n1", ["sha256sum", "/etc/swanctl/private/ipsecplan.pem"]).stdout != key
        authenticated_anew(lab, lambda: ipsecplan("verify", "bundle", cwd=tmp_path))
    assert "0 to change" in apply(tmp_path)


def died(folder: Path, what: str, number: int) -> str:
    """Rotate until so many changes of files were made; return the last one."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.dying", f"file::{number}", "rotate", what, "bundle", "--yes"],
        cwd=folder,
        env={**os.environ, "IPSECPLAN_STATE": str(folder / "state")},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        start_new_session=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    return done.stderr.splitlines()[-1]


@pytest.mark.drill
@pytest.mark.parametrize("what", POINTS)
def test_rotation_that_was_killed_is_resumed(clusters: ClusterFactory, tmp_path: Path, what: str) -> None:
    lab = clusters(nodes=2)
    plan(lab, tmp_path, auth="psk" if what == "psk" else "certificates")
    assert "confirmed" in apply(tmp_path)
    for number in POINTS[what]:
        with watched(lab) as seen:
            last = died(tmp_path, what, number)
            assert "rotated" in ipsecplan("rotate", what, "bundle", "--yes", cwd=tmp_path)
        judged(f"{what}, {last}", seen, lab)
        authenticated_anew(lab, lambda: ipsecplan("verify", "bundle", cwd=tmp_path))
    assert "0 to change" in apply(tmp_path)


@pytest.mark.drill
@pytest.mark.parametrize(
    "changes",
    [[("chacha20poly1305-x25519", 1416), ("aes256-sha256-x25519", 1408)], [("aes256-sha256-x25519", 1408)]],
    ids=["gcm-chacha-cbc", "gcm-cbc"],
)
def test_ciphers_ordered_with_the_mtu(clusters: ClusterFactory, tmp_path: Path, changes: list[tuple[str, int]]) -> None:
    lab = clusters(nodes=2)
    plan(lab, tmp_path, esp=["aes256gcm16-x25519"])
    apply(tmp_path)
    for esp, mtu in changes:
        plan(lab, tmp_path, esp=[esp])
        with watched(lab) as seen:
            assert f"DF {mtu} passes" in apply(tmp_path)
        judged(esp, seen, lab)
        assert seen.planted >= 1, "the capture must have seen the packet that was planted for it"
