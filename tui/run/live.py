"""``python -m tui.run.live BUNDLE``: what the nodes have now of a bundle's files, as ``ipsecplan diff --live`` asks.

Prints one JSON object: ``nodes`` is node id -> path on the node -> text or null; or ``problems`` and no nodes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from netplan.cli.session import opened
from netplan.problems import ExitCode, ProblemError
from netplan.rollout.outcome import Options
from netplan.rollout.verbs.measure import status


def main(argv: list[str] | None = None) -> int:
    """Ask every node once."""
    parser = argparse.ArgumentParser(prog="python -m tui.run.live")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--state-dir")
    chosen = parser.parse_args(argv)
    try:
        with opened(chosen.bundle, None, chosen.state_dir, Options(), quiet=True, reading=True) as engine:
            outcome = status(engine, texts=True)
        if outcome.problems:
            raise ProblemError(outcome.problems, outcome.exit_code)
        nodes = {i: node["texts"]["files"] if "texts" in node else {} for i, node in outcome.nodes.items()}
        answer: dict[str, Any] = {"nodes": nodes, "problems": []}
        code = ExitCode.OK
    except ProblemError as error:
        answer, code = {"nodes": {}, "problems": [p.as_json() for p in error.problems]}, error.exit_code
    sys.stdout.write(json.dumps(answer) + "\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
