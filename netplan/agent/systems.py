"""Where the packages of each distribution have charon: one table for what a node looks at and for what people are told.

Sources: file lists of Debian's and Ubuntu's packages charon-systemd and strongswan-swanctl; the spec file that Fedora
and EPEL build strongSwan from; aports (Alpine); the file list of Arch's package. libreswan is here because RHEL ships
it in strongSwan's place: a node that runs it is told so.
"""

from __future__ import annotations

from collections.abc import Mapping


class System:
    """A distribution's package of an IKE daemon.

    ``ids``: values of ID and ID_LIKE in /etc/os-release. ``install``: the command that installs what we need. ``unit``:
    the service that starts the daemon, below systemd a unit. ``configuration``: the folder whose swanctl.conf swanctl
    reads, or pluto's ipsec.conf. ``settings``: the folder of strongswan.conf's drop-ins. ``init``: systemd or openrc.
    ``security``: the module that may confine the daemon; ``profile``: the daemon's profile or domain there.
    """

    def __init__(
        self,
        name: str,
        ids: tuple[str, ...],
        *,
        daemon: str = "charon-systemd",
        install: str,
        unit: str = "strongswan.service",
        configuration: str = "/etc/swanctl",
        settings: str = "/etc/strongswan.d",
        init: str = "systemd",
        security: str = "",
        profile: str = "",
    ) -> None:
        self.name, self.ids, self.daemon, self.install, self.unit = name, ids, daemon, install, unit
        self.configuration, self.settings, self.init = configuration, settings, init
        self.security, self.profile = security, profile

    @property
    def usable(self) -> bool:
        """Tell whether a bundle's files lie where this package reads them, and systemd starts what it installs."""
        return self.daemon == "charon-systemd" and self.configuration == "/etc/swanctl" and self.init == "systemd"


_APT = "apt install charon-systemd strongswan-swanctl libstrongswan-standard-plugins nftables iproute2 iputils-ping"
_MOVED = {"configuration": "/etc/strongswan/swanctl", "settings": "/etc/strongswan/strongswan.d"}
SYSTEMS = (
    System("debian", ("debian",), install=_APT, security="AppArmor", profile="/usr/sbin/charon-systemd"),
    System("ubuntu", ("ubuntu",), install=_APT, security="AppArmor", profile="/usr/sbin/charon-systemd"),
    System(
        "fedora",
        ("fedora",),
        install="dnf install strongswan nftables iproute iputils",
        security="SELinux",
        profile="ipsec_t",
        **_MOVED,
    ),
    System(
        "rhel",
        ("rhel", "centos", "rocky", "almalinux"),
        install="dnf install epel-release; dnf install strongswan nftables iproute iputils",
        security="SELinux",
        profile="ipsec_t",
        **_MOVED,
    ),
    System(
        "rhel-libreswan",
        ("rhel", "centos", "rocky", "almalinux", "fedora"),
        daemon="pluto",
        install="dnf install libreswan",
        unit="ipsec.service",
        configuration="/etc/ipsec.d",
        settings="",
        security="SELinux",
        profile="ipsec_t",
    ),
    System(
        "alpine",
        ("alpine",),
        daemon="charon",
        install="apk add strongswan nftables iproute2 iputils",
        unit="charon",
        init="openrc",
    ),
    System("arch", ("arch",), install="pacman -S strongswan nftables iproute2 iputils"),
)


def release(text: str) -> dict[str, str]:
    """Return the settings of an /etc/os-release."""
    rows = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in rows}


def of(about: Mapping[str, str], daemon: str = "") -> System | None:
    """Return the row of a system by its /etc/os-release; ``daemon`` (as it is called) tells strongSwan and libreswan
    apart. None where no row fits.

    ID counts before ID_LIKE, whose first words are nearest.
    """
    for word in (about.get("ID", ""), *about.get("ID_LIKE", "").split()):
        rows = [row for row in SYSTEMS if word in row.ids]
        fitting = [row for row in rows if (row.daemon == "pluto") == (daemon == "pluto")]
        if fitting:
            return fitting[0]
    return None
