"""systemd-networkd: a drop-in beside the .network file that is in charge.

A second .network file for the same interface would replace the first, addresses and all; a .link file with nothing
but an MTU would take the interface its predictable name. So only a drop-in is written, and it needs the file's name.
Plain digits: K and M are 1024-based there.
"""

from __future__ import annotations

import re
from typing import Any

_SECTION = re.compile(r"^[ \t]*\[([A-Za-z0-9]+)\]")
_KEY = re.compile(r"^[ \t]*(Name|Kind|MTUBytes|Local|Remote|OriginalName)\s*=(.*)$")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}


def render(link: Any) -> dict[str, str]:
    """Return the drop-in; ``link.unit`` names the .network file (``networkctl status`` shows it)."""
    unit = link.unit or f"10-{link.name}.network"
    lines = ["# ipsecplan", "[Link]", f"MTUBytes={link.mtu}"]
    if link.dhcp:  # a lease with option 26, or a router advertisement, would win at the next renewal
        lines += ["", "[DHCPv4]", "UseMTU=no", "", "[IPv6AcceptRA]", "UseMTU=no"]
    return {f"etc/systemd/network/{unit}.d/90-ipsecplan.conf": "\n".join(lines) + "\n"}


def apply(link: Any) -> list[str]:
    """Return the commands that make it live."""
    return ["networkctl reload", f"networkctl reconfigure {link.name}"]


def read(text: str) -> list[tuple[str, int, int]]:
    """Return every MTUBytes= of a .network, .netdev or .link file, with the device's name where it is plain."""
    return [(d["Name"], size, line) for d, size, line in sections(text)]


def sections(text: str) -> list[tuple[dict[str, str], int, int]]:
    """Return (keys of the file such as Name, Kind, Local; MTU; line) for every MTUBytes=."""
    keys: dict[str, str] = {"Name": "", "Kind": "", "Local": "", "Remote": ""}
    found: list[tuple[int, int]] = []
    for index, line in enumerate(text.splitlines()):
        match = _KEY.match(line)
        if not match:
            continue
        key, value = match.group(1), match.group(2).strip()
        if key == "MTUBytes":
            size = re.fullmatch(r"(\d{1,7})([KM]?)", value)
            if size:
                found.append((int(size.group(1)) * _UNITS[size.group(2)], index))
        else:
            keys[{"OriginalName": "Name"}.get(key, key)] = value
    return [(keys, size, line) for size, line in found]


_DROP_IN = re.compile(r"(?:^|/)([^/]+\.(?:network|netdev|link))\.d/[^/]+\.conf\Z")


def unit_of(path: str) -> str:
    """Return the name of the unit that a drop-in adds to, empty for any other file."""
    match = _DROP_IN.search(path)
    return match.group(1) if match else ""


def is_unit(text: str, path: str = "") -> bool:
    """Tell whether this is a networkd file, or a drop-in of one."""
    if unit_of(path) and _SECTION.search(text.lstrip()):
        return True
    names = {m.group(1) for line in text.splitlines() if (m := _SECTION.match(line))}
    return bool(names & {"Match", "NetDev"}) and bool(names & {"Network", "Link", "NetDev", "VXLAN", "GENEVE"})
