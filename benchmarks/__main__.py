"""``python -m benchmarks [NAME ...]``: measure, print, keep the table, and fail when a goal is missed.

Both sides of a ratio are measured in the same run. The table is ``table.json`` and ``table.md`` beside this file; a run
of some modules replaces the lines of these and keeps the others.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.result import Result

# each module has measure() -> list[Result]
MODULES = ("cold_start", "batch", "classes", "inventory", "render", "law", "verify", "apply", "audit", "tui_planner")
# what a workplace may set and a user has not: code that is compiled at each start, a system call for each line
UNLIKE = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
FOLDER = Path(__file__).resolve().parent


def table(lines: list[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    rows = ["| what | measured | goal | | how |", "| --- | ---: | ---: | --- | --- |"]
    for line in lines:
        unit, word = line["unit"], "ok" if line["met"] else "**missed**"
        rows.append(
            f"| {line['name']} | {line['value']:.3f} {unit} | {line['goal']:g} {unit} | {word} | {line['detail']} |"
        )
    head = (
        "# Speed\n\nWritten by `make bench`. CPU seconds are of the process and its children. Both sides of a ratio "
        "come from the same run; a line has the date and the load of its machine in `table.json`.\n\n"
    )
    return head + "\n".join(rows) + "\n"


def keep(found: dict[str, list[Result]]) -> None:
    """Write the table, with the lines of modules that were not run as they were."""
    path = FOLDER / "table.json"
    before = json.loads(path.read_text())["lines"] if path.exists() else []
    about = {
        "at": time.strftime("%Y-%m-%d", time.gmtime()),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
    }
    new = [{"module": m, **asdict(r), "met": r.met, **about} for m, results in found.items() for r in results]
    every = [line for line in before if line["module"] not in found] + new
    every.sort(key=lambda line: MODULES.index(line["module"]))
    path.write_text(json.dumps({"schema_version": 1, "lines": every}, indent=1) + "\n")
    (FOLDER / "table.md").write_text(table(every))


def main(names: list[str]) -> int:
    for name in UNLIKE:
        os.environ.pop(name, None)
    missed, found = 0, {}
    for name in names or MODULES:
        found[name] = importlib.import_module(f"benchmarks.{name}").measure()
        for result in found[name]:
            print(result.line(), flush=True)
            missed += not result.met
        keep(found)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
