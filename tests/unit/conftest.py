"""What the unit tests share: a small cluster as files in a directory of its own, and a home for the agent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from netplan import pipeline
from netplan.agent.transaction import deferred_pairs, state
from netplan.pipeline import Planned
from tests.support.agent_home import OLD, TX, remember_in


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
