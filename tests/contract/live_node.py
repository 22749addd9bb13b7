"""Run by test_raise_live, in namespaces of its own: the node's half of a raise, on a real VXLAN device, bridge and pod.

Argument: an empty folder. Prints one JSON object: step -> what the kernel and the files have after it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from netplan.agent.phases import fdb_and_routes, overlay_mtu, raise_mtu
from netplan.agent.system import core
from netplan.agent.transaction import release as release_module
from netplan.agent.transaction import state

state.ROOT = sys.argv[1]
state.BASE, state.STATE, state.OPEN = (state.ROOT + part for part in ("/base", "/state.json", "/open"))
overlay_mtu.RAISE = state.ROOT + "/raise"

SETUP = """
mount -t tmpfs none /etc/systemd/network; mkdir -p /run/netns; mount -t tmpfs none /run/netns; mount -t tmpfs none /etc
mkdir -p /etc/systemd/network /etc/cni/net.d
ip link set lo up
ip link add name under type veth peer name far; ip addr add 10.77.0.11/24 dev under; ip link set under up
ip link add ov0 type vxlan id 4096 dstport 4789 local 10.77.0.11; ip link set ov0 mtu 1312 up
ip link add name bridge9 type bridge; ip link set bridge9 up; ip netns add pod
ip link add name p0 mtu 1312 type veth peer name eth0 netns pod; ip link set p0 master bridge9 up
ip -n pod link set eth0 mtu 1312 up; ip -n pod addr add 10.244.1.2/24 dev eth0
ip -n pod route add default via 10.244.1.1; ip link set bridge9 mtu 1312
"""
NETWORK = """[Match]
Name=ov0

[BridgeFDB]
MACAddress=00:00:00:00:00:00
Destination=10.77.0.{0}

[Route]
Destination=10.244.{0}.0/32
Scope=link

[Route]
Destination=10.244.{0}.0/24
Gateway=10.244.{0}.0
GatewayOnLink=yes
"""
TX, NEW, OLD = "tx-9", "a" * 64, "b" * 64
FILES = ("/etc/systemd/network/10-ipsecplan-ov0.network", overlay_mtu.CONFLIST)
NODE: dict[str, Any] = {
    "overlay": {
        "devices": [{"name": "ov0", "mtu": 1416}],
        "bridge": "bridge9",
        "pod_cidr": "10.244.1.0/24",
        "address": "10.244.1.0",
    },
    "mtu": {"pod": 1416},
}


def release(digest: str, peer: int, size: int) -> None:
    entries = []
    for path, text in zip(FILES, (NETWORK.format(peer), f'{{"mtu": {size}}}'), strict=True):
        core.write(release_module.folder(digest) + "/files" + path, text, 0o644)
        entries.append({"path": path, "sha256": core.sha256(text.encode()), "mode": "0644", "owner": "root:root"})
        if digest == OLD:
            core.write(path, text, 0o644)
    core.write(release_module.folder(digest) + "/files.json", json.dumps(entries))


def seen() -> dict[str, Any]:
    live = overlay_mtu.live(NODE)
    routes = subprocess.run(["ip", "-n", "pod", "route"], capture_output=True, text=True, check=True).stdout
    return {
        "sizes": [live["devices"]["ov0"], live["bridge"], *[p[k] for p in live["pods"] for k in ("mtu", "port_mtu")]],
        "routes": routes.count("mtu 1312"),
        "conflist": json.loads(Path(overlay_mtu.CONFLIST).read_text())["mtu"],
        "waits": overlay_mtu.to_raise(NODE),
        "differs": overlay_mtu.differences(NODE),
        "peers": sorted(entry[1] for entry in fdb_and_routes._live("ov0") if entry[0] == "fdb"),
    }


subprocess.run(["sh", "-ec", SETUP], check=True)
Path(state.BASE, "tree").mkdir(parents=True)
Path(state.tx_folder(TX), "tree").mkdir(parents=True)
release(OLD, 2, 1312)
release(NEW, 3, 1416)
out: dict[str, Any] = {"added": fdb_and_routes.add(OLD)}
overlay_mtu.lower_devices({"node": overlay_mtu.at_size(NODE, 1312), "tx": TX, "release": OLD, "held_mtu": 1312})
out["moved"] = [fdb_and_routes.add(NEW), fdb_and_routes.remove(OLD, NEW), fdb_and_routes.add(NEW)]
out["held"] = seen()
state.save(state="confirmed", tx=TX, release=NEW)
for name, step in (
    ("raise-devices", raise_mtu.raise_devices),
    ("raise-senders", raise_mtu.raise_senders),
    ("raise-senders twice", raise_mtu.raise_senders),
    ("lower-senders-again", raise_mtu.lower_senders_again),
    ("lower-devices-again", raise_mtu.lower_devices_again),
    ("raise-devices again", raise_mtu.raise_devices),
    ("raise-senders at last", raise_mtu.raise_senders),
):
    step({"node": NODE, "release": NEW, "size": 1312})
    out[name] = seen()
print(json.dumps(out))
