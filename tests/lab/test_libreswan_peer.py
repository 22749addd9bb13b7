"""A lab whose last node is an unmanaged host with libreswan: its sheet, its certificate, and the job around it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netplan.lab.cluster import Lab
from netplan.model.ids import node_id

from .conftest import ClusterFactory
from .pace import until
from .rollout_steps import Rollout

pytestmark = pytest.mark.lab
FAR = "n3"
SIZES = {"transport": 1416, "tunnel": 1396}
DATABASE = "sql:/var/lib/ipsec/nss"


def configured(lab: Lab, rollout: Rollout, folder: Path) -> str:
    """Do what the far end's administrator does with what he is given; return the sheet."""
    far = node_id("lab", FAR)
    words = folder / "passphrase"
    words.write_text("a passphrase of a test\n")
    words.chmod(0o600)
    state = ("--state-dir", str(rollout.state))
    file = folder / "far.p12"
    for verb, *rest in (("init", "lab"), ("issue", "lab", far, str(file), "--passphrase-file", str(words))):
        assert rollout.run("ca", verb, *rest, *state, bundle=False, ok=True).stdout
    sheet = (rollout.bundle / "unmanaged-peers" / far / "libreswan.conf").read_text()
    for path, data in {
        "/etc/ipsec.d/ipsecplan.conf": sheet.encode(),
        "/root/far.p12": file.read_bytes(),
        "/root/passphrase": words.read_bytes(),
    }.items():
        lab.exec(FAR, ["sh", "-c", f"umask 077; cat >{path}"], stdin=data, check=True)
    for command in (
        f"[ -e /var/lib/ipsec/nss/cert9.db ] || certutil -N -d {DATABASE} --empty-password",
        f"pk12util -i /root/far.p12 -d {DATABASE} -w /root/passphrase",
        f"certutil -M -d {DATABASE} -n ipsecplan -t CT,,",
        "systemctl start ipsec",
    ):
        lab.exec(FAR, ["sh", "-c", command], check=True)
    wanted = len(re.findall(r"^\tauto=add$", sheet, re.M))
    until("pluto has loaded", lambda: lab.exec(FAR, ["ipsec", "status"]).stdout.count("conn serial:") == wanted, 1)
    return sheet


@pytest.mark.drill
@pytest.mark.weight(400)
@pytest.mark.parametrize("mode", SIZES)
def test_a_cluster_with_a_libreswan_host(mode: str, clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3, release="trixie", peer="libreswan")
    size, plan = SIZES[mode], tmp_path / "plan.yaml"
    text = lab.plan.read_text().replace("mode: transport", f"mode: {mode}")
    plan.write_text(text.replace("inventory: inventory.yml", f"inventory: {lab.inventory}"))
    rollout = Rollout(lab, tmp_path, plan)
    configured(lab, rollout, tmp_path)
    line = rf"^(n[12]) -> n3  DF {size} passes, {size + 1} refused, ESP seen \(outer 1500\), 0 plaintext"
    applied = rollout.apply()
    assert applied.returncode == 0, applied.stdout + applied.stderr
    assert re.findall(line, applied.stdout, re.M) == ["n1", "n2"]
    for _ in range(3):
        conns = re.findall(r'^#\d+: "(\S+)"', lab.exec(FAR, ["ipsec", "trafficstatus"]).stdout, re.M)
        assert len(set(conns)) == 4, "two children for each of two peers"
        for conn in sorted(set(conns)):
            lab.exec(FAR, ["ipsec", "whack", "--rekey-child", "--name", conn], check=True)
        found = rollout.run("verify", "--from-our-side", ok=True).stdout
        assert re.findall(line, found, re.M) == ["n1", "n2"], found
        assert "from our side alone: what n3 would begin by itself was not measured" in found
    far = lab.exec(FAR, ["journalctl", "-u", "ipsec", "-o", "cat", "--no-pager"]).stdout
    assert far.count("initiator rekeyed Child SA") >= 12, "each of four conns, three times"
    ours = rollout.shell("n1", "journalctl", "-u", "strongswan", "-o", "cat", "--no-pager")
    assert len(re.findall(r"parsed CREATE_CHILD_SA request \d+ \[ N\(REKEY_SA\) SA No KE ", ours)) >= 6
