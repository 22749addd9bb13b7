"""k3s. It has no MTU flag: its flannel reads ``--flannel-conf``, and the pod's MTU stands in ``--flannel-cni-conf``."""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting
from netplan.cni.adapters import flannel
from netplan.cni.kubernetes import compact, dump, loaded, recreate_pods
from netplan.cni.present import mappings
from netplan.cni.yaml_document import Piece
from netplan.problems import Problem

CONF = "/etc/rancher/k3s/flannel-conf.json"
CNI_CONF = "/etc/rancher/k3s/flannel-cni-conf.json"


# pkg/agent/flannel/setup.go: what --flannel-backend writes; a file of one's own replaces it whole
BACKENDS: dict[str, dict[str, Any]] = {
    "vxlan": {"Type": "vxlan"},
    "wireguard-native": {"Type": "wireguard", "PersistentKeepaliveInterval": 25, "Mode": "separate"},
    "host-gw": {"Type": "host-gw"},
}


def _present(request: CniRequest) -> dict[str, Any]:
    """The net-conf.json in use: the file that was given, else what the backend in k3s' own configuration stands for."""
    given = next((found for found in mappings(request, "Backend") if "Network" in found), None)
    if given:
        return given
    if request.existing.get("net-conf.json"):
        return loaded(request.existing["net-conf.json"])
    configured = next((found["flannel-backend"] for found in mappings(request, "flannel-backend")), None)
    kind = BACKENDS.get(str(configured))
    network = request.options.get("network")
    return {"Network": network, "Backend": dict(kind)} if kind and network else {}


def _render(request: CniRequest) -> list[Artifact]:
    settings = {"flannel-conf": CONF, "flannel-cni-conf": CNI_CONF}
    net_conf = flannel.backend(request, _present(request))
    given = next((found for found in mappings(request, "plugins", "cniVersion")), None)
    cni_conf = flannel.cni_conf(request, given or loaded(request.existing.get("cni-conf.json")))
    return [
        Artifact(path=CONF.lstrip("/"), text=compact(net_conf), schema="flannel/net-conf"),
        Artifact(path=CNI_CONF.lstrip("/"), text=compact(cni_conf), schema="cni/conflist"),
        Artifact(path="etc/rancher/k3s/config.yaml.d/90-ipsecplan.yaml", text=dump(settings), schema="k3s/config"),
    ]


def _rules(request: CniRequest) -> list[Problem]:
    conf = _present(request)
    what = f"{CONF} (or k3s' config.yaml, whose flannel-backend it replaces)"
    return flannel.whole_file(request, conf, what) + flannel.differences(request, conf)


def _steps(request: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(stage="config", text="install the three files on every node; servers must agree", where="node"),
        ManualStep(
            stage="restart",
            text="restart k3s, one server at a time, then the agents",
            command="systemctl restart k3s || systemctl restart k3s-agent",
            where="node",
        ),
        recreate_pods(),
        *flannel.device_steps(ADAPTER, request),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Nothing of its own: its files are flannel's and are read there."""
    del piece
    return []


ADAPTER = Adapter(
    name="k3s",
    title="k3s (flannel)",
    semantics="underlay",
    field="--flannel-conf: Backend.MTU, and --flannel-cni-conf: delegate.mtu (pod)",
    overhead=Overhead(flannel.TAKES),
    automatic=Overhead(flannel.TAKES),
    goes_live="restart k3s and k3s-agent, and set the MTU of flannel.1 on every node",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    writes_backend=True,
    rules=_rules,
)
