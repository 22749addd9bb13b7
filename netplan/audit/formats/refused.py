"""What programs refuse or ignore: findings that need no packet. Measured: podman 5.8.6 and 6.1.1, dockerd 28.5.2."""

from __future__ import annotations

from netplan.audit.model import Evidence, Finding
from netplan.cni.adapter import whole
from netplan.cni.adapters.docker import OPTION
from netplan.cni.yaml_document import Piece
from netplan.stack.headers import MIN_MTU

_SIX = MIN_MTU["ip6"]


def check(piece: Piece, evidence: Evidence) -> None:
    """Add a finding for a network with IPv6 below 1280, and for options that Docker ignores."""
    podman = piece.has("driver", "network_interface", "name")
    docker = piece.has("Driver", "Name", "Options")
    if podman and piece.get("ipv6_enabled") is True:
        _six(piece, ("options", "mtu"), "podman", piece.text("name"), evidence)
    if not docker:
        return
    name = piece.text("Name")
    if piece.get("EnableIPv6") is True:
        _six(piece, ("Options", OPTION), "docker", name, evidence)
    if piece.text("Driver") == "macvlan" and whole(piece.get("Options", OPTION)):
        _ignored(piece, OPTION, name, "a macvlan network has its parent's MTU", evidence)
    elif whole(piece.get("Options", "mtu")):
        _ignored(piece, "mtu", name, f"the option is called {OPTION}", evidence)


def _six(piece: Piece, at: tuple[str, str], system: str, name: str, evidence: Evidence) -> None:
    number = whole(piece.get(*at))
    if number and number < _SIX:
        evidence.faults.append(
            Finding(
                code="IPP917",
                severity="error",
                system=system,
                field=f"{name}: {'.'.join(at)}",
                location=piece.location(*at),
                message=f"{system} network {name} has IPv6 and an MTU of {number}: no container can be started on it",
                found=number,
                ends=number,
                exact=_SIX,
                change=f"set {at[1]} to {_SIX} or more, or switch IPv6 off",
            )
        )


def _ignored(piece: Piece, key: str, name: str, why: str, evidence: Evidence) -> None:
    evidence.faults.append(
        Finding(
            code="IPP916",
            severity="warning",
            system="docker",
            field=f"{name}: Options.{key}",
            location=piece.location("Options", key),
            message=f"docker network {name} Options.{key}: Docker ignores it; {why}",
            found=whole(piece.get("Options", key)),
            change=f"recreate the network with {OPTION}",
        )
    )
