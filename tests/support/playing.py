"""``ansible-playbook`` as a user runs it, with the collection's plays; the bundle and its inventory are small ones."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from netplan.rollout.record.at_work import LOCK, holder
from netplan.rollout.transport.ansible import playbooks

RECAP = re.compile(r"^(\S+)\s+: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+) +skipped=(\d+)", re.M)
INVENTORY = """k8s_nodes:
  hosts:
    n1: {underlay_address: 192.0.2.1, pod_cidr: 10.244.1.0/24}
    n2: {underlay_address: 192.0.2.2, pod_cidr: 10.244.2.0/24}
  vars: {underlay_interface: eth0, underlay_mtu: 1500}
"""
PLAN = """name: played
inventory: inventory.yml
nodes: k8s_nodes
underlay: {mtu: 1500, family: ipv4}
ipsec: {esp: [aes256gcm16-x25519]}
overlay: {type: vxlan, port: 4789, vni: 4096, device: ov0}
cni: {plugin: bridge}
"""


def play_argv(name: str, inventory: Path, bundle: Path, *words: str) -> list[str]:
    """Return the command of one playbook."""
    program = Path(sys.executable).parent / "ansible-playbook"
    return [str(program), "-i", str(inventory), str(playbooks() / f"{name}.yml"), "-e", f"bundle={bundle}", *words]


def recap(text: str) -> dict[str, dict[str, int]]:
    """Return host -> its counts in a play's recap."""
    keys = ("ok", "changed", "unreachable", "failed", "skipped")
    return {host: dict(zip(keys, map(int, counts), strict=True)) for host, *counts in RECAP.findall(text)}


def said(done: subprocess.CompletedProcess[str]) -> str:
    """Return all that a play said, without colours."""
    return done.stdout + done.stderr


class Plays:
    """A folder with an inventory, a bundle and the stand-in's nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.nodes = folder, folder / "nodes.json"
        self.inventory, self.bundle = folder / "inventory.yml", folder / "bundle"
        self.inventory.write_text(INVENTORY)
        (folder / "plan.yaml").write_text(PLAN)
        self.python = folder / "python"
        root = Path(__file__).resolve().parents[2]
        lines = ["#!/bin/sh", f"PYTHONPATH={root} exec {sys.executable} -m tests.support.play_nodes", ""]
        self.python.write_text("\n".join(lines))
        self.python.chmod(0o755)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")},
            "IPSECPLAN_STATE": str(folder / "state"),
            "IPSECPLAN_TEST_NODES": str(self.nodes),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_HOME": str(folder / "ansible"),
            "PYTHONPATH": str(root),
        }
        self.command("render", "plan.yaml", "--to", "bundle")

    def command(self, *argv: str) -> str:
        """Run a verb of the command line against the stand-in's nodes; it must exit 0."""
        words = [sys.executable, "-m", "tests.support.play_nodes", *argv]
        done = subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def at_work(self) -> bool:
        """Tell whether an engine still has the cluster; that of a killed play ends some seconds after it."""
        return holder(self.folder / "state" / "clusters" / "played" / LOCK) is not None

    def states(self) -> set[str]:
        """Return what the nodes' states are."""
        return {node["nodes"][0]["state"] for node in json.loads(self.nodes.read_text()).values()}

    def play(self, name: str, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook against the stand-in's nodes."""
        argv = play_argv(name, self.inventory, self.bundle, "-e", f"node_python={self.python}", *words)
        argv += ["-e", "node_soak=0.1"]
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300, **more
        )
        print(done.stdout, done.stderr, sep="\n")
        return done
