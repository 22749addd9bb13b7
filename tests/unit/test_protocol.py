"""The protocol as a page, and what a node needs of it: nothing at run time."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

from netplan import agent
from tests import protocol_doc

AGENT = Path(agent.__file__).parent


def test_the_page_is_what_the_source_says() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        protocol_doc.DOC.write_text(protocol_doc.document(), encoding="utf-8")
    assert protocol_doc.DOC.read_text(encoding="utf-8") == protocol_doc.document(), "python -m tests.protocol_doc"


def test_every_class_says_what_it_is() -> None:
    trees = [ast.parse(Path(part.__file__).read_text(encoding="utf-8")) for part in protocol_doc.PARTS]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    assert len(classes) > 40
    assert all(ast.get_docstring(node) for node in classes if not node.name.endswith("Optional"))


def test_a_node_does_not_spend_time_on_types(tmp_path: Path) -> None:
    """Imports are a third of a round trip on a slow node, and the types are for the type checker."""
    shutil.copytree(AGENT, tmp_path / "ipsecplan_node", ignore=shutil.ignore_patterns("__pycache__"))
    code = "import sys; sys.path.insert(0, sys.argv[1]); import ipsecplan_node.main, ipsecplan_node.phases.status; "
    code += "print(*sorted(n for n in sys.modules if '.protocol' in n))"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(tmp_path)], capture_output=True, text=True)
    numbers = "ipsecplan_node.protocol ipsecplan_node.protocol.limits"
    assert (done.stderr, done.stdout.strip()) == ("", numbers)
