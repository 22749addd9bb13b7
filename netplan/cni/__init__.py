"""Container networks: one file each, and the dict that registers them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from netplan.cni.adapter import Adapter

# name in a plan file -> module and attribute; imported when asked for, because a plan uses one of them
_WHERE: dict[str, tuple[str, str]] = {
    "bridge": ("conflist", "BRIDGE"),
    "ptp": ("conflist", "PTP"),
    "macvlan": ("conflist", "MACVLAN"),
    "ipvlan": ("conflist", "IPVLAN"),
    "vlan": ("conflist", "VLAN"),
    "host-device": ("conflist", "HOST_DEVICE"),
    "calico": ("calico", "OPERATOR"),
    "calico-manifest": ("calico", "MANIFEST"),
    "cilium": ("cilium", "ADAPTER"),
    "flannel": ("flannel", "ADAPTER"),
    "canal": ("canal", "ADAPTER"),
    "k3s": ("k3s", "ADAPTER"),
    "rke2-canal": ("rke2", "CANAL"),
    "rke2-calico": ("rke2", "CALICO"),
    "rke2-cilium": ("rke2", "CILIUM"),
    "rke2-flannel": ("rke2", "FLANNEL"),
    "antrea": ("antrea", "ADAPTER"),
    "kube-ovn": ("kubeovn", "ADAPTER"),
    "ovn-kubernetes": ("ovnkube", "UPSTREAM"),
    "openshift": ("ovnkube", "OPENSHIFT"),
    "weave": ("weave", "ADAPTER"),
    "docker": ("docker", "BRIDGE_ADAPTER"),
    "docker-overlay": ("docker", "OVERLAY_ADAPTER"),
    "podman": ("podman", "ADAPTER"),
    "multus": ("multus", "ADAPTER"),
    "ovs": ("ovs", "ADAPTER"),
}


class _Adapters(Mapping[str, "Adapter"]):
    """The registry as a mapping from name to adapter."""

    def __getitem__(self, name: str) -> Adapter:
        module, attribute = _WHERE[name]
        found: Adapter = getattr(importlib.import_module(f"netplan.cni.adapters.{module}"), attribute)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


ADAPTERS: Mapping[str, Adapter] = _Adapters()
