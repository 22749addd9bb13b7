"""Write docs/protocol.md from netplan/agent/protocol/ and the table of phases.

python -m tests.protocol_doc
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from netplan.agent import phase_table
from netplan.agent.protocol import node_json, reply, request, words

DOC = Path(__file__).parents[1] / "docs" / "protocol.md"
PARTS = (words, node_json, request, reply)
HEAD = """# Protocol

What the controller and a node say to each other. Made from `netplan/agent/protocol/` by `python -m
tests.protocol_doc`; change those files, not this one.

A round trip is one SSH command. On its standard input: a line of JSON (`Header`), then the agent's code without its
comments, the request (`Request`) and, where a phase needs them, the node's files as a tar. On its standard output: one
line of JSON (`Answer`) behind `IPSECPLAN-RESULT`. Sizes are bytes, times seconds. A node's reply is not trusted: the
controller checks it against these shapes where it arrives, drops what is not in them and cuts texts for people at 300
characters. A reply of another shape, about other phases or of more than 8 MiB is none (IPP662). A key with a question
mark may be absent.
"""


def document() -> str:
    """Return the page."""
    source = "".join(Path(part.__file__).read_text(encoding="utf-8") for part in PARTS)
    return HEAD + "".join(_parts(source, ast.parse(source))) + _phases()


def _parts(source: str, tree: ast.Module) -> Iterator[str]:
    lines = source.splitlines()
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    titles = {n: line[2:] for n, line in enumerate(lines, 1) if re.match(r"# What ", line)}
    done = 0
    for node in classes.values():
        for number, title in titles.items():
            if done < number < node.lineno:
                yield f"\n## {title}\n"
        done = node.lineno
        if not node.name.endswith(("Optional", "Work")):
            yield from _class(node, classes, lines)


def _class(node: ast.ClassDef, classes: dict[str, ast.ClassDef], lines: list[str]) -> Iterator[str]:
    yield f"\n### {node.name}\n\n{ast.get_docstring(node)}\n"
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id != "TypedDict"]
    also = [base for base in bases if not base.endswith("Optional")]
    if also:
        yield f"\nHas all keys of {' and '.join(f'`{base}`' for base in also)}.\n"
    absent = any(word.arg == "total" for word in node.keywords)
    rows = [*_keys(node, lines, absent)]
    for base in bases:
        rows += _keys(classes[base], lines, absent=True) if base.endswith("Optional") else []
    if rows:
        yield "\n| key | type | meaning |\n| --- | --- | --- |\n" + "".join(rows)


def _keys(node: ast.ClassDef, lines: list[str], absent: bool) -> list[str]:
    rows = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            comment = lines[item.lineno - 1].partition("  # ")[2]
            kind = ast.unparse(item.annotation).replace("|", "\\|")
            rows.append(f"| {item.target.id}{'?' if absent else ''} | {kind} | {comment} |\n")
    return rows


def _phases() -> str:
    rows = [
        f"| {phase.name} | {phase.title} | {'yes' if phase.read_only else ''} | {'yes' if phase.needs_open else ''} "
        f"| {', '.join(phase.undoes)} |\n"
        for phase in phase_table.PHASES.values()
    ]
    head = (
        "| phase | what it does | only reads | needs the open transaction | undoes |\n| --- | --- | --- | --- | --- |\n"
    )
    about = "From `netplan/agent/phase_table.py`; `netplan/rollout/phases.py` says which share a round trip."
    return f"\n## Phases\n\n{about}\n\n{head}{''.join(rows)}"


if __name__ == "__main__":
    DOC.write_text(document(), encoding="utf-8")
