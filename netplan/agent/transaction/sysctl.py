"""Set sysctls; the snapshot of the transaction keeps their old values."""

from __future__ import annotations

from ..system.core import read, write
from . import state


def sysctls(tx: str, path: str = "/etc/sysctl.d/90-ipsecplan.conf") -> None:
    """Apply our sysctl file live, remembering the old values for revert.sh."""
    for line in (read(path) or "").splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key and not key.startswith(("#", ";")) and value:
            sysctl(tx, key.lstrip("-"), value)


def sysctl(tx: str, key: str, value: str) -> bool:
    """Set one sysctl, remembering the old value once. A limit of the neighbour table is only raised."""
    path = "/proc/sys/" + key.replace(".", "/")
    old = read(path)
    if old is None or old.strip() == value or (".gc_thresh" in key and int(old) >= int(value)):
        return False
    known = read(state.tx_folder(tx) + "/sysctl") or ""
    if path not in (line.split(" ")[0] for line in known.splitlines()):
        write(state.tx_folder(tx) + "/sysctl", f"{known}{path} {old.strip()}\n")
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
    return True
