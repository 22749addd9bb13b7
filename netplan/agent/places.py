"""The places on a node that a release may have files at, each with the one mode that its file has there.

One table for three: what is rendered lies in it (a test), a bundle that names another place is refused where it is
read, and a node looks again before it writes anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

OWNER = "root:root"
_DEVICE = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}"
# pattern of the whole path -> mode, octal as a manifest has it
PLACES = {
    r"/etc/swanctl/conf\.d/ipsecplan\.conf": "0640",
    r"/etc/ipsecplan/(pairs|any)\.conf": "0640",
    r"/etc/ipsecplan/start-(none|trap)\.conf": "0644",
    r"/etc/ipsecplan/guard-(count|drop)\.nft": "0644",
    r"/etc/ipsecplan/(floor-all|peers|routes-all)": "0644",
    r"/etc/ipsecplan/overlay/(device|hosts)": "0644",
    r"/etc/strongswan\.d/ipsecplan\.conf": "0644",
    r"/etc/systemd/system/ipsecplan-(guard|boot|watch|overlay)\.service": "0644",
    r"/etc/systemd/system/strongswan\.service\.d/ipsecplan-orphans\.conf": "0644",
    r"/etc/systemd/system/systemd-networkd\.service\.d/ipsecplan-overlay\.conf": "0644",
    rf"/etc/systemd/network/10-ipsecplan-{_DEVICE}\.(netdev|network)": "0644",
    r"/etc/cni/net\.d/10-ipsecplan\.conflist": "0644",
    r"/etc/sysctl\.d/90-ipsecplan\.conf": "0644",
    r"/etc/systemd/system/ipsecplan-metrics\.(service|timer)": "0644",
    r"/usr/local/lib/ipsecplan/metrics\.py": "0755",
    r"/usr/local/lib/ipsecplan/(revert|guard|route|overlay)(-[a-z]+)?\.sh": "0755",
}
_KNOWN = tuple((re.compile(pattern), mode) for pattern, mode in PLACES.items())
_HEX = re.compile(r"[0-9a-f]{64}")


def mode_at(path: str) -> str | None:
    """Return the mode of a file of ours at a path on a node; None where no file of ours may be."""
    return next((mode for pattern, mode in _KNOWN if pattern.fullmatch(path)), None)


def refused(entry: Mapping[str, object]) -> str | None:
    """Return what is wrong with a file's place, mode, owner or digest; None where it may be installed."""
    path = entry.get("path")
    mode = mode_at(path) if isinstance(path, str) else None
    if mode is None:
        return "no place of a file of ours"
    if entry.get("mode") != mode:
        return "has another mode than " + mode
    if entry.get("owner") != OWNER:
        return "has another owner than " + OWNER
    digest = entry.get("sha256")
    return None if isinstance(digest, str) and _HEX.fullmatch(digest) else "has no SHA-256"


def first_refused(entries: Iterable[Mapping[str, object]]) -> str | None:
    """Return what is wrong with the first file that may not be installed, or that is listed twice; else None."""
    seen = set()
    for entry in entries:
        if not isinstance(entry, dict):
            return ascii(str(entry)[:200]) + " is no file"
        wrong = refused(entry)
        if wrong is None and entry["path"] in seen:
            wrong = "is listed twice"
        if wrong is not None:
            return ascii(str(entry.get("path"))[:200]) + " " + wrong
        seen.add(entry["path"])
    return None
