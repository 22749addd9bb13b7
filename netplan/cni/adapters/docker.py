"""Docker: the bridge networks of one host, and swarm's overlay.

A bridge's ``mtu`` is the container's. An overlay's is the underlay's: 50 is subtracted, with ``encrypted`` 26 more and
the rest cut to a multiple of 4, starting from 1500 whatever the link is, and over IPv6 as if it were IPv4.
"""

from __future__ import annotations

from typing import Any

from netplan.cni.adapter import (
    Adapter,
    Artifact,
    Encap,
    Family,
    Hint,
    Network,
    Own,
    Setting,
    Sizes,
    Step,
    fixed,
    plus,
    whole,
)
from netplan.cni.kubernetes import compact, dump, loaded, merged
from netplan.cni.yaml_document import Piece

OPTION = "com.docker.network.driver.mtu"
DEFAULT_MTU = 1500
OVERLAY_TAKES = 50
NETWORK_OPTS_SINCE = 24  # default-network-opts
VALIDATE_SINCE = 23  # dockerd --validate
ENCRYPTED_TAKES = 26
OWN_ESP = "aes128gcm8"  # AES-GCM with an ICV of 8 bytes
OVERLAY: dict[tuple[Encap, Family], int] = {("vxlan", "ipv4"): OVERLAY_TAKES, ("vxlan", "ipv6"): OVERLAY_TAKES}
BRIDGE: dict[tuple[Encap, Family], int] = {
    (encap, family): 0 for encap in ("none", "vxlan", "geneve") for family in ("ipv4", "ipv6")
}
_WHY = "encrypted overlays install XFRM policies and states of their own for UDP 4789 between all nodes"


def overlay_ends(value: int, encrypted: bool) -> int:
    """Return the MTU of containers on an overlay network whose option is ``value``."""
    left = value - OVERLAY_TAKES
    return (left - ENCRYPTED_TAKES) // 4 * 4 if encrypted else left


def _bridge(network: Network) -> list[Artifact]:
    existing = loaded(network.existing.get("daemon.json"))
    changes: dict[str, Any] = {"mtu": network.pod_mtu}
    if _major(network) >= NETWORK_OPTS_SINCE:  # an older daemon does not start with a key that it doesn't know
        changes["default-network-opts"] = {"bridge": {OPTION: str(network.pod_mtu)}}
    return [
        Artifact(path="etc/docker/daemon.json", text=compact(merged(existing, changes)), schema="docker/daemon"),
        Artifact(
            path="docker/compose.networks.yaml",
            text=dump({"networks": {"default": {"driver_opts": {OPTION: str(network.pod_mtu)}}}}),
            patch="object",
            schema="docker/compose",
        ),
    ]


def _major(network: Network) -> int:
    return whole(network.options.get("version", "").partition(".")[0]) or NETWORK_OPTS_SINCE


def _bridge_steps(network: Network) -> list[Step]:
    check = _major(network) >= VALIDATE_SINCE
    return [
        Step(
            stage="config",
            text="install daemon.json" + (" after the daemon itself has checked it" if check else ""),
            command="dockerd --validate --config-file /etc/docker/daemon.json" if check else "",
            where="node",
        ),
        Step(stage="restart", text="restart the daemon", command="systemctl restart docker", where="node"),
        Step(stage="pods", text="recreate networks and containers: a network's MTU can't be changed", where="node"),
    ]


def _overlay(network: Network) -> list[Artifact]:
    value = str(OVERLAY_ADAPTER.field_value(network))
    options: dict[str, Any] = {OPTION: value}
    if network.own_ipsec:
        options["encrypted"] = ""
    name = network.options.get("name", "backend")
    body = {"networks": {name: {"driver": "overlay", "attachable": True, "driver_opts": options}}}
    return [Artifact(path="docker/stack.networks.yaml", text=dump(body), patch="object", schema="docker/compose")]


def _overlay_steps(_network: Network) -> list[Step]:
    return [
        Step(stage="pods", text="remove the services from the network and the network itself: it can't be changed"),
        Step(
            stage="config",
            text="deploy the stack again with the option",
            command="docker stack deploy -c docker-compose.yaml -c docker/stack.networks.yaml STACK",
        ),
    ]


