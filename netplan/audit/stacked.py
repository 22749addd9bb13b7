"""Links on links: a VLAN above what carries it, a bridge above its ports. What is larger than the lower one is lost.

A bond hands its MTU down to its ports and is left out. A port whose MTU no file says has the kernel's 1500.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from netplan.audit.model import Configured, Device, Evidence, Finding
from netplan.audit.places import host_of
from netplan.path.model import Host, Interface

_LARGEST = 65535  # bytes: what a device has whose MTU no file says
UNSAID = 1500  # bytes: Ethernet hardware in Linux
# names of network cards and of bonds of them: udev's, the kernel's, biosdevname's, Proxmox's
_CARD = re.compile(r"^(eth\d+|en(o\d+|s\d+|p\d+s\d+|x[0-9a-f]{12})(f\d+|n\w+|d\d+)*|em\d+|p\d+p\d+|nic\d+|bond\d+)$")
_VLANS = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap")


@dataclass(frozen=True, slots=True)
class _Below:
    name: str
    mtu: int
    said: bool


def findings(evidence: Evidence, hosts: Iterable[Host]) -> Iterator[Finding]:
    """Generate a finding for each link that is larger than one that it stands on."""
    places: dict[tuple[str, str], Device] = {}
    for device in evidence.links:
        places.setdefault((host_of(device.location.path), device.name), device)
    for host in hosts:
        for upper in host.interfaces.values():
            place = places.get((host_of(host.name), upper.name)) or places.get((host.name, upper.name))
            below = min(_below(host, upper, evidence), key=lambda b: (b.mtu, b.name), default=None)
            if place is not None and below is not None and below.mtu < upper.mtu < _LARGEST:
                yield _finding(place, upper, below)


def _below(host: Host, upper: Interface, evidence: Evidence) -> Iterator[_Below]:
    """Generate what a VLAN or a bridge stands on: the devices of the host, and those that files only name."""
    files = [c for c in evidence.configured if host_of(c.location.path) == host.name]
    vlan = upper.kind in _VLANS
    names = {upper.lower} if vlan else set()
    if upper.kind in ("", "bridge") and upper.role in ("link", "bridge"):
        names = {i.name for i in host.interfaces.values() if i.master == upper.name}
        names |= {c.name for c in files if c.master == upper.name}
        if any(c.name == upper.name and c.kind == "bond" for c in files):
            return
    for name in sorted(names - {""}):
        found = host.interfaces.get(name)
        if found is not None:
            if found.role == "link":
                yield _Below(name, found.mtu, said=True)
        elif _CARD.match(name) and not any(c.name == name and c.mtu for c in files) and not (vlan and _raised(files)):
            yield _Below(name, UNSAID, said=False)


def _raised(files: list[Configured]) -> bool:
    """Whether the program gives a carrier without an MTU of its own the largest of its VLANs."""
    return any(c.system in ("networkd", "canonical", "networkmanager", "nmstate") for c in files)


def _finding(device: Device, upper: Interface, below: _Below) -> Finding:
    kind = "its carrier" if upper.kind in _VLANS else "its port"
    said = f"has {below.mtu}" if below.said else f"has none of its own in the files: the kernel's {below.mtu}"
    return Finding(
        code="IPP911",
        severity="error",
        system="links",
        field=f"{upper.name} mtu",
        location=device.location,
        message=f"{upper.name} mtu is {upper.mtu}, and {kind} {below.name} {said}: "
        f"too large by {upper.mtu - below.mtu} (exact {below.mtu}); full packets are lost",
        change=f"set the MTU of {below.name} to {upper.mtu} where the network behind it carries that, "
        f"or that of {upper.name} to {below.mtu}",
        found=upper.mtu,
        ends=upper.mtu,
        exact=below.mtu,
        exact_field=below.mtu,
    )
