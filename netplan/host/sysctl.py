"""Kernel settings that the plan relies on (Documentation/networking/ip-sysctl.rst, xfrm_sysctl.c)."""

from __future__ import annotations

from netplan.model.lifetimes import ACQUIRE_S

# name -> (value, why)
SETTINGS: dict[str, tuple[int, str]] = {
    "net.ipv4.ip_forward": (1, "nodes route between pods and the overlay"),
    "net.core.xfrm_larval_drop": (1, "no packet waits for an SA: the guard would drop it, and its route would stay"),
    "net.core.xfrm_acq_expires": (ACQUIRE_S, "seconds until the kernel asks again for an SA that did not come"),
}


NEIGHBOURS = 1024  # entries of the kernel's own limit; all namespaces of a host share it
WHY = "the kernel drops packets to neighbours beyond its limit, without an error"


def text(hosts: int = 0, family: str = "ipv4") -> str:
    """Return the file for ``/etc/sysctl.d`` of a cluster of so many hosts; ``family`` is that of the underlay.

    A host can have every other one as a neighbour, on the underlay and in the overlay.
    """
    lines = ["# ipsecplan: kernel settings that the plan relies on"]
    settings = dict(SETTINGS)
    if 2 * hosts > NEIGHBOURS // 2:
        least = 1 << (2 * hosts - 1).bit_length()
        for kind in dict.fromkeys(["ipv4", family]):  # the overlay's addresses are IPv4
            for number in (1, 2, 3):
                settings[f"net.{kind}.neigh.default.gc_thresh{number}"] = (least << number, WHY)
    for name, (value, why) in settings.items():
        lines += [f"# {why}", f"{name} = {value}"]
    return "\n".join(lines) + "\n"
