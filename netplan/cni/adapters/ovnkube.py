"""OVN-Kubernetes and OpenShift. The number is the pod's, and Geneve carries 8 bytes of OVN options.

Upstream starts at 1400 and checks only link >= mtu + 58 (78 over IPv6), which forgets ESP. OpenShift subtracts 100,
and 46 more with IPsec ``Full``; its ``mtu`` changes only through a migration with two rolling reboots.
"""

from __future__ import annotations

from dataclasses import replace

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    BuiltinIpsec,
    Clue,
    CniRequest,
    ManualStep,
    Overhead,
    Setting,
    argument,
    containers,
    environment,
    same,
    whole,
)
from netplan.cni.kubernetes import config_map, patch, recreate_pods, rollout
from netplan.cni.present import environment_patch, first, namespace_of, objects, target
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

TAKES = same(("geneve:8",))
DEFAULT_MTU = 1400
OPENSHIFT_TAKES = NETWORKS["openshift"].headroom  # what it subtracts, and what it insists on
OPENSHIFT_IPSEC_TAKES = 46
OVS_ESP = "aes256gcm16"
_AT = ("spec", "defaultNetwork", "ovnKubernetesConfig")
_WHY = "its IPsec daemon takes UDP 500 and 4500 and installs policies for Geneve between all nodes"
_EXTERNAL = "on OpenShift host IPsec is ipsecConfig.mode External with the nodes' libreswan, not strongSwan"


def _upstream(request: CniRequest) -> list[Artifact]:
    given = first(request, "ConfigMap", "ovn-config")
    goal = target(given, request, "ConfigMap/ovn-kubernetes/ovn-config")
    data = {"mtu": str(request.pod_mtu)}
    made = [config_map("ovn-kubernetes/ovn-config.patch.yaml", goal, data, "ovnkube/config")]
    for workload in objects(request, "DaemonSet", "ovnkube") + objects(request, "Deployment", "ovnkube"):
        values = {
            container.text("name"): {"OVN_MTU": str(request.pod_mtu)}
            for container in containers(workload)
            if (entry := environment(container, "OVN_MTU")) is not None and whole(entry.data)
        }
        if values:  # a number of its own wins over the ConfigMap
            made.append(environment_patch(f"ovn-kubernetes/{workload.name}.patch.yaml", workload, values))
    return made


def _left(request: CniRequest) -> list[Problem]:
    found: list[Problem] = []
    for workload in objects(request, "DaemonSet", "ovnkube") + objects(request, "Deployment", "ovnkube"):
        for container in containers(workload):
            flag = argument(container, "--mtu")
            if flag and whole(flag[0]) not in (None, request.pod_mtu):
                message = f"left as it is: --mtu={whole(flag[0])} of {workload.kind} {workload.name}, which wins"
                found.append(Problem(code="IPP905", severity="warning", message=message))
    return found


def _upstream_steps(request: CniRequest) -> list[ManualStep]:
    namespace = namespace_of(first(request, "ConfigMap", "ovn-config"), request, "ovn-kubernetes")
    return [
        ManualStep(stage="config", text="patch ConfigMap ovn-config, which OVN_MTU of ds/ovnkube-node is taken from"),
        rollout("daemonset", namespace, "ovnkube-node"),
        recreate_pods(),
    ]


def migration_problems(request: CniRequest) -> list[Problem]:
    """Return what the operator would refuse beside its headroom."""
    found: list[Problem] = []
    takes = OPENSHIFT_TAKES + OPENSHIFT_IPSEC_TAKES
    if request.own_ipsec and request.pod_mtu + takes > request.link_mtu:
        message = f"with IPsec Full, OpenShift wants {takes} bytes between machine and pod MTU"
        found.append(Problem(code="IPP905", message=message, hint=f"at most {request.link_mtu - takes}"))
    if not request.options.get("from") and not _given_mtu(request):
        message = "an MTU migration names the MTU that it starts from; 1400 is assumed"
        found.append(Problem(code="IPP905", severity="warning", message=message))
    if request.host_ipsec:
        found.append(Problem(code="IPP905", severity="warning", message=_EXTERNAL))
    return found


def _given_mtu(request: CniRequest) -> int | None:
    """The MTU of the Network object that was given."""
    for piece in objects(request, "Network"):
        found = piece.get("status", "clusterNetworkMTU"), piece.get(*_AT, "mtu"), piece.get("status", "mtu")
        number = next((n for n in map(whole, found) if n), None)
        if number:
            return number
    return None


