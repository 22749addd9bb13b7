"""Tables as plain lines, aligned by rich: cells are text, never markup, and no line is cut or wrapped."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from netplan.problems import printable

WIDEST = 100_000  # characters; rich wraps at the width of its console, and a pipe has none


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Return the heads and rows as aligned lines without trailing blanks.

    A head that begins with ``>`` makes its column right-aligned; the sign is not printed.
    """
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="")
    for head in heads:
        table.add_column(
            Text(head.removeprefix(">")), justify="right" if head.startswith(">") else "left", no_wrap=True
        )
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    out = io.StringIO()
    Console(file=out, width=WIDEST, color_system=None, legacy_windows=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]
