"""The fail-closed guard: an nftables table of our own that lets no overlay packet pass without IPsec.

Measured (Linux 6.1, nft 1.0.6): ``rt ipsec missing`` in the output hook and ``meta ipsec missing`` in the input hook
stop clear packets in every failure state of charon and harm no ESP packet.
"""

from __future__ import annotations

from netplan.render import render

TABLE = "ipsecplan"
UNITS = ("ipsecplan-guard.service", "ipsecplan-boot.service")


def ruleset(port: int, *, drop: bool) -> str:
    """Return the guard for an overlay UDP port: ``drop`` false only counts, true drops."""
    return render("nft/guard.nft.j2", port=port, drop=drop)


def unit(name: str) -> str:
    """Return a systemd unit of the guard."""
    assert name in UNITS  # noqa: S101
    return render(f"systemd/{name}.j2")
