"""The files of a bundle as a tree: hosts by name, changed ones marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from netplan.problems import printable
from tui.draw.style import tint

STYLES = {"~": "warning", "+": "success", "-": "error"}


class FileTree(Tree[str]):
    """``data`` of a leaf is its path inside the bundle."""

    marks: Mapping[str, str] = {}
    names: Mapping[str, str] = {}
    _twice: frozenset[tuple[str, str]] = frozenset()  # host and file name that more than one of its files have

    def on_mount(self) -> None:
        """Set the tree up."""
        self.show_root = False
        self.guide_depth = 2

    def fill(
        self, marks: Mapping[str, str], names: Mapping[str, str], closed: Iterable[str] = (), *, changed_only: bool
    ) -> None:
        """Show paths with their marks; ``names`` are the hosts' names by id. Same paths keep what is open.

        ``closed`` are folders whose files are not known yet.
        """
        shown = {p: m for p, m in marks.items() if not changed_only or m != " "}
        shown |= {f"{folder}/": " " for folder in closed}
        if (shown, names) == (self.marks, self.names):
            return
        open_before = {str(n.data) for n in self._folders(self.root) if n.is_expanded}
        at = self.cursor_node.data if self.cursor_node else None
        self.marks, self.names = shown, names
        ends = Counter((parts[1], parts[-1]) for path in shown if len(parts := path.split("/")) > 3)
        self._twice = frozenset(end for end, count in ends.items() if count > 1)
        self.clear()
        folders: dict[str, TreeNode[str]] = {"": self.root}
        few = len(shown) <= 100
        for path, mark in sorted(shown.items(), key=lambda item: [names.get(p, p) for p in item[0].split("/")]):
            parts = self._short(path)
            under = ""
            for part in parts[:-1]:
                inner = f"{under}/{part}"
                if inner not in folders:
                    node = folders[under].add(self._text(self._folder(part), " "), data=inner)
                    if inner in open_before or (few and not open_before):
                        node.expand()
                    folders[inner] = node
                under = inner
            if parts[-1]:
                folders[under].add_leaf(self._text(parts[-1], mark), data=path)
        self._go(at)

    def _folders(self, node: TreeNode[str]) -> list[TreeNode[str]]:
        return [inner for child in node.children if child.allow_expand for inner in (child, *self._folders(child))]

    def _short(self, path: str) -> list[str]:
        """Fold the folders of a node's files: a host has few files, deep down."""
        parts = path.split("/")
        if parts[0] == "nodes" and len(parts) > 3:
            return [*parts[:2], "/".join(parts[-2:]) if (parts[1], parts[-1]) in self._twice else parts[-1]]
        return parts

    def show_path(self, path: str) -> None:
        """Put the cursor on a file."""
        self._go(path)

    def _folder(self, part: str) -> str:
        name = self.names.get(part)
        return name if name else part

    def _text(self, name: str, mark: str) -> Text:
        style = tint(self.app, STYLES[mark]) if mark in STYLES else ""
        sign = f"{mark} " if mark != " " else ""
        return Text(printable(sign + name), style=style)

    def _go(self, path: object) -> None:
        leaves = [n for n in (*self._leaves(self.root), *self._folders(self.root)) if n.data == path]
        first = next((n for n in self._leaves(self.root) if self.marks.get(str(n.data)) != " "), None)
        target = leaves[0] if leaves else first or next(iter(self._leaves(self.root)), None)
        if target is not None:
            node = target.parent
            while node is not None:
                node.expand()
                node = node.parent
            self.call_after_refresh(self.move_cursor, target)

    def _leaves(self, node: TreeNode[str]) -> list[TreeNode[str]]:
        return [leaf for c in node.children for leaf in (self._leaves(c) if c.allow_expand else [c])]

    def pane_text(self) -> str:
        """Return every path with its mark."""
        return "\n".join(f"{mark} {path}" for path, mark in self.marks.items() if not path.endswith("/"))
