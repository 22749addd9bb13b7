"""Plans made in memory: no disk, no Ansible."""

from __future__ import annotations

from pathlib import Path

from netplan.inputs.inventory import Host, Inventory
from netplan.inputs.load import LoadedPlan
from netplan.inputs.rules_hosts import nodes
from netplan.inputs.yaml_source import Source
from netplan.model.planfile import PlanFile
from netplan.pipeline import Planned
from netplan.plan.build import make_plan


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
