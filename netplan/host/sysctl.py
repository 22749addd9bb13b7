"""Kernel settings that the plan relies on (Documentation/networking/ip-sysctl.rst, xfrm_sysctl.c)."""

from __future__ import annotations

from collections.abc import Sequence

from netplan.lifetimes import ACQUIRE_S

# name -> (value, why)
SETTINGS: dict[str, tuple[int, str]] = {
    "net.ipv4.ip_forward": (1, "nodes route between pods and the overlay"),
    "net.core.xfrm_larval_drop": (1, "no packet waits for an SA: the guard would drop it, and its route would stay"),
    "net.core.xfrm_acq_expires": (ACQUIRE_S, "seconds until the kernel asks again for an SA that did not come"),
}


def text(inside: Sequence[str] = ()) -> str:
    """Return the file for ``/etc/sysctl.d``; ``inside`` are XFRM interfaces, which may not be there yet ("-").

    What comes out of one has a peer's address, and the way back to that address is the link: only a loose check takes
    it. By name, because a name counts more than anybody's `net.ipv4.conf.*` (sysctl.d(5)).
    """
    lines = ["# ipsecplan: kernel settings that the plan relies on"]
    for name, (value, why) in SETTINGS.items():
        lines += [f"# {why}", f"{name} = {value}"]
    lines += [f"-net.ipv4.conf.{name}.rp_filter = 2" for name in inside]
    return "\n".join(lines) + "\n"
