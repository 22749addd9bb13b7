"""The overlay of 1,100 hosts for real: networkd makes its device, overlay.sh loads the table, on this kernel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from netplan.host.overlay import SCRIPT, TABLE, Endpoint, Overlay, OverlayFiles
from netplan.model.ids import mac_address

NETWORKD = Path("/usr/lib/systemd/systemd-networkd")
HOSTS = 1100
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("bridge"), reason="needs root and iproute2"),
]
OVERLAY = Overlay(type="vxlan", vni=4096, port=4789, device="ov0", mtu=1416)
# private mounts: the machine's own /etc and /run stay as they are
BEGIN = """
set -e
mount -t tmpfs none /etc/systemd/network 2>/dev/null || mkdir -p /etc/systemd/network
mount -t tmpfs none /run
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp
mount -t sysfs -o ro none /sys
ip link set lo up
overlay() { sh "$top/SCRIPT" "$1" "$top/TABLE"; }
state() {
    bridge fdb show dev ov0 | grep -c ' dst ' || true
    ip neigh show dev ov0 nud permanent | wc -l
    ip -4 route show dev ov0 | wc -l
}
top=$1
""".replace("SCRIPT", SCRIPT).replace("TABLE", TABLE)
MADE = "ip link add ov0 mtu 1416 type vxlan id 4096 dstport 4789 local 10.20.0.1 nolearning\n"


def ends(count: int) -> list[Endpoint]:
    return [
        Endpoint(
            id=f"n-{i:012x}",
            address=f"10.20.{i >> 8}.{i & 255}",
            overlay_address=f"10.{64 + (i >> 8)}.{i & 255}.0",
            pod_cidr=f"10.{64 + (i >> 8)}.{i & 255}.0/24",
        )
        for i in range(1, count + 1)
    ]


def put(folder: Path, hosts: list[Endpoint]) -> Path:
    """Write the files of the first host below a folder."""
    made = OverlayFiles(OVERLAY, hosts)
    assert made.common, "a table"
    for path, text in {**made.common, **made.of(hosts[0].id)}.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return folder


def run(script: str, *folders: Path) -> list[str]:
    done = subprocess.run(
        ["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", BEGIN + script, "sh", *map(str, folders)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout.splitlines()


def test_the_table_of_many_hosts_is_loaded_and_found_again(tmp_path: Path) -> None:
    script = """
    overlay check && exit 9
    overlay load; overlay check; state
    overlay hold; ip -j address show dev ov0
    bridge fdb show dev ov0 | grep 'dst 10.20.0.2 '; ip neigh show 10.64.2.0 dev ov0; ip route show 10.64.2.0/24
    ip neigh delete 10.64.9.0 dev ov0; overlay check || echo lacks; overlay hold; overlay check; state
    """
    said = run(MADE + script, put(tmp_path, ends(HOSTS)))
    assert said[:3] == [str(HOSTS - 1), str(HOSTS - 1), str(2 * (HOSTS - 1))]
    (device,) = json.loads(said[3])
    assert (device["address"], device["mtu"]) == (mac_address("10.64.1.0"), 1416)
    assert [a["local"] for a in device["addr_info"] if a["family"] == "inet"] == ["10.64.1.0"]
    mac = mac_address("10.64.2.0")
    assert said[4].startswith(f"{mac} dst 10.20.0.2 ")
    assert f"lladdr {mac} PERMANENT" in said[5]
    assert said[6].startswith("10.64.2.0/24 via 10.64.2.0 ")
    assert "lacks" in said
    assert said[-3:] == said[:3]


def test_a_host_that_is_gone_goes_and_what_came_is_there(tmp_path: Path) -> None:
    before, after = ends(200), ends(203)
    del after[100:102]
    script = """
    overlay load
    ip route add 192.0.2.0/24 via 10.64.3.0 dev ov0 onlink
    top=$2
    overlay add; state
    overlay load; overlay check; state
    overlay leave; state
    """
    said = run(MADE + script, put(tmp_path / "1", before), put(tmp_path / "2", after))
    assert said[:3] == ["202", "202", str(2 * 202 + 1)], "what is gone is not gone before the switch"
    assert said[3:6] == ["200", "200", str(2 * 200 + 1)], "a stranger's route stays"
    assert said[6:8] == ["0", "0"]


@pytest.mark.skipif(not NETWORKD.exists(), reason="needs systemd-networkd")
def test_networkd_makes_the_device_and_leaves_the_table_alone(tmp_path: Path) -> None:
    script = """
    chown -R systemd-network:systemd-network /run/systemd/netif
    cp "$top"/etc/systemd/network/* /etc/systemd/network/
    /usr/lib/systemd/systemd-networkd >/dev/null 2>&1 &
    first=$!
    overlay load
    kill $first; wait $first || true
    overlay check; state
    timeout 5 /usr/lib/systemd/systemd-networkd >/dev/null 2>&1 || true
    overlay check; state
    ip -j -d link show dev ov0
    """
    said = run(script, put(tmp_path, ends(HOSTS)))
    assert said[:3] == said[3:6] == [str(HOSTS - 1), str(HOSTS - 1), str(2 * (HOSTS - 1))], "after its restart, too"
    (device,) = json.loads(said[6])
    assert (device["address"], device["mtu"]) == (mac_address("10.64.1.0"), 1416)
    assert device["linkinfo"]["info_data"]["learning"] is False
