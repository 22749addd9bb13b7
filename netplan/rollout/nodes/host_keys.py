"""Whether ssh checks that a node is the node: keys and certificate requests travel on that connection."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from netplan.inputs.inventory import Inventory
from netplan.problems import Problem, ProblemError, quoted
from netplan.rollout.nodes.targets import Target

ARGUMENTS = ("ansible_ssh_common_args", "ansible_ssh_extra_args", "ansible_ssh_args")
SHOWN = 3  # nodes that a message names
# ssh_config(5): keywords in any case, `=` or a space behind them; a list of no hosts knows whoever answers
_OFF = re.compile(
    r"StrictHostKeyChecking[\s\"']*[=\s][\s\"']*(no|off)\b|UserKnownHostsFile[\s\"']*[=\s][\s\"']*/dev/null", re.I
)


def unchecked(targets: Iterable[Target], inventory: Inventory) -> list[Problem]:
    """Return a warning where the inventory turns the check of host keys off. Raises ProblemError with ``auth: psk``.

    Whoever answers at a node's address then gets its pre-shared keys.
    """
    found = [
        (target, name) for target in targets for name in ARGUMENTS if _OFF.search(str(target.connection.get(name, "")))
    ]
    if not found:
        return []
    first, name = found[0]
    names = list(dict.fromkeys(target.name for target, _ in found))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    problem = inventory.problem(
        "IPP652",
        f"{name} turns the check of host keys off for {', '.join(map(quoted, names[:SHOWN]))}{more}",
        first.name,
        name,
        "remove it and let ssh know the nodes: known_hosts (ssh-keyscan, then compare), or an SSH CA (@cert-authority)",
    )
    if any(target.node["auth"] == "psk" for target, _ in found):
        raise ProblemError(replace(problem, message=f"{problem.message}, and pre-shared keys would travel there"))
    return [replace(problem, severity="warning")]
