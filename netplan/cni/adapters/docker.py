"""Docker: the bridge networks of one host, and swarm's overlay.

A bridge's ``mtu`` is the container's. An overlay's is the underlay's: 50 is subtracted, with ``encrypted`` 26 more and
the rest cut to a multiple of 4, starting from 1500 whatever the link is, and over IPv6 as if it were IPv4.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    BuiltinIpsec,
    Clue,
    CniRequest,
    ManualStep,
    Overhead,
    Setting,
    same,
    whole,
)
from netplan.cni.kubernetes import compact, dump, loaded, merged
from netplan.cni.present import mappings
from netplan.cni.yaml_document import Piece
from netplan.model.cni_facts import NETWORKS
from netplan.problems import Problem

OPTION = "com.docker.network.driver.mtu"
DEFAULT_MTU = 1500
OVERLAY_TAKES = 50
NETWORK_OPTS_SINCE = 24  # default-network-opts
VALIDATE_SINCE = 23  # dockerd --validate
ENCRYPTED_TAKES = 26
OWN_ESP = "aes128gcm8"  # AES-GCM with an ICV of 8 bytes
OVERLAY = Overhead(same(("vxlan",), OVERLAY_TAKES))
ENCRYPTED_OVERLAY = Overhead(same(("vxlan",), OVERLAY_TAKES), extra=ENCRYPTED_TAKES, multiple=4)
BRIDGE = Overhead(same(("none", "vxlan", "geneve")))
PORT = NETWORKS["docker-overlay"].overlays["vxlan"].port
_WHY = f"encrypted overlays install XFRM policies and states of their own for UDP {PORT} between all nodes"


def _bridge(request: CniRequest) -> list[Artifact]:
    existing = loaded(request.existing.get("daemon.json"))
    changes: dict[str, Any] = {"mtu": request.pod_mtu}
    if _major(request) >= NETWORK_OPTS_SINCE:  # an older daemon does not start with a key that it doesn't know
        changes["default-network-opts"] = {"bridge": {OPTION: str(request.pod_mtu)}}
    return [
        Artifact(path="etc/docker/daemon.json", text=compact(merged(existing, changes)), schema="docker/daemon"),
        Artifact(
            path="docker/compose.networks.yaml",
            text=dump({"networks": {"default": {"driver_opts": {OPTION: str(request.pod_mtu)}}}}),
            patch="object",
            schema="docker/compose",
            by_step=True,
        ),
    ]


def _major(request: CniRequest) -> int:
    return whole(request.options.get("version", "").partition(".")[0]) or NETWORK_OPTS_SINCE


def _bridge_rules(request: CniRequest) -> list[Problem]:
    if request.existing.get("daemon.json"):
        return []
    message = "daemon.json is written whole: where there is one, give it with --existing to keep the rest of it"
    return [Problem(code="IPP905", severity="warning", message=message)]


def _bridge_steps(request: CniRequest) -> list[ManualStep]:
    check = _major(request) >= VALIDATE_SINCE
    return [
        ManualStep(
            stage="config",
            text="install daemon.json" + (" after the daemon itself has checked it" if check else ""),
            command="dockerd --validate --config-file /etc/docker/daemon.json" if check else "",
            where="node",
        ),
        ManualStep(stage="restart", text="restart the daemon", command="systemctl restart docker", where="node"),
        ManualStep(
            stage="pods", text="recreate networks and containers: a network's MTU can't be changed", where="node"
        ),
    ]


def _given_overlay(request: CniRequest) -> tuple[str, dict[str, Any]]:
    """Name and options of the overlay network that was given, as ``docker network inspect`` prints it."""
    known = [n for n in mappings(request, "Name", "Driver", "Options") if n["Driver"] == "overlay"]
    wanted = request.options.get("name")
    found = next((n for n in known if n["Name"] == wanted), None) if wanted else next(iter(known), None)
    options = found["Options"] if found and isinstance(found["Options"], dict) else {}
    # the VNIs are given out by the swarm when a network is created
    kept = {k: v for k, v in options.items() if k != "com.docker.network.driver.overlay.vxlanid_list"}
    return str(found["Name"]) if found else str(wanted or "backend"), kept


def _takes(request: CniRequest) -> Overhead:
    encrypted = request.own_ipsec or "encrypted" in _given_overlay(request)[1]
    return ENCRYPTED_OVERLAY if encrypted else OVERLAY


def written(request: CniRequest) -> tuple[int, int]:
    """Return the number that the network gets, encrypted or not, and the MTU with which containers end."""
    takes = _takes(request)
    value = takes.field_value(request.pod_mtu, request.encap, request.family) or 0
    return value, takes.pod_mtu(value, request.encap, request.family) or request.pod_mtu


def _overlay(request: CniRequest) -> list[Artifact]:
    name, options = _given_overlay(request)
    takes = _takes(request)
    options |= {OPTION: str(takes.field_value(request.pod_mtu, request.encap, request.family))}
    options |= {"encrypted": ""} if request.own_ipsec and "encrypted" not in options else {}
    body = {"networks": {name: {"driver": "overlay", "driver_opts": options}}}
    return [
        Artifact(
            path="docker/stack.networks.yaml", text=dump(body), patch="object", schema="docker/compose", by_step=True
        )
    ]


def _overlay_steps(_network: CniRequest) -> list[ManualStep]:
    return [
        ManualStep(
            stage="config",
            text="remove the services from the network and the network itself: it can't be changed",
        ),
        ManualStep(
            stage="pods",
            text="deploy the stack again with the option",
            command="docker stack deploy -c docker-compose.yaml -c docker/stack.networks.yaml STACK",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Clue]:
    """Read daemon.json, ``docker network inspect``, and the networks of a compose file."""
    if piece.has("Driver", "Name") and isinstance(piece.get("Options"), (dict, type(None))) and piece.has("Scope"):
        name = piece.text("Name")
        return _network(piece, piece.text("Driver"), "Options", f"{name}: Options.")
    if is_daemon(piece):
        return _daemon(piece)
    if piece.has("networks") and isinstance(piece.get("networks"), dict) and not piece.kind:
        found: list[Setting | Clue] = []
        for name, body in piece.get("networks").items():
            if isinstance(body, dict) and isinstance(name, str):
                network = piece.sub("networks", name)
                driver = network.text("driver") or "bridge"
                if network.get("driver_opts") is not None or driver == "overlay":
                    found += _network(network, driver, "driver_opts", f"networks.{name}.driver_opts.")
        return found
    return []


_DAEMON_KEYS = {
    "default-network-opts",
    "network-control-plane-mtu",
    "storage-driver",
    "log-driver",
    "log-opts",
    "exec-opts",
    "registry-mirrors",
    "insecure-registries",
    "default-address-pools",
    "live-restore",
    "data-root",
    "bip",
    "iptables",
    "ip6tables",
    "experimental",
    "dns",
    "userland-proxy",
    "features",
    "default-runtime",
    "fixed-cidr-v6",
}


def is_daemon(piece: Piece) -> bool:
    """Tell whether this mapping is a daemon.json."""
    if not isinstance(piece.data, dict) or piece.kind:
        return False
    return bool(_DAEMON_KEYS & piece.data.keys()) or (piece.doc.path.endswith("daemon.json") and "mtu" in piece.data)


def _daemon(piece: Piece) -> list[Setting | Clue]:
    found: list[Setting | Clue] = []
    number = whole(piece.get("mtu"))
    if number is not None:
        found.append(_bridge_setting(piece, number, ("mtu",), "mtu"))
    for driver in ("bridge", "overlay"):
        at = ("default-network-opts", driver, OPTION)
        value = whole(piece.get(*at))
        if value is not None:
            shown = f"default-network-opts.{driver}.{OPTION}"
            found += (
                [_bridge_setting(piece, value, at, shown)]
                if driver == "bridge"
                else [_overlay_setting(piece, value, at, shown, encrypted=False)]
            )
    return found


def _network(piece: Piece, driver: str, options: str, shown: str) -> list[Setting | Clue]:
    at = (options, OPTION)
    number = whole(piece.get(*at))
    if driver == "bridge":
        # a network without the option has 1500, whatever daemon.json says for the default bridge
        note = "" if number else "not set: Docker uses 1500"
        found = _bridge_setting(piece, number or DEFAULT_MTU, at, shown + OPTION, note)
        misnamed = [] if number else _misnamed(piece, options, shown)
        return [replace(found, six=piece.get("EnableIPv6") is True), *misnamed]
    if driver in ("macvlan", "ipvlan") and number:
        link = f"the parent link {piece.text(options, 'parent')}".rstrip()
        change = f"set the MTU of {link}, recreate the containers"
        return [_ignored(_bridge_setting(piece, number, at, shown + OPTION), _PARENT, change)]
    if driver != "overlay":
        return []
    raw = piece.get(options)
    encrypted = isinstance(raw, dict) and "encrypted" in raw
    ends = tuple(p.text("IP") for p in piece.items("Peers") if p.text("IP"))
    own_setting = _overlay_setting(piece, number, at, shown + OPTION, encrypted=encrypted)
    overlay: list[Setting | Clue] = [replace(own_setting, far=ends)]
    if encrypted:
        own = BuiltinIpsec(suite=OWN_ESP)
        at_option = piece.location(options, "encrypted")
        overlay.append(Clue(system="docker-overlay", location=at_option, own=own, refuse=_WHY))
    return overlay


_PARENT = "Docker ignores the option for macvlan and ipvlan, which get their parent's MTU; give `ip -d -j link`"


def _misnamed(piece: Piece, options: str, shown: str) -> list[Setting | Clue]:
    """The option by Podman's word, which Docker takes without a word and does not look at."""
    number = whole(piece.get(options, "mtu"))
    if number is None:
        return []
    why = f"Docker ignores the option mtu (its own is {OPTION}); give that one"
    change = f"recreate the network with {OPTION}, and its containers"
    return [_ignored(_bridge_setting(piece, number, (options, "mtu"), f"{shown}mtu"), why, change)]


