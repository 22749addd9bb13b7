"""``topology: trap-any``: rehearsed pair by pair, then at rest behind one wildcard, which has to do all the rest."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from netplan.bundle import reader
from netplan.lab.cluster import Lab
from tests.support.lab_checks import back, proven_sink

from .changes import Cluster
from .conftest import ClusterFactory
from .pace import Pace
from .pings import both_ways, pinging
from .rollout_steps import Rollout, is_new, is_old
from .sink import sink
from .watchers import watched

pytestmark = pytest.mark.lab
LINE = re.compile(r"^n\d -> n\d  DF 1416 passes, 1417 refused, ESP seen \(outer 1500\), 0 plaintext", re.M)
EVERY = r"""swanctl --list-sas | sed -n 's/^%s[^ ]*: #\([0-9]*\),.*/\1/p' | while read -r n; do swanctl %s $n; done"""


def plan_of(lab: Lab, folder: Path, **ipsec: object) -> Path:
    document = yaml.safe_load(lab.plan.read_text())
    document["inventory"] = str(lab.inventory)
    document["ipsec"] |= {"topology": "trap-any", **ipsec}
    path = folder / "plan.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def rekey(lab: Lab) -> None:
    """Every CHILD_SA and every IKE_SA that n1 has, each once."""
    for of, words in (("  ", "--rekey --child-id"), ("", "--rekey --ike-id")):
        lab.exec("n1", ["sh", "-c", EVERY % (of or "[a-z]", words)], check=True)
        time.sleep(4 * Pace.of(lab).unit)  # they are begun, not done, when the command returns


def ended(lab: Lab) -> None:
    """Every SA of every node, as when nobody had talked for long."""
    for node in lab.config.names:
        lab.exec(node, ["sh", "-c", EVERY % ("[a-z]", "--terminate --force --ike-id")])


def restarted(lab: Lab) -> None:
    lab.exec("n1", ["systemctl", "restart", "strongswan"], check=True)
    back(lab)


def killed(lab: Lab) -> None:
    """The new charon has to tell its peer, which would find out in 40 s."""
    kill = "systemctl kill --signal=SIGKILL strongswan; sleep 1; systemctl reset-failed strongswan"
    lab.exec("n1", ["sh", "-c", f"{kill}; systemctl start strongswan"], check=True)
    back(lab)


def talks(rollout: Rollout, what: Callable[[Lab], None]) -> tuple[int, float]:
    """Do it while n1 and n2 ping each other; returns (lost, longest gap in units); nothing was clear on any wire."""
    lab = rollout.lab
    with sink(lab) as sunk, pinging(lab, both_ways(lab)) as pings:
        back(lab)
        what(lab)
    lost, gap, esp = pings.lost, pings.longest / Pace.of(lab).unit, sum(sunk.esp.values())
    row = f"{what.__name__:<10} {sunk.leaked} clear, {esp} ESP, {lost} of {pings.sent} lost, longest {gap:.1f} units"
    print(row, flush=True)
    assert sunk.leaked == 0, row
    assert esp > 0, row
    return lost, gap


def at_rest(rollout: Rollout, peers: int) -> dict[str, Any]:
    nodes = rollout.status()
    assert all(is_new(node) for node in nodes.values()), {n: s["differs"] for n, s in nodes.items()}
    assert {(n["connections"], n["traps"]) for n in nodes.values()} == {(1, 2)}, "one section, whatever the peers are"
    assert all(node["floor"] == peers for node in nodes.values())
    return nodes


@pytest.mark.drill  # make test has the row of trap-any in the matrix
def test_one_section_does_what_a_mesh_of_pairs_does(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path, plan_of(lab, tmp_path))
    with watched(lab) as seen:
        applied = rollout.apply()
    print(seen)
    assert applied.returncode == 0, applied.stderr
    assert len(LINE.findall(applied.stdout)) == 2
    assert seen.lost <= 2, seen
    assert (seen.planted >= 1, seen.flow["error"]) == (True, None)
    nodes = at_rest(rollout, 1)
    assert {node["states"] for node in nodes.values()} == {4}, "the SAs of the rehearsal, and no others"
    sunk = proven_sink(rollout)
    assert (sunk.leaked, sum(sunk.planted.values()) >= 2) == (0, True)

    assert talks(rollout, rekey)[0] == 0, "rekeying what was made before the file"
    assert talks(rollout, ended)[1] <= 20
    names = {line.split(":")[0] for line in rollout.shell("n1", "swanctl", "--list-sas").splitlines() if line[0] != " "}
    assert names == {"ipsecplan-any"}
    assert talks(rollout, rekey)[0] == 0, "rekeying what the wildcard made"
    talks(rollout, restarted)
    ended(lab)
    at_rest(rollout, 1)  # nobody has an SA, and that is no difference
    assert len(LINE.findall(rollout.run("verify", ok=True).stdout)) == 2
    at_rest(rollout, 1)

    assert rollout.run("revert", "--yes").returncode == 0
    assert all(is_old(node) for node in rollout.status().values())
    assert rollout.shell("n1", "find", "/etc", "/usr/local", "-name", "*ipsecplan*") == ""


@pytest.mark.drill
def test_a_killed_charon_comes_back(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path, plan_of(lab, tmp_path))
    assert rollout.apply().returncode == 0
    ended(lab)
    assert talks(rollout, killed)[1] <= 40, "its peer found out by DPD only"


@pytest.mark.drill
def test_a_control_process_that_dies_behind_the_traps_changes_nothing(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    rollout = Rollout(lab, tmp_path, plan_of(lab, tmp_path))
    rollout.dies_after("PhaseFinished:trap:1", "apply", "--yes", "--soak", "2", timer=Pace.of(lab).timer)
    assert all(node["connections"] == 1 for node in rollout.status().values()), "it was not at rest yet"
    rollout.settled()
    nodes = rollout.status()
    assert all(is_old(node) for node in nodes.values()), nodes
    assert {node["state"]["last"]["by"] for node in nodes.values()} == {"timer"}


class Resting(Cluster):
    """Changes from one bundle at rest to the next."""

    def rests(self, bundle: Path, *names: str) -> None:
        nodes = self.status(bundle)
        assert all(is_new(nodes[name]) for name in names), {n: s["differs"] for n, s in nodes.items()}
        assert {nodes[name]["connections"] for name in names} == {1}

    def row(self, name: str, *steps: tuple[str, ...], members: Sequence[str] = ("n1", "n2"), lost: int = 6) -> None:
        found = self.change(name, *steps, members=members)
        assert not found.report.dead_flows(found.members), found.line()
        assert found.report.clear(found.since, found.until, found.members) == 0, found.line()
        assert sum(s.lost for s in found.report.among(found.members).values()) <= lost, found.line()

    def apply_row(self, name: str, bundle: Path, lost: int = 6) -> None:
        self.row(name, ("apply", str(bundle), "--yes", "--soak", "2", "--rollback-timeout", "3600"), lost=lost)


ANY = {"topology": "trap-any"}


@pytest.mark.drill
def test_changes_of_what_rests(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=2)
    cluster = Resting(lab, tmp_path)
    whole = cluster.bundle("whole", ipsec=ANY)
    other = cluster.bundle("cipher", ipsec={**ANY, "esp": ["aes256-sha256-x25519"]})
    pairs = cluster.bundle("pairs", ipsec={"esp": ["aes256-sha256-x25519"]})
    cluster.apply(whole)
    ended(lab)
    cluster.call("verify", str(whole))  # every SA is the wildcard's now
    cluster.apply_row("cipher and MTU, at rest", other)
    cluster.rests(other, "n1", "n2")
    ended(lab)
    cluster.call("verify", str(other))
    cluster.apply_row("trap-any to pairs", pairs)
    nodes = cluster.status(pairs)
    assert all(is_new(node) and node["traps"] == 2 for node in nodes.values())
    cluster.apply_row("pairs to trap-any", other)
    cluster.rests(other, "n1", "n2")
    for kind in ("certificates", "ca"):
        cluster.row(f"rotate {kind}", ("rotate", kind, str(other), "--yes"))
        ended(lab)
        cluster.call("verify", str(other))
    print(cluster.table())


@pytest.mark.drill
def test_a_node_joins_and_leaves(clusters: ClusterFactory, tmp_path: Path) -> None:
    lab = clusters(nodes=3)
    cluster = Resting(lab, tmp_path)
    two = cluster.bundle("two", members="n1:n2", ipsec=ANY)
    whole = cluster.bundle("whole", ipsec=ANY)
    cluster.apply(two)
    ended(lab)
    cluster.call("verify", str(two))
    cluster.apply_row("a node joins", whole)
    cluster.rests(whole, "n1", "n2", "n3")
    cluster.apply_row("a node leaves", two)
    cluster.call("revert", str(whole), "--limit", "n3", "--yes")
    cluster.rests(two, "n1", "n2")
    print(cluster.table())


@pytest.mark.drill
def test_an_identity_of_another_node_is_named(clusters: ClusterFactory, tmp_path: Path) -> None:
    """What the wildcard gives up: n3, with its own certificate, at the address of n2."""
    lab = clusters(nodes=3)
    rollout = Rollout(lab, tmp_path, plan_of(lab, tmp_path))
    assert rollout.apply().returncode == 0
    ids = {node["name"]: node["id"] for node in _facts(rollout)}
    for file in ("private", "x509"):
        text = rollout.shell("n3", "cat", f"/etc/swanctl/{file}/ipsecplan.pem")
        lab.exec("n2", ["sh", "-c", f"cat >/etc/swanctl/{file}/ipsecplan.pem"], stdin=text, check=True)
    swap = (
        f"sed -i s/{ids['n2']}/{ids['n3']}/ /etc/swanctl/conf.d/ipsecplan.conf && swanctl --load-all --clear --noprompt"
    )
    rollout.shell("n2", "sh", "-c", swap)
    ended(lab)
    lab.exec("n1", ["ip", "netns", "exec", "pod1", "ping", "-n", "-c", "20", "-i", "0.3", "10.244.2.2"])
    said = rollout.status()["n1"]["differs"]
    assert f"10.77.0.12 (n2) has an SA with the identity {ids['n3']}" in said, said
    assert rollout.run("verify").returncode != 0


def _facts(rollout: Rollout) -> list[dict[str, Any]]:
    made = reader.read(rollout.bundle)
    return [dict(made.node(node)) for node in made.nodes]
