"""Both address families and a second NIC between the hosts, all protected: applied, measured, on the wire, off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from netplan.lab.cluster import Lab
from netplan.lab.config import GUEST

from .conftest import ClusterFactory
from .rollout_steps import Rollout, is_new, is_old

pytestmark = [pytest.mark.lab, pytest.mark.drill, pytest.mark.weight(150)]

# a second NIC: its other end is on a bridge of its own in the guest, so that its wire can be watched
NIC = """
own=$(readlink /proc/self/ns/net)
ip link add br1 mtu 9000 type bridge 2>/dev/null; ip link set br1 up
for p in /proc/[0-9]*; do
    [ "$(readlink "$p/ns/net" 2>/dev/null)" = "$own" ] && continue
    nsenter --net="$p/ns/net" ip -4 -o addr show dev eth0 2>/dev/null | grep -q " {main}/" || continue
    ip link add vs-{name} mtu {mtu} type veth peer name eth1 mtu {mtu} netns "${{p#/proc/}}" || exit 1
    ethtool -K vs-{name} tso off gso off gro off
    ip link set vs-{name} mtu {mtu} master br1 up
    exit
done
exit 1
"""
# what may be clear between two protected hosts: IKE, SSH, and how IPv6 finds its neighbours
ALLOWED = "esp or udp port 500 or udp port 4500 or tcp port 22 or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))"
PROOF = r"^n(\d) -> n(\d){network}  DF {n} passes, {over}ESP seen \(outer {outer}\), 0 plaintext \(1 planted, seen\)$"


def second(lab: Lab, mtu: int = 9000) -> dict[str, dict[str, str]]:
    """Give each node an IPv6 address on its NIC and a second NIC; return node -> network -> address."""
    found = {}
    for node in lab.nodes:
        six, storage = f"fd00:77::{10 + node.number}", f"10.88.0.{10 + node.number}"
        script = NIC.format(main=node.management_address, name=node.name, mtu=mtu)
        lab.exec(GUEST, ["sh", "-c", script], check=True)
        script = f"""sysctl -qw net.ipv6.conf.eth0.disable_ipv6=0
            ethtool -K eth1 tso off gso off gro off
            ip addr add {six}/64 dev eth0 nodad
            ip addr add {storage}/24 dev eth1
            ip link set eth1 up"""
        lab.exec(node.name, ["sh", "-ec", script], check=True)
        found[node.name] = {"": node.management_address, "ipv6": six, "storage": storage}
    return found


def rollout_of(lab: Lab, folder: Path, addresses: dict[str, dict[str, str]]) -> Rollout:
    """Return the rollout of a plan with all of it."""
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(folder / "inventory.yml")
    document["underlay"] = {"family": "dual", "networks": [{"name": "storage", "mtu": 9000}]}
    document["ipsec"] = {"protect": "hosts"}
    (folder / "plan.yaml").write_text(yaml.safe_dump(document))
    inventory = yaml.safe_load(lab.inventory.read_text())
    for name, host in inventory["k8s_nodes"]["hosts"].items():
        host["underlay_address_ipv6"] = addresses[name]["ipv6"]
        host["underlay_networks"] = {"storage": {"address": addresses[name]["storage"]}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    return Rollout(lab, folder, folder / "plan.yaml")


@contextmanager
def wire(lab: Lab, node: str, other: dict[str, str]) -> Iterator[dict[str, dict[str, int]]]:
    """Capture both wires of a node while the block runs; at its end: wire -> how many packets from and to ``other``
    (its addresses by network) were ESP, and clear."""
    wires = {"eth0": f"vb-{node}", "eth1": f"vs-{node}"}
    for name, link in wires.items():
        take = f"tcpdump -U -n --immediate-mode -i {link} -w /run/{name}.pcap >/run/{name}.said 2>&1"
        ready = f"until grep -q 'listening on' /run/{name}.said; do sleep 0.1; done"
        lab.exec(GUEST, ["sh", "-c", f"{take} & echo $! >/run/{name}.pid; {ready}"], check=True)
    seen: dict[str, dict[str, int]] = {}
    try:
        yield seen
    finally:
        for name in wires:  # its buffer is read before it ends
            end = f"sleep 1; p=$(cat /run/{name}.pid); kill $p; while kill -0 $p 2>/dev/null; do sleep 0.1; done"
            lab.exec(GUEST, ["sh", "-c", end], check=True)
    hosts = " or ".join(f"host {address}" for address in other.values())
    for name in wires:
        count = "tcpdump -n -r /run/{}.pcap '{}' 2>/dev/null | wc -l"
        clear = f"(ip or ip6) and ({hosts}) and not ({ALLOWED})"
        seen[name] = {
            word: int(lab.exec(GUEST, ["sh", "-c", count.format(name, what)], check=True).stdout)
            for word, what in (("esp", f"esp and ({hosts})"), ("clear", clear))
        }
        print(
            name, seen[name], lab.exec(GUEST, ["sh", "-c", f"tcpdump -n -r /run/{name}.pcap '{clear}' | head"]).stdout
        )


def lost(lab: Lab, to: dict[str, str], *words: str, count: int = 10) -> dict[str, int]:
    """Ping another node from n1 on every network; return network -> how many of ``count`` were lost."""
    found = {}
    for network, address in to.items():
        said = lab.exec("n1", ["ping", "-n", "-q", "-c", str(count), "-i", "0.1", "-W", "5", *words, address]).stdout
        counted = re.search(r"(\d+) received", said)
        found[network] = count - int(counted[1]) if counted else count
    return found


def sas(rollout: Rollout, node: str) -> list[str]:
    """Return the connections of a node's established IKE_SAs."""
    return sorted(re.findall(r"(?m)^(pair-[0-9a-f]+): #\d+, ESTABLISHED", rollout.shell(node, "swanctl", "--list-sas")))


