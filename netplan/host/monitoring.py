"""What a node has with ``monitoring:``: a timer, and one script that collects for node_exporter's textfile collector.

The script is the agent's own modules in one file: a node that is watched needs no package and no request, and what
counts is read by the same code that a rollout uses. Nodes without ``monitoring:`` have nothing of it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from netplan.agent import places
from netplan.problems import DefectError
from netplan.templates.render import render

SCRIPT = "usr/local/lib/ipsecplan/metrics.py"
TIMER = "etc/systemd/system/ipsecplan-metrics.timer"
SERVICE = "etc/systemd/system/ipsecplan-metrics.service"
AGENT = Path(places.__file__).parent
FIRST = "textfile/main.py"
# How the modules find each other: no file of them is on the node. Compiling them costs a third of a run, so what was
# compiled is kept where only root can write, with what it was made of; anything else there counts for nothing.
LOADER = """
KEPT = "/run/ipsecplan/metrics.code"
MADE_OF = (sys.version, zlib.crc32("".join(CODE[at] for at in sorted(CODE)).encode()))


def compiled():
    try:
        folder = os.stat(os.path.dirname(KEPT))
        if folder.st_uid == os.geteuid() and not folder.st_mode & 0o077:  # before anything of it is read
            with open(KEPT, "rb") as file:
                made_of, found = marshal.load(file)
            if made_of == MADE_OF:
                return found
    except (OSError, EOFError, ValueError, TypeError):
        pass
    found = {at: compile(text, at, "exec") for at, text in CODE.items()}
    try:
        with open(KEPT + ".tmp", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            marshal.dump((MADE_OF, found), file)
        os.rename(KEPT + ".tmp", KEPT)
    except OSError:
        pass
    return found


COMPILED = compiled()


class Modules:
    def find_spec(self, name, path=None, target=None):
        words = name.split(".")
        if words[0] != "ipsecplan_node":
            return None
        at = "/".join(words[1:])
        package = at == "" or any(known.startswith(at + "/") for known in CODE)
        if not package and at + ".py" not in CODE:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=at + ".py", is_package=package)

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        at = module.__spec__.origin
        if at in COMPILED:
            exec(COMPILED[at], module.__dict__)


sys.meta_path.insert(0, Modules())
sys.exit(importlib.import_module("ipsecplan_node.textfile.main").main())
"""
HEAD = '''#!/usr/bin/python3
"""Made by ipsecplan: writes what this node counts to a file for node_exporter's textfile collector, and ends.

Needs the standard library of Python 3.8 and nothing else. What follows are the modules of ipsecplan that do it.
"""
import importlib
import importlib.machinery
import marshal
import os
import sys
import zlib

CODE = {}
'''


def files(interval_s: int) -> dict[str, str]:
    """Return path on a node -> text; ``interval_s``: seconds between two collections."""
    return {
        SCRIPT: script(),
        TIMER: render("systemd/ipsecplan-metrics.timer.j2", interval_s=interval_s),
        SERVICE: render("systemd/ipsecplan-metrics.service.j2"),
    }


@functools.cache
def script() -> str:
    """Return the script: every module that the collection imports, as it is, and a loader for them."""
    parts = [HEAD]
    for path in sorted(modules()):
        text = (AGENT / path).read_text(encoding="utf-8")
        if "'" * 3 in text:
            raise DefectError(f"{path} can't be quoted")
        parts.append(f"\nCODE[{path!r}] = r'''{text}'''\n")
    return "".join([*parts, LOADER])


@functools.cache
def modules() -> frozenset[str]:
    """Return the paths inside the agent of all modules that the collection imports, by what their sources say."""
    found: set[str] = set()
    left = [FIRST]
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left += _imports(path)
    return frozenset(found)


def _imports(path: str) -> Iterator[str]:
    """Yield the modules that one module imports at run time; only relative imports name modules of the agent."""
    tree = ast.parse((AGENT / path).read_text(encoding="utf-8"))
    checked = {
        inner for node in ast.walk(tree) if isinstance(node, ast.If) and _typing(node.test) for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and node not in checked:
            folder = Path(path).parents[node.level - 1]
            base = folder / (node.module or "").replace(".", "/")
            for name in (base, *(base / alias.name for alias in node.names)):
                if (AGENT / name).with_suffix(".py").is_file():
                    yield name.with_suffix(".py").as_posix()


def _typing(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
