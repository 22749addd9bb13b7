"""A key exchange that one end doesn't take over: the rekey proof finds it before confirm, and the rollback heals it."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import yaml

from netplan.lab.cluster import Lab
from netplan.problems import ExitCode

from .conftest import ClusterFactory
from .mesh import clock, watched_mesh
from .rollout_steps import Rollout

pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(400)]
KEPT = "/etc/swanctl/conf.d/zz-local.conf"


def planned(lab: Lab, folder: Path, group: str) -> Rollout:
    folder.mkdir()
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"]["esp"] = [f"aes256gcm16-{group}"]
    plan = folder / "plan.yaml"
    plan.write_text(yaml.safe_dump(document))
    return Rollout(lab, folder, plan)


def ike_sas(rollout: Rollout) -> dict[str, list[str]]:
    """Return the IKE_SAs of each node, by their initiator's SPI."""
    return {
        name: re.findall(r" ESTABLISHED, IKEv2, ([0-9a-f]{16})_i", rollout.shell(name, "swanctl", "--list-sas"))
        for name in rollout.names
    }


def rekeyed(rollout: Rollout) -> None:
    """Rekey every child from every node; each has to come through."""
    for name in rollout.names:
        for child in sorted(set(re.findall(r"^  (\S+): #", rollout.shell(name, "swanctl", "--list-sas"), re.M))):
            before = rollout.shell(name, "swanctl", "--list-sas", "--child", child)
            rollout.shell(name, "swanctl", "--rekey", "--child", child)
            rollout.shell(name, "sleep", "2")
            after = rollout.shell(name, "swanctl", "--list-sas", "--child", child)
            spi = re.compile(r"INSTALLED.*?\n(?:    .*\n)*?    in  ([0-9a-f]+)")
            assert set(spi.findall(after)) - set(spi.findall(before)), (name, child, before, after)


def test_found_before_confirm_and_encrypted_again(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    first, second = (planned(lab, tmp_path / group, group) for group in ("x25519", "ecp384"))
    second.state = first.state
    assert first.apply().returncode == 0
    # what a configuration management of their own left: the old group, whatever our file says
    kept = "".join(f'ipp-{n}c {{ esp_proposals = "aes256gcm16-x25519" }}\n' for n in (1, 2))
    lab.exec("n2", ["sh", "-c", f"cat >{KEPT}"], stdin=kept, check=True)
    first.shell("n2", "swanctl", "--load-all", "--noprompt")
    assert first.run("status").returncode == 0
    before = ike_sas(first)

    offset = clock(lab)
    with watched_mesh(lab) as report:
        since = time.time() + offset
        refused = second.apply()
        back = time.time() + offset
        first.run("verify", ok=True)  # which plants a packet in clear, for the capture to see
        until = time.time() + offset
    assert refused.returncode == ExitCode.REVERTED, refused.stdout + refused.stderr
    said = refused.stdout + refused.stderr
    assert "IPP623" in said
    found = re.search(r"n1.*no rekey of a CHILD_SA with n2 comes through: (.*)", said)
    assert found, said
    print("found:", found[0])
    assert "NO_PROPOSAL_CHOSEN" in found[1]
    for pair, stream in report.streams.items():
        print(pair, f"{stream.lost} of {stream.sent} pings lost")
        assert stream.longest < 100, "two seconds"
    assert report.planted() >= 1
    print(
        report.clear(since, back, first.names), "packets in clear while both ends rolled back, as docs/rollout.md says"
    )
    assert report.clear(back, until, first.names) == 0, "encrypted again"

    assert first.run("status").returncode == 0
    after = ike_sas(first)
    assert not set(before["n1"]) & set(after["n1"]), "what begins anew has the settings of before"
    for _ in range(2):
        verified = first.run("verify", ok=True).stdout
        assert re.findall(r"^(n\d) -> n\d .*ESP seen \(outer 1500\), 0 plaintext", verified, re.M) == ["n1", "n2"]
        rekeyed(first)

    lab.exec("n2", ["rm", KEPT], check=True)
    assert second.apply().returncode == 0
    second.run("verify", ok=True)
    rekeyed(second)
