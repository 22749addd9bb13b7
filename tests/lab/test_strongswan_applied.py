"""Combinations of mode, family, overlay, topology, profile and encapsulation, each by a whole rollout: a drill.

Each two of mode, family and overlay meet in a row; profile, topology and NAT-T vary over the rows. All other
combinations are in test_strongswan_matrix.py, without the rollout; ``make test`` has a part of those, and a rollout
with other values than the lab's own in test_additional_networks.py.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from netplan import pipeline

from .charon_words import listen
from .command import ipsecplan
from .conftest import ClusterFactory
from .pace import answers
from .wire import sizes_are_as_planned

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.drill]

HUB: dict[str, Any] = {"hub": "n2"}
LINE: dict[str, Any] = {"between": [["n1", "n2"], ["n2", "n3"]]}
ROWS = [
    # mode, protect, auth, family, overlay, topology, profile, NAT-T
    ("transport", "overlay", "psk", "ipv4", "vxlan", "full-mesh", "legacy-cbc", "always"),
    ("tunnel", "hosts", "raw-keys", "ipv6", "geneve", HUB, "bsi", "never"),
    ("transport", "hosts", "certificates", "ipv4", "geneve", LINE, "cnsa1", "never"),
    ("tunnel", "overlay", "certificates", "ipv6", "vxlan", "full-mesh", "pq-hybrid", "never"),
]


@pytest.mark.parametrize(
    ("mode", "protect", "auth", "family", "overlay", "topology", "profile", "nat"),
    ROWS,
    ids=lambda v: v if isinstance(v, str) else next(iter(v)),
)
def test_applied_and_measured(
    clusters: ClusterFactory,
    tmp_path: Path,
    mode: str,
    protect: str,
    auth: str,
    family: str,
    overlay: str,
    topology: Any,
    profile: str,
    nat: str,
) -> None:
    lab = clusters(nodes=3, family=family, overlay=overlay)
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"] = {
        "mode": mode,
        "protect": protect,
        "auth": auth,
        "topology": topology,
        "profile": profile,
        "nat_traversal": nat,
    }
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(document))
    plan = pipeline.make(tmp_path / "plan.yaml").plan
    ipsecplan("render", "plan.yaml", "--to", "bundle", cwd=tmp_path)
    proof = ipsecplan("apply", "bundle", "--yes", cwd=tmp_path)
    row = f"{mode} {protect} {auth} {family} {overlay} {topology} {profile} NAT-T {nat}"
    print(f"\n{row}: pod MTU {plan.pod_mtu}\n{proof}")
    protected = {(n.name, p.name) for n in plan.nodes for p, _ in plan.peers(n)}
    mtu, outer = plan.pod_mtu, plan.limiting.worst.solution.outer_packet
    for one, other in itertools.permutations([n.name for n in plan.nodes], 2):
        lines = [line for line in proof.splitlines() if line.split()[:3] == [one, "->", other]]
        assert bool(lines) == ((one, other) in protected)
        for line in lines:
            for words in (f"DF {mtu} passes", f"{mtu + 1} refused", f"outer {outer}", "0 plaintext (1 planted, seen)"):
                assert words in line
    # what is clear by plan still works, and the guard lets it
    for node in plan.nodes:
        for other in plan.others(node):
            payload = ["-M", "do", "-s", str(mtu - 28)]
            pod = next(n.pod_address for n in lab.nodes if n.name == other.name)
            argv = ["ip", "netns", "exec", "pod1", "ping", "-n", "-c3", "-i0.3", "-W30", *payload, pod]
            assert lab.exec(node.name, argv).returncode == 0, (node.name, other.name)
    # charon comes back with the settings that we gave it, and so do the SAs
    restart = (
        "systemctl restart strongswan && swanctl --stats >/tmp/s && grep plugins: /tmp/s && ! grep bypass-lan /tmp/s"
    )
    assert lab.exec("n1", ["sh", "-c", restart]).returncode == 0
    for pod in [n.pod_address for n in lab.nodes if n.name != "n1"]:  # the traps ask for new SAs
        answers(lab, "n1", pod)
    ipsecplan("verify", "bundle", cwd=tmp_path)
    # since it started, when everything was there on both ends; while a rollout comes up, a node may ask too early
    log = "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value strongswan) -o cat --no-pager"
    said = listen(lab.exec("n1", ["sh", "-c", log], check=True).stdout.splitlines())
    print("noted:", *said.noted, sep="\n  ")
    assert said.faults == (), "charon took a rendered file with a complaint"
    if family == "ipv6":  # and not another network's: what leaves for each size
        sizes_are_as_planned(lab, plan)
    # what the nodes say of themselves is what the next plan knows
    assert "strongSwan 5.9" in ipsecplan("facts", "bundle", "--inventory", str(lab.inventory), cwd=tmp_path)
    again = pipeline.make(tmp_path / "plan.yaml").plan
    assert {node.capabilities.version[:2] for node in again.nodes} == {(5, 9)}
    assert all("AES_GCM_16" in (node.capabilities.algorithms or ()) for node in again.nodes)
