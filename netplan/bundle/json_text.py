"""JSON as a bundle holds it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dump(value: Any) -> str:
    """Return JSON text as a bundle holds it."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def dump_lines(value: Mapping[str, Any]) -> str:
    """Return a JSON object with one key, or one element of a list, on each line: small, and it diffs well."""
    parts = []
    for key, item in value.items():
        if isinstance(item, list) and item:
            body = ",\n ".join(json.dumps(element, ensure_ascii=False) for element in item)
            parts.append(f"{json.dumps(key)}: [\n {body}]")
        else:
            parts.append(f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}")
    return "{" + ",\n".join(parts) + "}\n"
