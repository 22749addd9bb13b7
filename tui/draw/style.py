"""Theme colours for table cells."""

from __future__ import annotations

from typing import Any

from rich.text import Text
from textual.app import App

from netplan.problems import printable


def tint(app: App[Any], name: str) -> str:
    """Return a theme colour as a Rich style; empty when the terminal shall choose."""
    variables = app.theme_variables
    value = variables.get(f"text-{name}") or variables.get(name, "")
    value = value.removeprefix("ansi_")
    return value if value.startswith("#") or (value.isalpha() and value != "default") else ""


def cell(text: object, style: str = "") -> Text:
    """Return a table cell: printable, never markup."""
    return Text(printable(str(text)), style=style)
