"""The machines that people run: the whole job on Debian 12, 13 and sid, and on clusters of two releases.

Nodes of two releases share the kernel of the newer one; everything else on them is their own: systemd, strongSwan,
nftables, iproute2, OpenSSH, Python.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netplan.host import guard

from .breakages import ALL
from .conftest import ClusterFactory
from .job import Job

pytestmark = [pytest.mark.lab, pytest.mark.slow]
MIX = {"release": "trixie", "mix": {"n1": "bookworm"}}
SYSTEMS = {
    "bookworm": {"release": "bookworm"},
    "trixie": {"release": "trixie"},
    "sid": {"release": "sid"},
    "bookworm and trixie": MIX,
    "trixie and sid": {"release": "sid", "mix": {"n1": "trixie"}},
    "bookworm with trixie's kernel": {"release": "bookworm", "kernel": "6.12"},
}


@pytest.mark.weight(80)
@pytest.mark.parametrize(
    "systems", [pytest.param({"release": "trixie"}, marks=pytest.mark.drill), MIX], ids=["trixie", "mix"]
)
def test_release_encrypted_and_taken_back(clusters: ClusterFactory, tmp_path: Path, systems: dict[str, object]) -> None:
    """The short part: on and off."""
    job = Job(clusters(nodes=2, **systems), tmp_path)
    try:
        job.plan_from_init()
        job.enforce()
        job.revert()
        job.judged()
    finally:
        print(job.table())


@pytest.mark.skipif(os.geteuid() != 0, reason="nodes on this machine's own kernel need root")
@pytest.mark.parametrize("node", ["n1", "n2"])
def test_watchdog_of_each_nft_is_quick_and_sleeps(module_clusters: ClusterFactory, tmp_path: Path, node: str) -> None:
    """On this machine's own kernel, so that a second is one: under emulation, starting nft takes a fifth of it."""
    lab = module_clusters(nodes=2, backend="direct", **MIX)
    job = Job(lab, tmp_path)
    files = {
        "/etc/ipsecplan/guard.nft": guard.ruleset(4789, drop=True),
        "/usr/local/lib/ipsecplan/guard.sh": guard.script("guard.sh"),
        **{f"/{path}": text for path, text in guard.units().items() if "watch" in path},
    }
    for path, text in files.items():
        lab.exec(node, ["sh", "-c", f"mkdir -p $(dirname {path}); cat >{path}"], stdin=text, check=True)
    if lab.exec(node, ["nft", "-c", "-f", "/etc/ipsecplan/guard.nft"]).returncode:
        pytest.skip("this machine's kernel has no IPsec matches for nftables")
    hears = ["unshare", "--net", "sh", "/usr/local/lib/ipsecplan/guard.sh", "hears"]
    assert lab.exec(node, hears, check=True).stdout == ""
    share = job.watchdog_share(node, 20)
    took = job.guard_returns(node)
    print(f"{lab.systems()[node]['system']}: guard back after {took}, watchdog {share:.2f} % of one processor")
    assert sorted(took)[2] < 1.0
    assert share < 1.0


@pytest.mark.drill
@pytest.mark.parametrize("name", SYSTEMS)
def test_release_whole_job(clusters: ClusterFactory, tmp_path: Path, name: str) -> None:
    """Release x step: every step ok, no ping lost for long, nothing in clear while protected."""
    job = Job(clusters(nodes=2, **SYSTEMS[name]), tmp_path)
    try:
        job.plan_from_init()
        job.enforce()
        job.verify()
        with job.step("nft flush ruleset, 5 x") as step:
            took = job.guard_returns("n1")
            step.note = f"guard back after {', '.join(f'{seconds:.2f}' for seconds in took)} s"
        with job.step("the watchdog at rest", wire=False) as step:
            share = job.watchdog_share("n1", 330 if name == "trixie" else 20)  # 330: its own look is in it
            step.note = f"{share:.2f} % of one processor"
        job.narrow()
        job.rotate()
        for breakage in ALL:
            job.break_it(breakage)
        job.verify()
        job.revert()
        job.judged()
        assert sorted(took)[2] < max(1.0, 2 * job.steps[-1].unit)  # emulated, and a ping every 20 ms beside it
        assert share < 1.0
    finally:
        print(f"\n{name}\n{job.table()}")
