"""Canal: Calico's policy over flannel. One ConfigMap, two numbers: ``veth_mtu`` is the pod's, ``Backend.MTU`` the
underlay's. Both are set, so that pods and ``flannel.1`` agree."""

from __future__ import annotations

from netplan.cni.adapter import EXACT, Adapter, Artifact, Clue, CniRequest, ManualStep, Overhead, Setting, whole
from netplan.cni.adapters import flannel
from netplan.cni.kubernetes import compact, config_map, loaded, recreate_pods, rollout
from netplan.cni.present import first, namespace_of, numbers_in, target, text, with_number
from netplan.cni.yaml_document import Piece
from netplan.problems import Problem

NAMES = ("canal-config", "rke2-canal-config")


def _render(request: CniRequest) -> list[Artifact]:
    given = first(request, "ConfigMap", *NAMES)
    data = {
        "veth_mtu": str(request.pod_mtu),
        "net-conf.json": compact(flannel.backend(request, loaded(text(request, given, "net-conf.json")))),
    }
    cni = text(request, given, "cni_network_config")
    if numbers_in(cni):  # a number in the list itself wins over veth_mtu
        data["cni_network_config"] = with_number(cni, request.pod_mtu)
    goal = target(given, request, "ConfigMap/kube-system/canal-config")
    return [config_map("canal/canal-config.patch.yaml", goal, data, "canal/config")]


def _rules(request: CniRequest) -> list[Problem]:
    conf = loaded(text(request, first(request, "ConfigMap", *NAMES), "net-conf.json"))
    return flannel.whole_file(request, conf, "ConfigMap canal-config") + flannel.differences(request, conf)


def _steps(request: CniRequest) -> list[ManualStep]:
    given, workload = first(request, "ConfigMap", *NAMES), first(request, "DaemonSet", "canal", "rke2-canal")
    namespace = namespace_of(workload or given, request, "kube-system")
    usual = given.name.removesuffix("-config") if given else "canal"
    return [
        ManualStep(stage="config", text=f"patch ConfigMap {given.name if given else NAMES[0]}"),
        rollout("daemonset", namespace, workload.name if workload else usual),
        recreate_pods(),
        *flannel.device_steps(ADAPTER, request),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read the ConfigMap canal-config."""
    if piece.kind != "ConfigMap" or piece.name not in ("canal-config", "rke2-canal-config"):
        return []
    conf = piece.nested("data", "net-conf.json")
    found = flannel.net_conf(conf, system="canal") if conf else []
    # Felix knows no encapsulation here and hands the link's MTU to the CNI plugin (rke2-charts PR 670: 9001 on 9001)
    literal = next(iter(numbers_in(piece.text("data", "cni_network_config"))), None)
    number = literal or whole(piece.get("data", "veth_mtu")) or None
    pod = Setting(
        system="canal",
        field="data.veth_mtu",
        location=piece.location("data", "veth_mtu"),
        value=number,
        semantics="pod",
        encap=next((f.encap for f in found if isinstance(f, Setting)), ""),
        automatic=EXACT,
        note="" if number else "automatic is the link's own MTU here: nothing is subtracted",
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
    automatic=Overhead(dict.fromkeys(flannel.TAKES, 0)),
    goes_live="restart ds/canal and set the MTU of flannel.1 on every node",
    pods_keep=True,
    render=_render,
    steps=_steps,
    audit=audit,
    writes_backend=True,
    rules=_rules,
)
