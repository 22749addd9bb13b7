"""Judge the dashboard by the schemas that Grafana publishes: the dashboard itself, its panels' options and its queries.

``python -m tests.grafana_schema FOLDER``, where FOLDER is ``jsonschema/`` of a copy of grafana/grafana-foundation-sdk:
its branches have one for each version of Grafana. Those schemas refuse what they don't know, so a key that is misspelt
is found. They are not part of this project, so this is no test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from netplan.monitoring import dashboard


def errors(folder: Path, document: dict[str, Any]) -> Iterator[str]:
    """Yield what the schemas of a folder say against a dashboard."""

    def judged(what: str, part: Any, name: str, definition: str = "") -> Iterator[str]:
        schema = json.loads((folder / f"{name}.jsonschema.json").read_text(encoding="utf-8"))
        if definition:
            known = next(key for key in schema["definitions"] if key.lower() == definition)
            schema = schema | {"$ref": f"#/definitions/{known}"}
        for error in Draft7Validator(schema).iter_errors(part):
            yield f"{what} {'/'.join(map(str, error.path))}: {error.message[:300]}"

    yield from judged("dashboard", document, "dashboard")
    for panel in document["panels"]:
        yield from judged(panel["title"], panel["options"], panel["type"], "options")
        for target in panel["targets"]:
            yield from judged(panel["title"], target, "prometheus", "dataquery")


def main(argv: list[str]) -> int:
    """Print each error; the exit code is 1 where there is one."""
    found = list(errors(Path(argv[0]), json.loads(dashboard.dashboard())))
    print(
        "\n".join(found) or f"{len(dashboard.PANELS)} panels, {len(dashboard.queries())} queries: nothing against them"
    )
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
