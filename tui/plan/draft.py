"""A plan file that is being edited: undo, redo, atomic save."""

from __future__ import annotations

import difflib
from pathlib import Path

from netplan.files import ChangedError, read_regular, write_back
from netplan.inputs import yaml_source
from netplan.problems import Location, Problem, ProblemError


class Draft:
    """A plan file being edited: its text, what is on disk, and the way back."""

    def __init__(self, path: Path) -> None:
        raw = _read(path)
        self.path = path
        self.raw_saved = raw
        try:
            self.text = raw.decode("utf-8")
        except UnicodeDecodeError:
            yaml_source.parse(raw, str(path))  # raises IPP202 and says where
            raise
        self.saved = self.text
        self._past: list[str] = []
        self._future: list[str] = []

    @property
    def dirty(self) -> bool:
        """Tell whether there is something to save."""
        return self.text != self.saved

    def change(self, text: str, *, merge: bool = False) -> None:
        """Replace the text; undo restores the old one. ``merge``: joined with the previous change, as in typing."""
        if text != self.text:
            if not (merge and self._past):
                self._past.append(self.text)
            self._future.clear()
            self.text = text

    def undo(self) -> bool:
        """Go one change back; False when there is none."""
        if not self._past:
            return False
        self._future.append(self.text)
        self.text = self._past.pop()
        return True

    def redo(self) -> bool:
        """Take an undone change again; False when there is none."""
        if not self._future:
            return False
        self._past.append(self.text)
        self.text = self._future.pop()
        return True

    def diff(self) -> list[str]:
        """Return the unified diff from the file to this text."""
        name = self.path.name
        return [
            line.rstrip("\n")
            for line in difflib.unified_diff(
                self.saved.splitlines(keepends=True),
                self.text.splitlines(keepends=True),
                f"{name} (on disk)",
                f"{name} (to be saved)",
            )
        ]

    def save(self) -> None:
        """Write the file whole or not at all. Refuses (IPP210) when somebody else changed it meanwhile."""
        shown, raw = str(self.path), self.text.encode()
        try:
            write_back(self.path, self.raw_saved, raw, yaml_source.MAX_BYTES)
        except ChangedError:
            raise ProblemError(
                Problem(
                    "IPP210",
                    "the file was changed by somebody else since it was opened",
                    location=Location(shown),
                    hint="copy your change, reload (ctrl+r), and make it again",
                )
            ) from None
        except OSError as error:
            raise ProblemError(
                Problem("IPP210", f"can't be written: {error.strerror or error}", location=Location(shown))
            ) from None
        self.raw_saved, self.saved = raw, self.text


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, yaml_source.MAX_BYTES, follow=True)
    except OSError as error:
        hint = "`ipsecplan init` writes one" if isinstance(error, FileNotFoundError) else None
        message = "no such file" if isinstance(error, FileNotFoundError) else f"can't be read: {error.strerror}"
        raise ProblemError(Problem("IPP201", message, location=Location(str(path)), hint=hint)) from None
