"""Which strongSwan runs, and what is publicly known against that version for the plugins that are loaded.

A distribution mends old versions, so this is a warning to look, and never a refusal.
"""

from __future__ import annotations

from ..known_advisories import against
from ..system.core import finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Finding


def warnings(running: str, plugins: list[str]) -> list[Finding]:
    """Return one warning for everything known against this charon."""
    found = against(running, plugins, quiet=False)
    if not found:
        return []
    said = ", ".join(f"{number} ({' '.join(where) or 'charon'})" for number, where in sorted(found.items()))
    hint = "see whether the package has the fixes; ipsecplan turns off plugins that it doesn't use when charon restarts"
    return [finding("IPP647", f"strongSwan {running} without its distribution's fixes has {said}", hint, "warning")]