def _openshift(request: CniRequest) -> list[Artifact]:
    target = "Network//cluster"
    start = whole(request.options.get("from", "")) or _given_mtu(request) or DEFAULT_MTU
    machine = whole(request.options.get("machine", "")) or request.link_mtu
    migration = {
        "spec": {
            "migration": {
                "mtu": {
                    "network": {"from": start, "to": request.pod_mtu},
                    "machine": {"from": request.link_mtu, "to": machine},
                }
            }
        }
    }
    done = {"spec": {"migration": None, "defaultNetwork": {"ovnKubernetesConfig": {"mtu": request.pod_mtu}}}}
    api = "operator.openshift.io/v1"
    made = [
        patch("openshift/1-migration.patch.yaml", migration, target, "openshift/network", api=api),
        patch("openshift/2-network.patch.yaml", done, target, "openshift/network", api=api),
    ]
    return [replace(artifact, by_step=True) for artifact in made]  # the second only after every node has rebooted


def _openshift_steps(request: CniRequest) -> list[ManualStep]:
    routes = "old and new nodes interoperate: devices keep the larger MTU, pod routes get the smaller"
    wait = "oc wait mcp --all --for=condition=Updated --timeout=4h"
    apply = "oc patch network.operator.openshift.io cluster --type merge --patch-file openshift/"
    return [
        ManualStep(stage="config", text="dry run", command=f"{apply}1-migration.patch.yaml --dry-run=server"),
        ManualStep(
            stage="config",
            text=f"start the migration; {routes}; every node reboots once",
            command=f"{apply}1-migration.patch.yaml",
        ),
        ManualStep(
            stage="restart", text="wait until the machine config operator has rebooted every node", command=wait
        ),
        ManualStep(
            stage="pods",
            text=f"finish: migration null, mtu {request.pod_mtu}; every node reboots a second time",
            command=f"{apply}2-network.patch.yaml",
        ),
        ManualStep(stage="check", text="wait for the second round, then read the MTU inside a pod", command=wait),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read OpenShift's Network objects, ovnkube workloads, their ConfigMap, and attachments of OVN-Kubernetes."""
    if piece.kind == "Network" and piece.api == "operator.openshift.io":
        return _network(piece)
    if piece.kind == "Network" and piece.api == "config.openshift.io":
        number = whole(piece.get("status", "clusterNetworkMTU"))
        sdn = piece.text("status", "networkType") == "OpenShiftSDN"
        if not number:
            return []
        at = ("status", "clusterNetworkMTU")
        return [_setting(piece, number, at, ".".join(at), "openshift-sdn" if sdn else "openshift", None)]
    if piece.kind in ("DaemonSet", "Deployment") and piece.name.startswith("ovnkube"):
        found = [f for container in containers(piece) for f in _container(container)]
        return found[:1] + [f for f in found if isinstance(f, Clue)][:1]
    if piece.kind == "ConfigMap" and piece.name in ("ovn-config", "ovnkube-config"):
        number = whole(piece.get("data", "mtu"))
        return [_setting(piece, number, ("data", "mtu"), "data.mtu", "ovn-kubernetes", None)] if number else []
    return []


def _network(piece: Piece) -> list[Setting | Clue]:
    at: tuple[str, ...] = _AT
    if piece.text("spec", "defaultNetwork", "type") == "OpenShiftSDN":
        at = ("spec", "defaultNetwork", "openshiftSDNConfig", "mtu")
        return [_setting(piece, whole(piece.get(*at)), at, "openshiftSDNConfig.mtu", "openshift-sdn", None)]
    if piece.get(*at) is None and piece.text("spec", "defaultNetwork", "type") != "OVNKubernetes":
        return []
    mode = piece.text(*at, "ipsecConfig", "mode")
    # ipsecConfig: {} switched it on before the field mode existed
    full = mode == "Full" or (not mode and isinstance(piece.get(*at, "ipsecConfig"), dict))
    always = piece.text(*at, "ipsecConfig", "full", "encapsulation") == "Always"
    own = BuiltinIpsec(suite=OVS_ESP, nat_t=always) if full else None
    number = whole(piece.get(*at, "mtu")) or whole(piece.get("status", "mtu")) or None
    setting = _setting(piece, number, (*at, "mtu"), "ovnKubernetesConfig.mtu", "openshift", own)
    if piece.text(*at, "transport") == "NoOverlay":  # pods' packets are routed as they are; at most the link's MTU
        setting = replace(setting, encap="none", automatic=Overhead(otherwise=0), own=None)
    found: list[Setting | Clue] = [setting, *_migration(piece, own)]
    if own:
        found.append(
            Clue(
                system="openshift", location=piece.location(*at, "ipsecConfig"), own=own, refuse=f"{_WHY}; {_EXTERNAL}"
            )
        )
    return found


def _migration(piece: Piece, own: BuiltinIpsec | None) -> list[Setting | Clue]:
    """Read the size that a migration leads to. One that changes the hosts' links as well is for links yet to come."""
    at = ("spec", "migration", "mtu", "network", "to")
    number, link = whole(piece.get(*at)), whole(piece.get("spec", "migration", "mtu", "machine", "to"))
    if not number:
        return []
    found = _setting(piece, number, at, "migration.mtu.network.to", "openshift", own)
    changed = link is not None and link != whole(piece.get("spec", "migration", "mtu", "machine", "from"))
    why = f"the migration sets the hosts' links to {link}: check it with `ipsecplan calc` and --mtu {link}"
    return [replace(found, change="set spec.migration.mtu.network.to", unjudged=why if changed else "")]


def _container(container: Piece) -> list[Setting | Clue]:
    entry = environment(container, "OVN_MTU")
    flag = argument(container, "--mtu")
    ipsec = environment(container, "ENABLE_IPSEC")
    own = BuiltinIpsec(suite=OVS_ESP) if ipsec is not None and str(ipsec.data).lower() == "true" else None
    where = entry if entry is not None else flag[1] if flag else None
    if where is None:
        return []
    number = whole(entry.data) if entry is not None else whole(flag[0]) if flag else None
    name = "OVN_MTU" if entry is not None else "--mtu"
    found: list[Setting | Clue] = [_setting(where, number, (), name, "ovn-kubernetes", own)]
    return found + ([Clue(system="ovn-kubernetes", location=where.location(), own=own, refuse=_WHY)] if own else [])


def _setting(
    piece: Piece, number: int | None, at: tuple[str, ...], field: str, system: str, own: BuiltinIpsec | None
) -> Setting:
    number = number or None
    takes = OPENSHIFT_TAKES + (OPENSHIFT_IPSEC_TAKES if own else 0)
    upstream = system == "ovn-kubernetes"
    change = f"set {field} and restart ds/ovnkube-node"
    if system == "openshift":
        change = "migrate: spec.migration.mtu, two rolling reboots; lower it before IPsec Full is switched on"
    return Setting(
        system=system,
        field=field,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap="vxlan" if system == "openshift-sdn" else "geneve:8",
        own=own,
        automatic=None if upstream else Overhead(otherwise=takes),
        default=DEFAULT_MTU if upstream else None,
        change=change,
    )


UPSTREAM = Adapter(
    name="ovn-kubernetes",
    title="OVN-Kubernetes",
    semantics="pod",
    field="ConfigMap ovn-config data.mtu (OVN_MTU, ovnkube --mtu)",
    overhead=Overhead(TAKES),
    automatic=None,
    goes_live="restart ds/ovnkube-node",
    pods_keep=True,
    render=_upstream,
    steps=_upstream_steps,
    audit=audit,
    rules=_left,
    brings_ipsec=_WHY,
)
OPENSHIFT = Adapter(
    name="openshift",
    title="OpenShift (OVN-Kubernetes)",
    semantics="pod",
    field="Network.operator spec.defaultNetwork.ovnKubernetesConfig.mtu",
    overhead=Overhead(TAKES),
    automatic=Overhead(same(("geneve:8",), OPENSHIFT_TAKES)),
    goes_live="MTU migration: two rolling reboots of all nodes",
    pods_keep=True,
    render=_openshift,
    steps=_openshift_steps,
    audit=lambda _piece: [],  # the upstream adapter reads both
    brings_ipsec=f"{_WHY}; {_EXTERNAL}",
    largest=65536,
    unverified="that the second change reboots the nodes again is from documentation",
    rules=migration_problems,
)
