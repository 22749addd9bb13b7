"""NetworkManager: ``mtu`` in the profile that is in charge. Its keyfile is edited, since a profile has no drop-ins."""

from __future__ import annotations

import re
from typing import Any

_SECTION = re.compile(r"^[ \t]*\[([^\]]+)\]\s*$")


def render(link: Any) -> dict[str, str]:
    """Return the profile with the MTU set; without ``link.existing``, the part that belongs into it."""
    name = link.unit or link.name
    path = f"etc/NetworkManager/system-connections/{name}.nmconnection"
    if not link.existing:
        return {f"{path}.ipsecplan": f"# ipsecplan: belongs into {name}.nmconnection\n[ethernet]\nmtu={link.mtu}\n"}
    return {path: _set(link.existing, link.mtu)}


def _set(text: str, mtu: int) -> str:
    lines = text.splitlines()
    sections = {m.group(1): i for i, line in enumerate(lines) if (m := _SECTION.match(line))}
    start = sections.get("ethernet", sections.get("802-3-ethernet"))
    if start is None:
        return "\n".join([*lines, "", "[ethernet]", f"mtu={mtu}"]) + "\n"
    end = next((i for i in sorted(sections.values()) if i > start), len(lines))
    kept = [line for line in lines[start + 1 : end] if not re.match(r"\s*mtu\s*=", line)]
    return "\n".join([*lines[: start + 1], f"mtu={mtu}", *kept, *lines[end:]]) + "\n"


def apply(link: Any) -> list[str]:
    """Return the commands that make it live. The file must have mode 0600, or it is ignored."""
    name = link.unit or link.name
    file = f"/etc/NetworkManager/system-connections/{name}.nmconnection"
    return [f"chmod 600 '{file}'", "nmcli connection reload", f"nmcli device reapply {link.name}"]


def read(text: str) -> list[tuple[str, int, int]]:
    """Return the ``mtu`` of a keyfile with the interface it names."""
    section, device = "", ""
    found: list[tuple[int, int]] = []
    for index, line in enumerate(text.splitlines()):
        match = _SECTION.match(line)
        if match:
            section = match.group(1)
        key, _, value = line.partition("=")
        if section == "connection" and key.strip() == "interface-name":
            device = value.strip()
        if section in ("ethernet", "802-3-ethernet") and key.strip() == "mtu" and value.strip().isdecimal():
            found.append((int(value.strip()[:9]), index))
    return [(device, mtu, line) for mtu, line in found if mtu]


def is_keyfile(text: str) -> bool:
    """Tell whether this is a NetworkManager keyfile."""
    return "[connection]" in text and bool(re.search(r"^[ \t]*(id|uuid)\s*=", text, re.M))