@pytest.mark.parametrize("again", [False, True], ids=["once", "again"])
def test_both_families_and_a_second_nic(clusters: ClusterFactory, tmp_path: Path, again: bool) -> None:
    """``again``: verify by itself measures the same, and a second apply has nothing to change."""
    lab = clusters(nodes=2)
    addresses = second(lab)
    rollout = rollout_of(lab, tmp_path, addresses)
    first = rollout.apply()
    assert "confirmed on 2 nodes" in first.stdout
    for proof in (first.stdout, *([rollout.run("verify", ok=True).stdout] if again else [])):
        for network, n, over, outer in (
            ("", 1396, "1397 refused, ", 1500),
            (r" \(ipv6\)", 1466, "", 1500),
            (r" \(storage\)", 8966, "8967 refused, ", 9000),
        ):
            lines = re.findall(PROOF.format(network=network, n=n, over=over, outer=outer), proof, re.M)
            assert sorted(lines) == [("1", "2"), ("2", "1")], (network, proof)
    with wire(lab, "n1", addresses["n2"]) as seen:
        assert lost(lab, addresses["n2"]) == {"": 0, "ipv6": 0, "storage": 0}
        # from an address on one network to another one's: no selector covers it, so the guard drops it
        assert lost(lab, {"crossed": addresses["n2"]["storage"]}, "-I", addresses["n1"][""], count=3) == {"crossed": 3}
    assert (seen["eth0"]["clear"], seen["eth1"]["clear"]) == (0, 0), seen
    assert seen["eth0"]["esp"] >= 40, seen
    assert seen["eth1"]["esp"] >= 20, seen
    status = rollout.status()
    assert all(
        is_new(node) and (node["ike_sas"], node["traps"], node["connections"]) == (3, 3, 4) for node in status.values()
    ), status
    assert all(len(sas(rollout, name)) == 3 for name in ("n1", "n2"))
    assert not again or rollout.apply().stdout.splitlines()[-1].startswith("0 to change")

    # an address that is gone is a difference of its own
    rollout.shell("n2", "ip", "addr", "del", f"{addresses['n2']['storage']}/24", "dev", "eth1")
    assert any("network storage" in text for text in rollout.status()["n2"]["differs"])
    rollout.shell("n2", "ip", "addr", "add", f"{addresses['n2']['storage']}/24", "dev", "eth1")

    assert rollout.run("revert", "--yes").returncode == 0
    assert all(is_old(node) for node in rollout.status().values())
    assert lost(lab, addresses["n2"]) == {"": 0, "ipv6": 0, "storage": 0}
