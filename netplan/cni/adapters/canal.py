"""Canal: Calico's policy over flannel. One ConfigMap, two numbers: ``veth_mtu`` is the pod's, ``Backend.MTU`` the
underlay's. Both are set, so that pods and ``flannel.1`` agree."""

from __future__ import annotations

from netplan.cni.adapter import Adapter, Artifact, Hint, Network, Setting, Step, fixed, plus, whole
from netplan.cni.adapters import flannel
from netplan.cni.kubernetes import compact, config_map, loaded, recreate_pods, rollout
from netplan.cni.yaml_document import Piece


def _render(network: Network) -> list[Artifact]:
    data = {
        "veth_mtu": str(network.pod_mtu),
        "net-conf.json": compact(flannel.backend(network, loaded(network.existing.get("net-conf.json")))),
    }
    target = "ConfigMap/kube-system/canal-config"
    return [config_map("canal/canal-config.patch.yaml", target, data, "canal/config")]


def _steps(network: Network) -> list[Step]:
    return [
        Step(stage="config", text="patch ConfigMap canal-config"),
        rollout("daemonset", "kube-system", "canal"),
        recreate_pods(),
        *flannel.device_steps(network),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
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
        place=piece.place("data", "veth_mtu"),
        value=number,
        semantics="pod",
        encap=next((f.encap for f in found if isinstance(f, Setting)), ""),
        ends=fixed(number),
        wanted=plus(),
        change="set data.veth_mtu (text in quotes), restart ds/canal and recreate the pods",
        port=next((f.port for f in found if isinstance(f, Setting)), None),
    )
    return [pod, *(flannel.as_hint(f) if isinstance(f, Setting) and f.value is None else f for f in found)]


ADAPTER = Adapter(
    name="canal",
    title="Canal",
    checked_against="flannel 0.28.9 (cdf76059), Calico master 87c15906",
    semantics="pod",
    field="ConfigMap canal-config data.veth_mtu, and net-conf.json Backend.MTU (underlay)",
    takes=dict.fromkeys(flannel.TAKES, 0),
    automatic=flannel.TAKES,
    goes_live="restart ds/canal and set the MTU of flannel.1 on every node",
    pods_keep=True,
    ports=("UDP 8472 (VXLAN)", "TCP 9099 (health)"),
    unverified="that pods get what flannel's backend leaves while veth_mtu is 0",
    render=_render,
    steps=_steps,
    audit=audit,
)
