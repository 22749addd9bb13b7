"""What the unit tests share: a small cluster as files in a directory of its own, and a home for the agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netplan import pipeline
from netplan.agent.transaction import deferred_pairs, state
from netplan.inputs.host_variables import nodes
from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.pipeline import Planned
from netplan.plan.build import make_plan

TX, OLD = "tx-2", "tx-1"  # transactions of the agent


def make_planned(count: int = 3, host_vars: dict[int, dict[str, object]] | None = None, **file: object) -> Planned:
    """Plan a cluster of ``count`` nodes without touching the disk or Ansible; ``file`` are keys of the plan file."""
    plan_file = PlanFile.model_validate({"name": "demo", "inventory": "inventory.yml", **file})
    v6 = plan_file.underlay.family == "ipv6"
    hosts = []
    for n in range(1, count + 1):
        address = f"fd00:77::{n:x}" if v6 else f"10.77.{n // 200}.{n % 200 + 10}"
        variables: dict[str, object] = {"underlay_address": address, "pod_cidr": f"10.{128 + n // 256}.{n % 256}.0/24"}
        if plan_file.underlay.family == "dual":
            variables["underlay_address_ipv6"] = f"fd00:77::{n:x}"
        variables |= (host_vars or {}).get(n, {})
        zone = "zone_a" if n % 2 else "zone_b"
        hosts.append(Host(f"n{n}", variables, frozenset({"all", "k8s_nodes", zone})))
    inventory = Inventory(Path("inventory.yml"), "inventory.yml", "all", tuple(hosts))
    loaded = LoadedPlan(plan_file, Source("plan.yaml"), Path("plan.yaml"))
    return Planned(loaded, inventory, make_plan(plan_file, nodes(plan_file, inventory)), ())


def remember_in(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the agent, which runs here as on a node, remember in ``folder`` instead of in /var/lib and /run."""
    places = {"STATE": "state.json", "OPEN": "open", "LAST": "last", "BASE": "base", "RUN": "run"}
    patch.setattr(state, "ROOT", str(folder))
    for name, place in places.items():
        patch.setattr(state, name, f"{folder}/{place}")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder, not made yet, in which the agent remembers."""
    remember_in(monkeypatch, tmp_path / "lib")
    monkeypatch.setattr("os.fchown", lambda *_: None)  # no test needs to be root for it
    return tmp_path / "lib"


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The node between two transactions, with a list of deferred pairs, in a folder that may lie anywhere."""
    remember_in(monkeypatch, tmp_path)
    monkeypatch.setattr(state, "_PATH", type("All", (), {"fullmatch": staticmethod(lambda _: True)}))
    monkeypatch.setattr(deferred_pairs, "LIST", str(tmp_path / "deferred"))
    for tx in (TX, OLD):
        (tmp_path / "tx" / tx).mkdir(parents=True)
    (tmp_path / "base").mkdir()
    return tmp_path


@pytest.fixture
def cluster(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes plan.yaml and inventory.yml and returns the plan's path."""

    def write(plan: str = "", hosts: dict[str, str] | None = None) -> Path:
        hosts = hosts or {f"n{n}": f"{{underlay_address: 10.77.0.1{n}, pod_cidr: 10.244.{n}.0/24}}" for n in (1, 2, 3)}
        lines = "".join(f"        {name}: {body}\n" for name, body in hosts.items())
        (tmp_path / "inventory.yml").write_text(f"all:\n  children:\n    k8s_nodes:\n      hosts:\n{lines}")
        path = tmp_path / "plan.yaml"
        path.write_text(f"name: demo\ninventory: inventory.yml\nnodes: k8s_nodes\n{plan}")
        return path

    return write


@pytest.fixture
def planned(cluster: Callable[..., Path]) -> Planned:
    """A plan of three nodes, made the whole way from files."""
    return pipeline.make(cluster())
