"""What charon runs in: the system, its service, what confines it; and what of that stands in the way."""

from __future__ import annotations

import os
import re

from .. import systems
from ..system.core import finding, read, run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Finding, Surroundings
    from ..systems import System

APPARMOR = "/sys/module/apparmor/parameters/enabled"
SELINUX = "/sys/fs/selinux/enforce"
UNITS = ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
OURS = "/etc/swanctl"  # where a bundle's files lie


def system() -> System | None:
    """Return the row of this node in the table of systems."""
    return systems.of(_release(), daemon()[0])


def _release() -> dict[str, str]:
    return systems.release(read("/etc/os-release") or read("/usr/lib/os-release") or "")


def daemon() -> tuple[str, int]:
    """Return the name and the process id of what has UDP port 500; an empty name where nothing has."""
    for line in run("ss", "-Hlunp").out.splitlines():
        found = re.search(r':500\s.*\("([^"]+)",pid=(\d+)', line)
        if found:
            return found[1], int(found[2])
    return "", 0


def look() -> Surroundings:
    """Return what is found here."""
    row = system()
    unit = next((u for u in (row.unit if row else "", "strongswan.service", "ipsec.service") if installed(u)), "")
    return {"system": row.name if row else "", "unit": unit, "confined": confined(daemon()[1])}


def installed(unit: str) -> bool:
    """Tell whether systemd has a unit, or OpenRC a service."""
    if not unit:
        return False
    folders = UNITS if "." in unit else ("/etc/init.d",)
    return any(os.path.exists(folder + "/" + unit) for folder in folders)


def confined(pid: int) -> str:
    """Return what confines a process, and how, in words; empty for nothing."""
    label = (read(f"/proc/{pid}/attr/current") or "").strip("\0\n ") if pid else ""
    if not label:
        return ""
    if (read(APPARMOR) or "").startswith("Y"):
        return "" if label == "unconfined" else "AppArmor: " + label
    enforced = read(SELINUX)
    if enforced is None:
        return ""
    domain = label.split(":")[2] if label.count(":") >= 2 else label
    if domain.startswith("unconfined"):
        return ""
    return f"SELinux: {domain} ({'enforcing' if enforced.startswith('1') else 'permissive'})"


def findings() -> list[Finding]:
    """Return what stands in the way: files that the package reads elsewhere, another daemon."""
    row = system()
    if row is None:
        return []
    if row.daemon == "pluto":
        hint = f"ipsecplan drives strongSwan: systemctl disable --now {row.unit}; {install()}"
        return [finding("IPP649", f"libreswan's pluto has UDP port 500 ({row.unit})", hint)]
    if not _folder(OURS) and _folder(row.configuration):
        text = f"swanctl of {row.name} reads {row.configuration}, and a bundle's files lie in {OURS}"
        hint = f"make both the same: ln -s {row.configuration} {OURS}; ln -s {row.settings} /etc/strongswan.d"
        return [finding("IPP649", text, hint)]
    return []


def _folder(path: str) -> bool:
    return os.path.isdir(path)


def install() -> str:
    """Return the command that installs strongSwan and what else we need here; empty where it is not known."""
    row = systems.of(_release())
    return row.install if row else ""
