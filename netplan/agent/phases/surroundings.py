"""What charon runs in: the system, its service, and what confines it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import Surroundings


def look() -> Surroundings:
    """Return what is found here."""
    return {"system": "", "unit": "", "confined": ""}
