"""The one JSON object that every ``--json`` prints. Imports nothing, so that the quick path of ``calc`` can use it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from netplan.problems import Problem

SCHEMA_VERSION = 1


def document(result: Any, problems: Sequence[Problem] = (), exit_code: int = 0) -> dict[str, Any]:
    """Return the object; ``exit_code`` is what the process will end with."""
    return {
        "schema_version": SCHEMA_VERSION,
        "exit_code": int(exit_code),
        "result": result,
        "warnings": [p.as_json() for p in problems if p.severity == "warning"],
        "errors": [p.as_json() for p in problems if p.severity == "error"],
    }
