"""Takes out of a Python source what it runs without: docstrings and comments. Its lines keep their numbers."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

_INNER = ("body", "orelse", "finalbody", "handlers", "cases")  # where a statement has others
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def bare(text: str) -> str:
    """Return a source without docstrings and comments; each statement stays on its line. Raises SyntaxError."""
    lines = text.splitlines(keepends=True)
    for node in _statements(ast.parse(text)):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            _blank(lines, node.body[0], alone=len(node.body) == 1)
    for token in tokenize.generate_tokens(io.StringIO("".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
    return "".join(lines)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Generate a tree and all statements in it, without a look at expressions, which are most of it."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        yield node
        for inner in _INNER:
            left += getattr(node, inner, ())


def _blank(lines: list[str], docstring: ast.stmt, *, alone: bool) -> None:
    """Blank the lines of a docstring that has them for itself; where it is ``alone`` in its body, a short one stays."""
    first, last = docstring.lineno - 1, docstring.end_lineno or docstring.lineno
    before = lines[first].encode()[: docstring.col_offset]
    behind = lines[last - 1].encode()[docstring.end_col_offset :]
    if before.strip() or behind.strip():
        return
    lines[first:last] = ["\n"] * (last - first)
    if alone:
        lines[first] = before.decode() + '""\n'
