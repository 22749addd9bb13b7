"""Write docs/errors.md from netplan/codes.py and netplan/explain/errors/.

python -m tests.errors_doc
"""

from __future__ import annotations

from pathlib import Path

from netplan.codes import CODES
from netplan.explain.errors import CODE_HELP

DOC = Path(__file__).parents[1] / "docs" / "errors.md"
GROUPS = {
    "0": "Command line",
    "1": "Stack notation",
    "2": "Plan file and files that are named",
    "3": "Inventory",
    "4": "Rules across the plan",
    "5": "Bundle",
    "6": "Nodes and rollout",
    "7": "Verification",
    "8": "Lab",
    "9": "Container networks, hosts and audit",
}
HEAD = """# Error codes

Every code with what it means, the state that the cluster is in, commands to look, and the remedy. `ipsecplan explain
IPPnnn` prints the same, SARIF has it as `help`; `--json` has the place of the section here as `url`. Made by `python -m
tests.errors_doc` from `netplan/explain/errors/`; change those files, not this one. What to do by exit code or situation
is in [runbook.md](runbook.md).

Commands that begin with `ipsecplan` run on the control machine. In 6xx and 7xx the others run on the node that the
message names, unless their comment says otherwise. Words in capitals (`PEER`, `DEVICE`, `CLUSTER`, `TX`) are yours to
fill in.
"""


def document() -> str:
    """Return the page."""
    parts, last = [HEAD], ""
    for code in CODES:
        group = GROUPS[code[3]]
        if group != last:
            parts.append(f"\n## {group}\n")
            last = group
        parts.append(_section(code))
    return "".join(parts)


def _section(code: str) -> str:
    about = CODE_HELP[code]
    look = "\n".join(f"    {command}" for command in about.look)
    return (
        f"\n### {code}\n\n**{CODES[code]}**\n\n{about.means}\n\nState: {about.state}\n\nLook:\n\n{look}\n\n"
        f"Remedy: {about.remedy}\n\nMore: [{about.page}]({about.page})\n"
    )


if __name__ == "__main__":
    DOC.write_text(document(), encoding="utf-8")
