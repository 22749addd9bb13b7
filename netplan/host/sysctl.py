"""Kernel settings that the plan relies on (Documentation/networking/ip-sysctl.rst, xfrm_sysctl.c)."""

from __future__ import annotations

# name -> (value, why)
SETTINGS: dict[str, tuple[int, str]] = {
    "net.ipv4.ip_forward": (1, "nodes route between pods and the overlay"),
    "net.core.xfrm_larval_drop": (0, "queue packets while an SA is negotiated instead of dropping them"),
    "net.core.xfrm_acq_expires": (30, "seconds until a failed negotiation is tried again"),
}


def text() -> str:
    """Return the file for ``/etc/sysctl.d``."""
    lines = ["# ipsecplan: kernel settings that the plan relies on"]
    for name, (value, why) in SETTINGS.items():
        lines += [f"# {why}", f"{name} = {value}"]
    return "\n".join(lines) + "\n"
