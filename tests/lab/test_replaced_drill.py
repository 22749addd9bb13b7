"""A node's machine is replaced: same name and address, nothing of ours on it, another SSH host key.

Refused without a word; with it the new machine joins, the pairs of the others lose nothing, nothing is in clear.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from netplan.lab.backend import UNSAVED
from netplan.lab.cluster import Lab
from netplan.lab.ssh import KNOWN_HOSTS
from tests.support.lab_checks import THREE, YES, confirmed, judged

from .changes import Cluster
from .conftest import ClusterFactory

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.drill]
OTHERS = ("n1", "n3")


def reinstall(lab: Lab, name: str, folder: Path) -> str:
    """Give a node's machine an empty disk and a host key of its own; return the public one, which nobody knows yet."""
    key = folder / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    lab.power_off(name)
    script = f"""set -e
        node=/run/lab/nodes/{name} home=/var/lib/lab/{name}
        mkdir -p $node/etc/ssh $node/root/.ssh
        cp -a $home/root/root/.ssh/. $node/root/.ssh/
        cat >$node/etc/ssh/ssh_host_ed25519_key
        chmod 600 $node/etc/ssh/ssh_host_ed25519_key
        rm -f $node/etc/ssh/ssh_host_ed25519_key.pub
        for i in $(seq 50); do umount $home/root 2>/dev/null && break; sleep 0.2; done
        ! mountpoint -q $home/root
        rm -rf $home/upper $home/work"""
    lab.exec("guest", ["sh", "-c", script], stdin=key.read_text(), check=True)
    lab.power_on(name)
    return key.with_suffix(".pub").read_text().strip()


def accept(lab: Lab, name: str, public: str) -> None:
    """Be the operator who has compared the new host key, and takes it."""
    at = f"[127.0.0.1]:{lab.state.ports[name]} "
    path = lab.ssh.folder / KNOWN_HOSTS
    lines = [line for line in path.read_text().splitlines() if not line.startswith(at)]
    path.write_text("\n".join([*lines, at + public]) + "\n")


def test_a_node_is_replaced(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    if lab.state.backend in UNSAVED:
        pytest.skip("the disk of a node is erased in the virtual machine's way only")
    cluster = Cluster(lab, tmp_path)
    bundle = cluster.bundle("all")
    cluster.apply(bundle)
    public = reinstall(lab, "n2", tmp_path)
    accept(lab, "n2", public)
    lab.wait("n2")
    assert lab.exec("n2", ["sh", "-c", "find /etc /var/lib -name '*ipsecplan*' | grep -v lab.conf"]).stdout == ""
    said = cluster.apply(bundle, code=1)
    assert "n2 was replaced: it has nothing of the release that n1, n3 keep with it" in said
    assert "`--replace n2`" in said
    assert "nothing was changed" in said
    try:
        row = cluster.change("n2 replaced", ("apply", str(bundle), *YES, "--replace", "n2"), members=OTHERS)
        judged(row, planted=6, most=0)
        enforced = max(at for at, line in row.marks if line.startswith("enforce") and "n2" in line.split())
        assert row.report.clear(enforced, row.until, THREE) == 0
        for pair, stream in row.report.streams.items():
            assert stream.sent - stream.last < 100, f"{pair}: nothing arrived at the end"
        confirmed(cluster, bundle, THREE)
        assert "rotate ca" in "".join(line for _, line in row.marks)
    finally:
        print(cluster.table())
