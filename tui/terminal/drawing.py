"""How rows of an emulator become styled segments: the cursor, what was searched for, and colours for Rich."""

from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style

from tui.terminal.emulator import CellStyle, Colour, Run


def with_cursor(row: list[Run], x: int) -> list[Run]:
    """The row with the cell at `x` reversed."""
    cells = _cells(row)
    at, reversed_at = 0, -1
    for index, (text, _) in enumerate(cells):
        width = cell_len(text)
        if at <= x < at + width:
            reversed_at = index
        at += width
    return _joined([_turned(cell) if index == reversed_at else cell for index, cell in enumerate(cells)])


def with_matches(row: list[Run], needle: str) -> list[Run]:
    """The row with every place reversed where the words stand, in capitals or not."""
    cells = _cells(row)
    text = [cell.lower() for cell, _ in cells]
    if not needle or any(len(cell) != 1 for cell in text):
        return row
    line, wanted, turned = "".join(text), needle.lower(), set[int]()
    at = line.find(wanted)
    while at >= 0:
        turned |= set(range(at, at + len(wanted)))
        at = line.find(wanted, at + len(wanted))
    return _joined([_turned(cell) if index in turned else cell for index, cell in enumerate(cells)]) if turned else row


def _turned(cell: Run) -> Run:
    text, style = cell
    return text, CellStyle(style.fg, style.bg, style.bold, reverse=not style.reverse)


def _joined(cells: list[Run]) -> list[Run]:
    out: list[Run] = []
    for text, style in cells:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out


def _cells(row: list[Run]) -> list[Run]:
    """The row cell by cell: a zero-width character stays with the one before it."""
    cells: list[Run] = []
    for text, style in row:
        for character in text:
            if cells and cell_len(character) == 0:
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
            else:
                cells.append((character, style))
    return cells


@lru_cache(maxsize=4096)
def rich_style(style: CellStyle) -> Style:
    """The cell's style for Rich; None means nothing is said."""
    return Style(
        color=_colour(style.fg),
        bgcolor=_colour(style.bg),
        bold=style.bold or None,
        italic=style.italic or None,
        underline=style.underline or None,
        strike=style.strike or None,
        reverse=style.reverse or None,
        blink=style.blink or None,
    )


def _colour(colour: Colour) -> Color | None:
    if colour is None:
        return None
    return Color.parse(colour) if isinstance(colour, str) else Color.from_ansi(colour)
