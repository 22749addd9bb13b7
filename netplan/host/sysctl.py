"""Kernel settings that the plan relies on (Documentation/networking/ip-sysctl.rst, xfrm_sysctl.c)."""

from __future__ import annotations

from netplan.model.lifetimes import ACQUIRE_S

# name -> (value, why)
SETTINGS: dict[str, tuple[int, str]] = {
    "net.ipv4.ip_forward": (1, "nodes route between pods and the overlay"),
    "net.core.xfrm_larval_drop": (1, "no packet waits for an SA: the guard would drop it, and its route would stay"),
    "net.core.xfrm_acq_expires": (ACQUIRE_S, "seconds until the kernel asks again for an SA that did not come"),
}


def text() -> str:
    """Return the file for ``/etc/sysctl.d``."""
    lines = ["# ipsecplan: kernel settings that the plan relies on"]
    for name, (value, why) in SETTINGS.items():
        lines += [f"# {why}", f"{name} = {value}"]
    return "\n".join(lines) + "\n"