def _ignored(setting: Setting, why: str, change: str) -> Setting:
    """Return what Docker ignores: nothing to judge, and something else to change."""
    return replace(setting, note=why, unjudged=why, change=change)


def _bridge_setting(piece: Piece, number: int, at: tuple[str, ...], field: str, note: str = "") -> Setting:
    return Setting(
        system="docker",
        field=field,
        location=piece.location(*at),
        value=number,
        semantics="pod",
        encap="",
        change=f"set {field}, restart dockerd, recreate the network and its containers",
        note=note,
    )


def _overlay_setting(piece: Piece, number: int | None, at: tuple[str, ...], field: str, *, encrypted: bool) -> Setting:
    return Setting(
        system="docker-overlay",
        field=field,
        location=piece.location(*at),
        value=number or DEFAULT_MTU,
        semantics="underlay",
        encap="vxlan",
        own=BuiltinIpsec(suite=OWN_ESP) if encrypted else None,
        overhead=ENCRYPTED_OVERLAY if encrypted else OVERLAY,
        change=f"recreate the network with {OPTION}, and its containers",
        note=""
        if number
        else "not set: Docker starts from 1500, whatever the link is, or from default-network-opts of daemon.json, "
        "which inspect does not show",
    )


BRIDGE_ADAPTER = Adapter(
    name="docker",
    title="Docker bridge networks",
    semantics="pod",
    field=f"daemon.json mtu and default-network-opts.bridge.{OPTION}",
    overhead=BRIDGE,
    automatic=None,
    goes_live="restart dockerd",
    pods_keep=True,
    render=_bridge,
    steps=_bridge_steps,
    audit=audit,
    rules=_bridge_rules,
)
OVERLAY_ADAPTER = Adapter(
    name="docker-overlay",
    title="Docker swarm overlay networks",
    semantics="underlay",
    field=f"driver option {OPTION} of the network",
    overhead=OVERLAY,
    automatic=None,
    goes_live="remove and create the network",
    pods_keep=True,
    render=_overlay,
    steps=_overlay_steps,
    audit=lambda _piece: [],  # the bridge adapter reads both
    brings_ipsec=_WHY,
    written=written,
)