def audit(piece: Piece) -> list[Setting | Hint]:
    """Read daemon.json, ``docker network inspect``, and the networks of a compose file."""
    if piece.has("Driver", "Name") and isinstance(piece.get("Options"), (dict, type(None))) and piece.has("Scope"):
        name = piece.text("Name")
        return _network(piece, piece.text("Driver"), "Options", f"{name}: Options.")
    if is_daemon(piece):
        return _daemon(piece)
    if piece.has("networks") and isinstance(piece.get("networks"), dict) and not piece.kind:
        found: list[Setting | Hint] = []
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


def _daemon(piece: Piece) -> list[Setting | Hint]:
    found: list[Setting | Hint] = []
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


def _network(piece: Piece, driver: str, options: str, shown: str) -> list[Setting | Hint]:
    at = (options, OPTION)
    number = whole(piece.get(*at))
    if driver == "bridge":
        # a network without the option has 1500, whatever daemon.json says for the default bridge
        note = "" if number else "not set: Docker uses 1500"
        return [_bridge_setting(piece, number or DEFAULT_MTU, at, shown + OPTION, note)]
    if driver != "overlay":
        return []
    raw = piece.get(options)
    encrypted = isinstance(raw, dict) and "encrypted" in raw
    found: list[Setting | Hint] = [_overlay_setting(piece, number, at, shown + OPTION, encrypted=encrypted)]
    if encrypted:
        own = Own(suite=OWN_ESP)
        found.append(Hint(system="docker-overlay", place=piece.place(options, "encrypted"), own=own, refuse=_WHY))
    return found


def _bridge_setting(piece: Piece, number: int, at: tuple[str, ...], field: str, note: str = "") -> Setting:
    return Setting(
        system="docker",
        field=field,
        place=piece.place(*at),
        value=number,
        semantics="pod",
        encap="",
        ends=fixed(number),
        wanted=plus(),
        change=f"set {field}, restart dockerd, recreate the network and its containers",
        note=note,
    )


def _overlay_setting(piece: Piece, number: int | None, at: tuple[str, ...], field: str, *, encrypted: bool) -> Setting:
    value = number or DEFAULT_MTU

    def wanted(size: int, _encap: str, _family: str) -> int | None:
        return size + OVERLAY_TAKES + (ENCRYPTED_TAKES if encrypted else 0)

    ends: Sizes = fixed(overlay_ends(value, encrypted))
    return Setting(
        system="docker-overlay",
        field=field,
        place=piece.place(*at),
        value=value,
        semantics="underlay",
        encap="vxlan",
        port=4789,
        own=Own(suite=OWN_ESP) if encrypted else None,
        ends=ends,
        wanted=wanted,
        change=f"recreate the network with {OPTION}, and its containers",
        note="" if number else "not set: Docker starts from 1500, whatever the link is",
    )


BRIDGE_ADAPTER = Adapter(
    name="docker",
    title="Docker bridge networks",
    checked_against="moby b985e231; default-network-opts needs 24.0 (option version=20.10 leaves it out)",
    semantics="pod",
    field=f"daemon.json mtu and default-network-opts.bridge.{OPTION}",
    takes=BRIDGE,
    automatic=None,
    goes_live="restart dockerd",
    pods_keep=True,
    ports=(),
    render=_bridge,
    steps=_bridge_steps,
    audit=audit,
)
OVERLAY_ADAPTER = Adapter(
    name="docker-overlay",
    title="Docker swarm overlay networks",
    checked_against="moby b985e231",
    semantics="underlay",
    field=f"driver option {OPTION} of the network",
    takes=OVERLAY,
    automatic=None,
    goes_live="remove and create the network",
    pods_keep=True,
    ports=("UDP 4789 (VXLAN)", "TCP 2377", "TCP and UDP 7946", "ESP (encrypted)"),
    render=_overlay,
    steps=_overlay_steps,
    audit=lambda _piece: [],  # the bridge adapter reads both
    brings_ipsec=_WHY,
)
