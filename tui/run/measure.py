"""``python -m tui.run.measure BUNDLE``: what ``ipsecplan verify`` measures, one JSON line a node as soon as it answers.

The engine and the verdict are verify's own; only the way out is another.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from netplan.cli.session import opened
from netplan.problems import ProblemError
from netplan.rollout.outcome import Options
from netplan.rollout.record.events import Event, NodeResult
from netplan.rollout.verbs.measure import measure
from netplan.verify.junit import junit


def tell(**fields: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def main(argv: list[str] | None = None) -> int:
    """Measure, and tell of every node when it is done."""
    parser = argparse.ArgumentParser(prog="python -m tui.run.measure")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--state-dir")
    chosen = parser.parse_args(argv)
    begin, at = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        with opened(chosen.bundle, None, chosen.state_dir, Options(), quiet=True, reading=True) as engine:
            engine.every_direction = True  # the planner shows each pair
            by_name = {target.name: target for target in engine.targets.values()}

            def observe(event: Event) -> None:
                if not isinstance(event, NodeResult) or event.phase != "probe":
                    return
                pairs = engine.measured_by(by_name[event.node].id).pairs
                tell(node=event.node, ok=event.ok, pairs=[{**pair.as_json(), "line": pair.line()} for pair in pairs])

            tell(nodes=list(by_name))
            engine.recorder.observer = observe
            outcome = measure(engine, "verify", lambda text: tell(waiting=text))
            seconds = time.monotonic() - begin
            report = junit(outcome.verdict, cluster=engine.cluster, at=at, seconds=seconds, problems=outcome.problems)
    except ProblemError as error:
        tell(end="failed", exit_code=int(error.exit_code), problems=[p.as_json() for p in error.problems])
        return int(error.exit_code)
    problems = [p.as_json() for p in outcome.problems]
    tell(end=outcome.outcome, exit_code=int(outcome.exit_code), problems=problems, junit=report)
    return int(outcome.exit_code)


if __name__ == "__main__":
    sys.exit(main())
