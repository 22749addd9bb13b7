"""Canal: Calico's policy over flannel. One ConfigMap, two numbers: ``veth_mtu`` is the pod's, ``Backend.MTU`` the
underlay's. Both are set, so that pods and ``flannel.1`` agree."""

from __future__ import annotations

from netplan.cni.adapter import Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, whole
from netplan.cni.adapters import flannel
from netplan.cni.kubernetes import compact, config_map, loaded, recreate_pods, rollout
from netplan.cni.yaml_document import Piece


def _render(request: CniRequest) -> list[Artifact]:
    data = {
        "veth_mtu": str(request.pod_mtu),
        "net-conf.json": compact(flannel.backend(request, loaded(request.existing.get("net-conf.json")))),
    }
    target = "ConfigMap/kube-system/canal-config"
    return [config_map("canal/canal-config.patch.yaml", target, data, "canal/config")]


def _steps(request: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(stage="config", text="patch ConfigMap canal-config"),
        rollout("daemonset", "kube-system", "canal"),
        recreate_pods(),
        *flannel.device_steps(ADAPTER, request),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the ConfigMap canal-config."""
    if piece.kind != "ConfigMap" or piece.name not in ("canal-config", "rke2-canal-config"):
        return []
    conf = piece.nested("data", "net-conf.json")
    found = flannel.net_conf(conf, system="canal") if conf else []
    number = whole(piece.get("data", "veth_mtu"))
    if not number:
        return found  # automatic: pods get what flannel's backend leaves
    pod = Setting(
        system="canal",
        field="data.veth_mtu",
        location=piece.location("data", "veth_mtu"),
        value=number,
        semantics="pod",
        encap=next((f.encap for f in found if isinstance(f, Setting)), ""),
        change="set data.veth_mtu (text in quotes), restart ds/canal and recreate the pods",
        port=next((f.port for f in found if isinstance(f, Setting)), None),
    )
    return [pod, *(flannel.as_clue(f) if isinstance(f, Setting) and f.value is None else f for f in found)]


ADAPTER = Adapter(
    name="canal",
    title="Canal",
    semantics="pod",
    field="ConfigMap canal-config data.veth_mtu, and net-conf.json Backend.MTU (underlay)",
    overhead=Overhead(dict.fromkeys(flannel.TAKES, 0)),
    automatic=Overhead(flannel.TAKES),
    goes_live="restart ds/canal and set the MTU of flannel.1 on every node",
    pods_keep=True,
    unverified="that pods get what flannel's backend leaves while veth_mtu is 0",
    render=_render,
    steps=_steps,
    audit=audit,
)
