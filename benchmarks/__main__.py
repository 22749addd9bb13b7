"""``python -m benchmarks [NAME ...]``: measure, print, and fail when a goal is missed."""

from __future__ import annotations

import importlib
import sys

# each module has measure() -> list[Result]
MODULES = ("cold_start", "batch", "classes", "inventory", "render", "tui_planner")


def main(names: list[str]) -> int:
    missed = 0
    for name in names or MODULES:
        for result in importlib.import_module(f"benchmarks.{name}").measure():
            print(result.line(), flush=True)
            missed += not result.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
