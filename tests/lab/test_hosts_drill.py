"""protect: hosts on a live cluster: SSH between nodes at all times, nothing else in clear, the dead man's timer."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from netplan.lab.cluster import Lab

from . import pings
from .conftest import ClusterFactory
from .pace import Pace, answers, until
from .rollout_steps import Rollout, is_old

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.drill]
# one line a try: whether the other node's sshd said who it is
BANNER = "exec 3<>/dev/tcp/{}/22; read -r l <&3; echo $l"
SSH = f"while :; do timeout 60 bash -c '{BANNER}' 2>&1 || echo FAILED; sleep 0.5; done"


def ping(lab: Lab, address: str, count: int = 3) -> bool:
    return lab.exec("n1", ["ping", "-n", "-c", str(count), "-i", "0.3", "-W", "2", address]).returncode == 0


def banners(lab: Lab) -> list[str]:
    return lab.exec("n1", ["cat", "/tmp/ssh.txt"], check=True).stdout.splitlines()


def test_nothing_but_ssh_is_clear_and_ssh_always_is(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"] = {"protect": "hosts"}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(document))
    rollout = Rollout(lab, tmp_path, tmp_path / "plan.yaml")
    other = lab.nodes[1].underlay_address
    run = ["systemd-run", "--quiet", "--collect", "-p", "StandardOutput=truncate:/tmp/ssh.txt", "--unit=d-ssh"]
    rollout.shell("n1", *run, "bash", "-c", SSH.format(other))
    to = "-p", "StandardOutput=truncate:/tmp/ping.txt"
    rollout.shell(
        "n1",
        "systemd-run",
        "--quiet",
        "--collect",
        *to,
        "-p",
        "KillSignal=SIGINT",
        "--unit=d-ping",
        "ping",
        "-n",
        "-i",
        "0.1",
        other,
    )

    applied = rollout.apply()
    assert "confirmed on 2 nodes" in applied.stdout
    rollout.shell("n1", "systemctl", "stop", "d-ping")
    pinged = pings.read(rollout.shell("n1", "cat", "/tmp/ping.txt"), 0.1)
    tries, pace = banners(lab), Pace.of(lab)
    print(
        f"\napply: lost {pinged.lost} of {pinged.sent} pings between the hosts, {tries.count('FAILED')} of "
        f"{len(tries)} SSH banners"
    )
    assert pinged.longest <= pace.unit, pinged
    assert "FAILED" not in tries
    assert all(node["differs"] == [] for node in rollout.status().values())
    assert rollout.apply().stdout.splitlines()[-1].startswith("0 to change")

    # charon is gone on one end: nothing passes but SSH, from there and from the control machine
    rollout.shell("n2", "systemctl", "stop", "strongswan")
    before = len(banners(lab))
    assert not ping(lab, other)
    until("SSH goes on", lambda: len(banners(lab)) >= before + 20)
    during = banners(lab)[before:]
    print(f"without charon on n2: ping refused, {during.count('FAILED')} of {len(during)} SSH banners failed")
    assert during
    assert "FAILED" not in during
    rollout.shell("n2", "systemctl", "start", "strongswan")
    answers(lab, "n1", other, "")
    assert rollout.run("revert", "--yes").returncode == 0
    assert all(is_old(node) for node in rollout.status().values())
    assert ping(lab, other)

    # the controller dies after clear packets are dropped: every node rolls back by itself
    pace = Pace.of(lab)
    rollout.kill_at("trap", pace.unit, pace.timer)
    rollout.settled()
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values()), nodes
    assert {node["state"]["last"]["by"] for node in nodes.values()} == {"timer"}
    assert ping(lab, other)
    tries = banners(lab)
    print(
        f"after the dead man's timer: clear again; SSH banners failed over all: {tries.count('FAILED')} of {len(tries)}"
    )
    assert "FAILED" not in tries
