"""The byte ruler as text: a packet drawn to scale, its long payload compressed."""

from __future__ import annotations

from dataclasses import dataclass

from netplan.stack import LedgerRow, Solution
from tui.draw.labels import short

DATA_LEAST = 12


@dataclass(frozen=True, slots=True)
class Cell:
    """One field of the ruler: columns ``start`` to ``start + width`` between its borders."""

    start: int
    width: int
    rows: tuple[int, ...]
    label: str
    bytes: int
    offset: int
    encrypted: bool
    data: bool


@dataclass(frozen=True, slots=True)
class Ruler:
    """The drawn ruler: its cells, and how many bytes one column of a header stands for."""

    cells: tuple[Cell, ...]
    width: int
    scale: float


def ruler(solution: Solution, width: int) -> Ruler:
    """Lay out the ledger of a solution over ``width`` columns."""
    rows = solution.ledger
    groups = _groups(rows)
    sizes = [sum(rows[i].bytes for i in group) for group in groups]
    data = max(range(len(groups)), key=lambda i: sizes[i])
    least = [max(len(str(size)), 2) for size in sizes]
    space = max(width - len(groups) - 1, len(groups))
    least[data] = max(least[data], min(DATA_LEAST + len(groups) // 3, space // 4))
    if sum(least) > space:
        least = [1] * len(groups)
    heads = sum(size for i, size in enumerate(sizes) if i != data)
    for_heads = max(space - max(least[data], space // 7), 1)
    widths = [max(least[i], size * for_heads // max(heads, 1)) for i, size in enumerate(sizes)]
    widths[data] = least[data]
    spare = space - sum(widths)
    widths[data] += max(spare, 0)
    while spare < 0:
        fat = max((i for i in range(len(widths)) if widths[i] > least[i]), key=lambda i: widths[i], default=None)
        if fat is None:
            break
        widths[fat] -= 1
        spare += 1
    for i, group in enumerate(groups):  # a short name that is one column too long gets it from the data
        name = _label(solution, rows, group)
        if i != data and widths[i] == len(name) - 1 and widths[data] > DATA_LEAST:
            widths[i] += 1
            widths[data] -= 1
    cells = []
    column = 1
    for i, group in enumerate(groups):
        first = rows[group[0]]
        cells.append(
            Cell(
                start=column,
                width=widths[i],
                rows=group,
                label=_label(solution, rows, group),
                bytes=sizes[i],
                offset=first.offset,
                encrypted=first.encrypted,
                data=i == data,
            )
        )
        column += widths[i] + 1
    return Ruler(cells=tuple(cells), width=column, scale=heads / max(sum(widths) - widths[data], 1))


def _label(solution: Solution, rows: tuple[LedgerRow, ...], group: tuple[int, ...]) -> str:
    return "TRL" if len(group) > 1 else short(solution.stack, rows[group[0]])


def _groups(rows: tuple[LedgerRow, ...]) -> list[tuple[int, ...]]:
    """Leave out empty rows, and join neighbours of one token that are too small to draw alone."""
    groups: list[tuple[int, ...]] = []
    for index, row in enumerate(rows):
        if not row.bytes:
            continue
        last = groups[-1] if groups else None
        if last and row.bytes == 1 and rows[last[-1]].bytes == 1 and rows[last[-1]].token == row.token:
            groups[-1] = (*last, index)
        else:
            groups.append((index,))
    return groups


def lines(drawn: Ruler, total: int) -> list[str]:
    """Return four lines: offsets, names, bytes, and the encrypted part underlined."""
    offsets = [" "] * drawn.width
    end = str(total)
    free = 0
    limit = drawn.width - len(end) - 1
    for cell in drawn.cells:
        text = str(cell.offset)
        at = cell.start - 1
        if at >= free and at + len(text) <= limit:
            offsets[at : at + len(text)] = text
            free = at + len(text) + 1
    offsets[drawn.width - len(end) :] = end
    names, sizes = "├", "│"
    for index, cell in enumerate(drawn.cells):
        last = index == len(drawn.cells) - 1
        label = cell.label if len(cell.label) <= cell.width else cell.label[: cell.width]
        names += label.center(cell.width, "─") + ("┤" if last else "┼")
        text = f" {cell.bytes} " if cell.width > len(str(cell.bytes)) + 1 else str(cell.bytes)
        fill = "▒" if cell.data else " "
        sizes += (text if len(text) <= cell.width else "").center(cell.width, fill) + "│"
    return ["".join(offsets), names, sizes, _under(drawn)]


def _under(drawn: Ruler) -> str:
    hidden = [cell for cell in drawn.cells if cell.encrypted]
    if not hidden:
        return "nothing is encrypted".center(drawn.width)
    start, end = hidden[0].start - 1, hidden[-1].start + hidden[-1].width
    inside = end - start - 1
    text = " encrypted " if inside >= 11 else ""
    return " " * start + "└" + text.center(inside, "─") + "┘"
