"""The fail-closed guard: an nftables table of our own that lets nothing pass without IPsec that is to be protected.

Measured (Linux 6.1, nft 1.0.6): ``rt ipsec missing`` in the output hook and ``meta ipsec missing`` in the input hook
stop clear packets in every failure state of charon and harm no ESP packet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from netplan.render import render

UNITS = ("ipsecplan-guard.service", "ipsecplan-boot.service")


def ruleset(
    port: int, *, drop: bool, family: str = "ipv4", peers: Sequence[str] | None = None,
    clear: Sequence[str] | None = None, address: str = "",
) -> str:  # fmt: skip
    """Return the guard for an overlay UDP port: ``drop`` false only counts, true drops.

    ``peers`` None means that every pair is protected; else the guard concerns these underlay addresses only. With
    ``clear`` (services such as ``tcp/22``) it concerns everything between ``address``, the host's own, and ``peers``
    but these, IKE and ESP.
    """
    services = None if clear is None else [tuple(service.split("/")) for service in clear]
    assert services is None or peers is not None  # noqa: S101 - a guard of hosts names them
    header = "ip6" if family == "ipv6" else "ip"
    own = "" if services is None else f"{header} saddr {ipaddress.ip_address(address)} "
    to, by = (f"{header} daddr @protected ", f"{header} saddr @protected ") if peers is not None else ("", "")
    addresses = None if peers is None else [str(ipaddress.ip_address(peer)) for peer in peers]
    return render(
        "nft/guard.nft.j2", port=port, drop=drop, family=family, peers=addresses, to=to, by=by, own=own,
        services=services,
    )  # fmt: skip


def unit(name: str) -> str:
    """Return a systemd unit of the guard."""
    assert name in UNITS  # noqa: S101
    return render(f"systemd/{name}.j2")
