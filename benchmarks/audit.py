"""``audit`` of many nodes' dumps, beside ``json.loads`` of the same bytes and splitting the rest into lines."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.result import Result, spent

NODES, LINKS, ROUTES, SAS = 500, 33, 101, 100
GOAL = 4.0
_PLAIN = """import json, pathlib, sys
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    text = path.read_text()
    json.loads(text) if path.suffix == ".json" else text.splitlines()
"""


def _link(name: str, mtu: int, **more: Any) -> dict[str, Any]:
    return {
        "ifindex": 1,
        "ifname": name,
        "flags": ["BROADCAST", "UP", "LOWER_UP"],
        "mtu": mtu,
        "qdisc": "noqueue",
        "operstate": "UP",
        "link_type": "ether",
        "address": "52:54:00:12:34:56",
        "broadcast": "ff:ff:ff:ff:ff:ff",
        "min_mtu": 68,
        "max_mtu": 65535,
        "num_tx_queues": 1,
        "addr_info": [],
        **more,
    }


def write(folder: Path, nodes: int) -> int:
    """Write the dumps of so many nodes, three files each; return their bytes."""
    size = 0
    for number in range(nodes):
        own = f"10.1.{number >> 8}.{number & 255}"
        peers = [f"10.1.{n >> 8}.{n & 255}" for n in range(number + 1, number + 1 + SAS)]
        address = [{"family": "inet", "local": own, "prefixlen": 16, "scope": "global"}]
        vxlan = {"info_kind": "vxlan", "info_data": {"id": 1, "local": own, "port": 4789}}
        links = [
            _link("eth0", 1500, addr_info=address),
            _link("ov0", 1416, linkinfo=vxlan),
            _link("br0", 1416, linkinfo={"info_kind": "bridge", "info_data": {}}),
            *(
                _link(f"veth{n}", 1416, master="br0", linkinfo={"info_kind": "veth"}, link_netnsid=n)
                for n in range(LINKS - 3)
            ),
        ]
        routes = [{"dst": "default", "gateway": "10.1.255.254", "dev": "eth0", "flags": []}]
        routes += [
            {
                "dst": f"10.{n >> 8 | 64}.{n & 255}.0/24",
                "gateway": f"10.244.{n & 255}.0",
                "dev": "ov0",
                "flags": ["onlink"],
            }
            for n in range(ROUTES - 1)
        ]
        states = "".join(
            f"src {own} dst {peer}\n\tproto esp spi 0xc{n:07x} reqid {n} mode transport\n\treplay-window 32\n"
            f"\taead rfc4106(gcm(aes)) 0x00 128\n\tsel src 0.0.0.0/0 dst 0.0.0.0/0\n"
            for n, peer in enumerate(peers)
        )
        policies = "".join(
            f"src {own}/32 dst {peer}/32 proto udp dport 4789\n\tdir out priority 366655\n"
            f"\ttmpl src 0.0.0.0 dst 0.0.0.0\n\t\tproto esp spi 0xc{n:07x} reqid {n} mode transport\n"
            for n, peer in enumerate(peers)
        )
        files = {"addr.json": json.dumps(links), "route.json": json.dumps(routes), "xfrm.txt": states + policies}
        for name, text in files.items():
            size += (folder / f"h{number:04}-{name}").write_text(text)
    return size


def measure() -> list[Result]:
    """Measure both in processes of their own."""
    with tempfile.TemporaryDirectory() as folder:
        size = write(Path(folder), NODES)
        plain = min(spent([sys.executable, "-c", _PLAIN, folder]).cpu_s for _ in range(3))
        ours = min(
            (spent([sys.executable, "-m", "netplan", "audit", "--json", folder], codes=(0, 4)) for _ in range(2)),
            key=lambda took: took.cpu_s,
        )
    return [
        Result(
            name=f"audit of {NODES} nodes against parsing the same bytes",
            value=ours.cpu_s / plain,
            goal=GOAL,
            unit="",
            detail=f"{ours.cpu_s:.2f} against {plain:.2f} CPU-s, {size / 2**20:.1f} MiB, peak {ours.peak_mib:.0f} MiB",
        )
    ]
