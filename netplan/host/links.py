"""The MTU of a host's link for each host network configurator. It is added to the existing configuration and never
replaces it.

Each entry states what it was checked against, how the value becomes live and what it requires.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from netplan.host import ifupdown, netplan_yaml, networkd, networkmanager
from netplan.problems import Problem

_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,14}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link of a host. ``mtu`` is its IP MTU in bytes; ``unit`` the .network file or connection that configures it
    now; ``mac`` its hardware address; ``dhcp`` whether it takes its address, and perhaps its MTU, from the network;
    ``existing`` the text of the file that configures it now, where that is edited."""

    name: str
    mtu: int
    family: str = "ethernet"
    unit: str = ""
    mac: str = ""
    dhcp: bool = False
    ipv6: bool = True
    existing: str = ""

    def problems(self) -> list[Problem]:
        """Return the problems of this link."""
        found = []
        if not _NAME.fullmatch(self.name):
            found.append(Problem(code="IPP905", message="not an interface name", hint="at most 15 characters"))
        if not 68 <= self.mtu <= 65535:
            found.append(Problem(code="IPP903", message=f"an MTU of {self.mtu} is out of range: 68 to 65535"))
        elif self.ipv6 and self.mtu < 1280:
            found.append(
                Problem(
                    code="IPP903",
                    message=f"an MTU of {self.mtu} on {self.name} removes its IPv6 addresses, and raising it again "
                    "does not bring the static ones back",
                    hint="1280 or more where IPv6 is on (RFC 8200 5)",
                )
            )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Configurator:
    """One way to configure a host's links. ``render`` returns path -> text, ``apply`` the commands that make it live;
    ``read`` returns (device, MTU, line from 0) for every MTU that a text sets."""

    name: str
    title: str
    checked_against: str
    field: str
    goes_live: str
    render: Callable[..., dict[str, str]]
    apply: Callable[..., list[str]]
    read: Callable[[str], list[tuple[str, int, int]]]


HOSTS: Mapping[str, Configurator] = {
    "networkd": Configurator(
        name="networkd",
        title="systemd-networkd",
        checked_against="systemd 252 (systemd.network(5))",
        field="[Link] MTUBytes=",
        goes_live="networkctl reload and reconfigure; an existing .netdev has to be deleted first",
        render=networkd.render,
        apply=networkd.apply,
        read=networkd.read,
    ),
    "canonical": Configurator(
        name="canonical",
        title="Canonical netplan",
        checked_against="netplan 1.2.2 (documentation; not run)",
        field="network.<type>.<id>.mtu",
        goes_live="netplan try, which rolls back unless confirmed",
        render=netplan_yaml.render,
        apply=netplan_yaml.apply,
        read=netplan_yaml.read,
    ),
    "networkmanager": Configurator(
        name="networkmanager",
        title="NetworkManager",
        checked_against="nm-settings-keyfile(5), Aug 2026; no version was run",
        field="[ethernet] mtu= of the profile",
        goes_live="nmcli connection reload, nmcli device reapply",
        render=networkmanager.render,
        apply=networkmanager.apply,
        read=networkmanager.read,
    ),
    "ifupdown": Configurator(
        name="ifupdown",
        title="ifupdown",
        checked_against="interfaces(5) of Debian 12; not run",
        field="mtu in the iface stanza",
        goes_live="ip link set, because ifdown drops the link; the file is for the next boot",
        render=ifupdown.render,
        apply=ifupdown.apply,
        read=ifupdown.read,
    ),
}
