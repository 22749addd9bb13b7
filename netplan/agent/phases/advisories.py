"""Which strongSwan runs, and what is publicly known against that version for the plugins that are loaded.

A distribution mends old versions, so this is a warning to look, and never a refusal. Versions and plugins are those of
the project's own advisories (strongswan.org/blog) that concern a charon with IKEv2 peers.
"""

from __future__ import annotations

import re

from ..system.core import finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Finding

# plugin (a prefix when it ends with "-"; "" is charon itself), first version without it, its number
KNOWN = (
    ("gmp", "5.9.4", "CVE-2021-41990"),
    ("", "5.9.4", "CVE-2021-41991"),
    ("eap-", "5.9.5", "CVE-2021-45079"),
    ("eap-tls", "5.9.6", "CVE-2022-4967"),
    ("eap-ttls", "5.9.6", "CVE-2022-4967"),
    ("revocation", "5.9.8", "CVE-2022-40617"),
    ("eap-tls", "5.9.10", "CVE-2023-26463"),
    ("eap-ttls", "5.9.10", "CVE-2023-26463"),
    ("eap-peap", "5.9.10", "CVE-2023-26463"),
    ("eap-mschapv2", "6.0.3", "CVE-2025-62291"),
)


def version(text: str) -> tuple[int, ...]:
    """Return a version as numbers: ``5.9.8`` -> (5, 9, 8); what isn't a number ends it."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def against(running: str, plugins: list[str]) -> dict[str, list[str]]:
    """Return advisory -> loaded plugins it is about, for a version of strongSwan."""
    found: dict[str, list[str]] = {}
    for plugin, mended, number in KNOWN:
        if not version(running) or version(running) >= version(mended):
            continue
        loaded = [p for p in plugins if p == plugin or (plugin.endswith("-") and p.startswith(plugin))]
        if loaded or not plugin:
            found.setdefault(number, []).extend(p for p in loaded if p not in found.get(number, ()))
    return found


def warnings(running: str, plugins: list[str]) -> list[Finding]:
    """Return one warning for everything known against this charon."""
    found = against(running, plugins)
    if not found:
        return []
    said = ", ".join(f"{number} ({' '.join(where) or 'charon'})" for number, where in sorted(found.items()))
    hint = "see whether the package has the fixes; ipsecplan turns off plugins that it doesn't use when charon restarts"
    return [finding("IPP647", f"strongSwan {running} without its distribution's fixes has {said}", hint, "warning")]
