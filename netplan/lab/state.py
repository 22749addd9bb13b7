"""Files in a lab's folder: its state file, and the inventory and plan for ipsecplan."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from netplan.lab.config import DEVICE, PLAN_NAME, VNI, LabConfig
from netplan.lab.logins import Login
from netplan.lab.paths import labs_home, write
from netplan.lab.ssh import KNOWN_HOSTS

STATE_FILE = "state.json"
_SCHEMA = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One running (or starting) lab, as the state file has it.

    ``image`` is the key of the guest's image, ``others`` release -> key of the others that nodes run on. ``ports`` are
    of 127.0.0.1; ``clean`` is the folder of the saved clean cluster of this configuration.
    """

    config: LabConfig
    backend: str
    reason: str
    image: str
    others: dict[str, str]
    clean: str = ""
    ports: dict[str, int]
    host_keys: dict[str, str]
    login: Login = field(default_factory=Login)
    phase: Literal["starting", "ready"] = "starting"
    origin: str = "booted"

    def ready(self, origin: str) -> State:
        return replace(self, phase="ready", origin=origin)

    def write(self, folder: Path) -> None:
        document = {"schema": _SCHEMA, **asdict(self), "config": self.config.as_dict()}
        write(folder / STATE_FILE, json.dumps(document, indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> State | None:
        """Return the state in a lab's folder, or None when there is none or none that we understand."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            data = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
            if data.pop("schema") == _SCHEMA:
                login = Login(**data.get("login", {}))
                return cls(**{**data, "config": LabConfig.from_dict(data["config"]), "login": login})
        return None


def lab_folders() -> list[Path]:
    """Return the folders of all labs, running or not."""
    try:
        return sorted(path for path in labs_home().iterdir() if path.is_dir())
    except OSError:
        return []


def write_product_files(folder: Path, state: State) -> None:
    """Write inventory.yml and plan.yaml, ready for ``ipsecplan plan``."""
    options = (
        f"UserKnownHostsFile={folder / KNOWN_HOSTS}",
        "GlobalKnownHostsFile=/dev/null",
        "StrictHostKeyChecking=yes",
        "UpdateHostKeys=no",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
    )
    hosts = {
        node.name: {
            **state.login.address(node, state.ports[node.name]),
            "underlay_address": node.underlay_address,
            "pod_cidr": node.pod_cidr,
            **({"ipsecplan_managed": False} if node.name == state.config.peer_name else {}),
        }
        for node in state.config.members
    }
    common = {
        **state.login.variables(folder, options),
        "ansible_python_interpreter": "/usr/bin/python3",
        "underlay_interface": "eth0",
        "underlay_mtu": state.config.mtu,
    }
    inventory = {"k8s_nodes": {"hosts": hosts, "vars": common}}
    write(folder / "inventory.yml", _yaml(inventory), 0o644)
    write(folder / "plan.yaml", _yaml(_plan(state.config)), 0o644)


def _plan(config: LabConfig) -> dict[str, Any]:
    return {
        "name": PLAN_NAME,
        "inventory": "inventory.yml",
        "nodes": "k8s_nodes",
        "underlay": {"mtu": config.mtu, "family": config.family},
        "ipsec": {
            "mode": "transport",
            "protect": "overlay",
            "topology": "full-mesh",
            "esp": ["aes256gcm16-x25519"],
            "nat_traversal": "never",
            "auth": "certificates",
        },
        "overlay": {"type": config.overlay, "port": config.overlay_port, "vni": VNI, "device": DEVICE},
        "cni": {"plugin": "bridge"},
    }


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, default_flow_style=False, width=4096)
