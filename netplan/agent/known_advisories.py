"""What is publicly known against which strongSwan: one table for the node's warning and for the assessment.

Versions and plugins are those of the project's own advisories (strongswan.org/blog) that concern a charon with IKEv2
peers; a date is that of the advisory. Standard library only: the table travels to the nodes.
"""

from __future__ import annotations

import re


class Advisory:
    """One advisory: ``plugin`` it is about (a prefix when it ends with "-"; "" is charon itself), the versions that
    have the fault (from ``since``, before ``mended``), its number, and the day it was published (ISO 8601).

    ``quiet``: about what every charon of ours loads. A distribution mends it without another version, so at each apply
    the warning would never end; the assessment says it.
    """

    def __init__(
        self, plugin: str, mended: str, number: str, published: str, *, since: str = "", quiet: bool = False
    ) -> None:
        self.plugin, self.mended, self.number, self.published = plugin, mended, number, published
        self.since, self.quiet = since, quiet


SOURCE = "strongswan.org/blog and the CVE records"
KNOWN = (
    Advisory("gmp", "5.9.4", "CVE-2021-41990", "2021-10-18"),
    Advisory("", "5.9.4", "CVE-2021-41991", "2021-10-18"),
    Advisory("eap-", "5.9.5", "CVE-2021-45079", "2022-01-24"),
    Advisory("eap-tls", "5.9.6", "CVE-2022-4967", "2024-05-13"),
    Advisory("eap-ttls", "5.9.6", "CVE-2022-4967", "2024-05-13"),
    Advisory("revocation", "5.9.8", "CVE-2022-40617", "2022-10-03"),
    Advisory("eap-tls", "5.9.10", "CVE-2023-26463", "2023-03-02"),
    Advisory("eap-ttls", "5.9.10", "CVE-2023-26463", "2023-03-02"),
    Advisory("eap-peap", "5.9.10", "CVE-2023-26463", "2023-03-02"),
    Advisory("eap-mschapv2", "6.0.3", "CVE-2025-62291", "2025-10-27"),
    Advisory("eap-ttls", "6.0.5", "CVE-2026-25075", "2026-03-23"),
    Advisory("constraints", "6.0.6", "CVE-2026-35331", "2026-04-22", quiet=True),
    Advisory("x509", "6.1.0", "CVE-2026-78131", "2026-09-11", quiet=True),
    Advisory("x509", "6.1.0", "CVE-2026-78132", "2026-09-11", since="5.1.3", quiet=True),
    Advisory("", "6.1.0", "CVE-2026-78135", "2026-09-11", since="5.9.7", quiet=True),
)
NEWEST = max(advisory.published for advisory in KNOWN)  # what came later is in nobody's verdict


def version(text: str) -> tuple[int, ...]:
    """Return a version as numbers: ``5.9.8`` -> (5, 9, 8); what isn't a number ends it."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def of_version(running: str) -> list[Advisory]:
    """Return the advisories that a version has, whatever plugins are loaded; none for an unknown version."""
    own = version(running)
    return [known for known in KNOWN if own and version(known.since) <= own < version(known.mended)]


def against(running: str, plugins: list[str], *, quiet: bool = True) -> dict[str, list[str]]:
    """Return advisory -> loaded plugins it is about, for a version of strongSwan; with or without the quiet ones."""
    found: dict[str, list[str]] = {}
    for known in of_version(running):
        if known.quiet and not quiet:
            continue
        plugin = known.plugin
        loaded = [p for p in plugins if p == plugin or (plugin.endswith("-") and p.startswith(plugin))]
        if loaded or not plugin:
            found.setdefault(known.number, []).extend(p for p in loaded if p not in found.get(known.number, ()))
    return found
