"""A JSON file that somebody hands in: read once, bounded, with the place of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netplan.files import read_regular
from netplan.problems import Location, fail, quoted
from netplan.refusals import refusals


def read(path: Path, most: int, code: str, hint: str) -> Any:
    """Return a file of at most ``most`` bytes as data. Raises ProblemError: IPP201, or ``code`` for what is no JSON."""
    with refusals(path, "read", "IPP201"):
        data = read_regular(path, most)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        fail(code, f"not JSON: {error.msg}", location=Location(str(path), error.lineno, error.colno), hint=hint)
    except (ValueError, RecursionError) as error:
        fail(code, f"not JSON: {quoted(error)}", location=Location(str(path)), hint=hint)
