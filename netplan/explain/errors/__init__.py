"""What each error code means, what state the cluster is in, where to look, and the remedy: pure data, by hundreds.

The one-line titles are in ``netplan.codes``. ``python -m tests.errors_doc`` prints all of it as docs/errors.md.
"""

from __future__ import annotations

from netplan.explain.errors import (
    assessment,
    command_line,
    control,
    drift,
    inventory,
    lab,
    networks,
    plan_file,
    preflight,
    rollout,
    rules,
)
from netplan.explain.errors.entry import CodeHelp

PARTS = (command_line, plan_file, inventory, rules, rollout, preflight, control, drift, assessment, lab, networks)
CODE_HELP: dict[str, CodeHelp] = {code: entry for part in PARTS for code, entry in part.HELP.items()}
