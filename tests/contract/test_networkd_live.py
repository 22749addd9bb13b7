"""systemd-networkd for real, in namespaces of its own: our drop-in sets the link's MTU and keeps its address, and our
overlay files make a device with the planned MTU."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from netplan.host.links import HOSTS, Link
from netplan.host.overlay import Endpoint, Overlay, networkd_files

NETWORKD = Path("/usr/lib/systemd/systemd-networkd")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not NETWORKD.exists(), reason="needs root and systemd-networkd"),
]
# private mounts: the machine's own /etc, /run and /sys stay as they are
SCRIPT = """
set -e
mount -t tmpfs none /etc/systemd/network
mkdir -p /run/systemd && mount -t tmpfs none /run/systemd
mount -t sysfs -o ro none /sys
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
chown -R systemd-network:systemd-network /run/systemd/netif
cp -r "$1"/. /etc/systemd/network/
ip link add eth1 type veth peer name far
ip link set far up
timeout 6 /usr/lib/systemd/systemd-networkd >"$1.log" 2>&1 || true
ip -j addr
"""


def applied(folder: Path) -> dict[str, dict]:
    run = subprocess.run(
        ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", SCRIPT, "sh", str(folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if run.returncode != 0:
        pytest.skip(f"no namespaces to run networkd in: {run.stderr.strip()[-200:]}")
    return {link["ifname"]: link for link in json.loads(run.stdout)}


def test_the_drop_in_sets_the_mtu_and_keeps_the_address(tmp_path):
    folder = tmp_path / "network"
    link = Link(name="eth1", mtu=1416, unit="20-lan.network")
    for path, text in HOSTS["networkd"].render(link).items():
        target = folder / Path(path).relative_to("etc/systemd/network")
        target.parent.mkdir(parents=True)
        target.write_text(text)
    # no router is listened to: from systemd 262 on that wants a machine id, which a fresh container has not
    own = "[Match]\nName=eth1\n\n[Network]\nAddress=10.0.0.1/24\nIPv6AcceptRA=no\n"
    (folder / "20-lan.network").write_text(own)
    eth1 = applied(folder)["eth1"]
    assert eth1["mtu"] == 1416
    assert "10.0.0.1" in [a["local"] for a in eth1["addr_info"]]


def test_the_overlay_files_make_the_device(tmp_path):
    folder = tmp_path / "network"
    folder.mkdir()
    ends = [
        Endpoint(id=f"n{i}", address=f"10.20.0.{i}", overlay_address=f"10.42.{i}.0", pod_cidr=f"10.42.{i}.0/24")
        for i in (1, 2)
    ]
    overlay = Overlay(type="vxlan", vni=4096, port=4789, device="ov0", mtu=1416)
    for name, text in networkd_files(overlay, ends[0], ends[1:]).items():
        (folder / name).write_text(text)
    (folder / "20-lan.network").write_text("[Match]\nName=eth1\n\n[Network]\nAddress=10.20.0.1/24\n")
    ov0 = applied(folder)["ov0"]
    assert ov0["mtu"] == 1416
    assert "10.42.1.0" in [a["local"] for a in ov0["addr_info"]]
