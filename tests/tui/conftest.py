"""A plan with everything on it, an inventory that Ansible reads once, and an app without a moving part."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path

import pytest

from netplan.inputs import ansible_inventory
from tests.tui import quiet
from tui.app import Planner

PLAN = """\
# Production cluster in two zones. Keep this comment.
name: prod-eu1
inventory: inventory.yml
nodes: k8s_nodes

underlay:
  mtu: 1500              # IP MTU of the links between the hosts
  family: ipv4
  paths:
    - {between: [zone_a, zone_b], mtu: 1450}   # the leased line

ipsec:
  mode: transport        # the overlay is the tunnel
  esp: [aes256gcm16-x25519]   # preferred first
  nat_traversal: auto

overlay:
  type: vxlan
  port: 4789
  vni: 4096

cni:
  plugin: bridge
"""
INVENTORY = """\
all:
  children:
    k8s_nodes:
      children:
        zone_a:
          hosts:
            n1: {underlay_address: 10.77.0.11, pod_cidr: 10.244.1.0/24}
            n2: {underlay_address: 10.77.0.12, pod_cidr: 10.244.2.0/24}
            n3: {underlay_address: 10.77.0.13, pod_cidr: 10.244.3.0/24}
        zone_b:
          hosts:
            n4: {underlay_address: 10.77.1.14, pod_cidr: 10.244.4.0/24}
            n5: {underlay_address: 10.77.1.15, pod_cidr: 10.244.5.0/24, behind_nat: true}
            n6: {underlay_address: 10.77.1.16, pod_cidr: 10.244.6.0/24, underlay_mtu: 9000}
"""
_answers: dict[tuple[str, str], object] = {}
_run = ansible_inventory.run


@pytest.fixture(autouse=True)
def _ansible_once(monkeypatch):
    """Ask Ansible once for each content and pattern: a second saved a test."""

    def run(path, pattern, name, *more):
        key = (path.read_text() if path.is_file() else str(path), pattern)
        if key not in _answers:
            _answers[key] = _run(path, pattern, name, *more)
        return _answers[key]

    monkeypatch.setattr(ansible_inventory, "run", run)


@pytest.fixture(autouse=True)
def _wait_by_the_loop(monkeypatch):
    """Let the pilot wait for a loop with nothing to do."""
    for place in ("textual.app.wait_for_idle", "textual.pilot.wait_for_idle"):
        monkeypatch.setattr(place, quiet.wait_for_idle)


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A working directory with plan.yaml and inventory.yml."""
    (tmp_path / "plan.yaml").write_text(PLAN)
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("IPSECPLAN_STATE", str(tmp_path / "state"))
    return tmp_path


@pytest.fixture
def make(folder):
    """Make the app; ``make(plan=None)`` without a plan."""

    def made(plan: str | None = "plan.yaml", **options) -> Planner:
        return Planner(Path(plan) if plan else None, **options)

    return made


@pytest.fixture
def settle():
    """Wait until every worker is done and every message is handled: no test sleeps."""

    async def done(pilot) -> None:
        await pilot.pause()
        for _ in range(3):
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()

    return done


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run coroutine tests: ten lines instead of one more plugin."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    with asyncio.Runner(loop_factory=quiet.Loop) as runner:
        runner.run(pyfuncitem.obj(**wanted))
    return True
