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
_VLANS = ("vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "ppp")
# kind -> bytes of the carrier's MTU that its header takes: PPPoE's (RFC 2516); 1500 inside needs 1508 (RFC 4638)
_TAKES = {"ppp": 8}


@dataclass(frozen=True, slots=True)
class _Below:
    name: str
    mtu: int
    said: bool


@dataclass(frozen=True, slots=True)
class _Files:
    """What the files of one host say, by device. ``raised``: a carrier gets the largest MTU of its VLANs."""

    ports: dict[str, set[str]]  # a bridge -> its ports, those that run among them
    bonds: frozenset[str]
    sized: frozenset[str]  # devices whose MTU a file says
    raised: bool

    @classmethod
    def of(cls, host: Host, files: list[Configured]) -> _Files:
        ports: dict[str, set[str]] = {}
        for name, master in [(i.name, i.master) for i in host.interfaces.values()] + [
            (c.name, c.master) for c in files
        ]:
            ports.setdefault(master, set()).add(name)
        return cls(
            ports,
            bonds=frozenset(c.name for c in files if c.kind == "bond"),
            sized=frozenset(c.name for c in files if c.mtu),
            raised=any(c.system in ("networkd", "canonical", "networkmanager", "nmstate") for c in files),
        )


def findings(evidence: Evidence, hosts: Iterable[Host]) -> Iterator[Finding]:
    """Generate a finding for each link that is larger than one that it stands on."""
    places: dict[tuple[str, str], Device] = {}
    for device in evidence.links:
        places.setdefault((host_of(device.location.path), device.name), device)
    files: dict[str, list[Configured]] = {}
    for each in evidence.configured:
        files.setdefault(host_of(each.location.path), []).append(each)
    for host in hosts:
        known = _Files.of(host, files.get(host.name, []))
        for upper in host.interfaces.values():
            place = places.get((host_of(host.name), upper.name)) or places.get((host.name, upper.name))
            below = min(_below(host, upper, known), key=lambda b: (b.mtu, b.name), default=None)
            if place is not None and below is not None and below.mtu - _TAKES.get(upper.kind, 0) < upper.mtu < _LARGEST:
                yield _finding(place, upper, below)


def _below(host: Host, upper: Interface, known: _Files) -> Iterator[_Below]:
    """Generate what a VLAN or a bridge stands on: the devices of the host, and those that files only name."""
    vlan = upper.kind in _VLANS
    names = {upper.lower} if vlan else set()
    if upper.kind in ("", "bridge") and upper.role in ("link", "bridge"):
        if upper.name in known.bonds:
            return
        names = known.ports.get(upper.name, set())
    for name in sorted(names - {""}):
        found = host.interfaces.get(name)
        if found is not None:
            if found.role == "link":
                yield _Below(name, found.mtu, said=True)
        elif _CARD.match(name) and name not in known.sized and not (vlan and known.raised):
            yield _Below(name, UNSAID, said=False)


def _finding(device: Device, upper: Interface, below: _Below) -> Finding:
    kind = "its carrier" if upper.kind in _VLANS else "its port"
    takes = _TAKES.get(upper.kind, 0)
    fits = below.mtu - takes
    said = f"has {below.mtu}" if below.said else f"has none of its own in the files: the kernel's {below.mtu}"
    said += f", of which PPPoE takes {takes}" if takes else ""
    return Finding(
        code="IPP911",
        severity="error",
        system="links",
        field=f"{upper.name} mtu",
        location=device.location,
        message=f"{upper.name} mtu is {upper.mtu}, and {kind} {below.name} {said}: "
        f"too large by {upper.mtu - fits} (exact {fits}); full packets are lost",
        change=f"set the MTU of {below.name} to {upper.mtu + takes} where the network behind it carries that, "
        f"or that of {upper.name} to {fits}",
        found=upper.mtu,
        ends=upper.mtu,
        exact=fits,
        exact_field=fits,
    )
