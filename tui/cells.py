"""What a table is made of: columns, and which of them fit a width."""

from collections.abc import Sequence
from dataclasses import dataclass

from tui.tone import Span

Key = tuple[str, str]
Cells = tuple[Span, ...]
"""The cells of one row, in the order of the columns it was made for."""
SortKey = tuple[str | float, ...]


ROOMY = 110
"""From this width on there are two blanks between columns."""


@dataclass(frozen=True)
class Column:
    """One column; the lower its rank, the longer it stays when the terminal gets narrow."""

    id: str
    title: str
    width: int
    rank: int
    widest: int = 0
    """How far it may grow when there is room; not at all when 0."""
    right: bool = False


@dataclass(frozen=True)
class Placed:
    """A column that is shown: where it starts and how wide it is."""

    column: Column
    index: int
    x: int
    width: int
    gap: int
    """Blanks after it."""


def place(columns: Sequence[Column], width: int, gutter: int = 2) -> tuple[Placed, ...]:
    """The columns that fit, the least important dropped first; what is left over goes to those that may grow."""
    gap = 2 if width >= ROOMY else 1
    shown = _fitting(columns, width - gutter, gap)
    widths = _grown([columns[index] for index in shown], width - gutter, gap)
    placed, x = [], gutter
    for index, wide in zip(shown, widths, strict=True):
        placed.append(Placed(columns[index], index, x, wide, gap))
        x += wide + gap
    return tuple(placed)


def _fitting(columns: Sequence[Column], width: int, gap: int) -> list[int]:
    shown = list(range(len(columns)))
    while len(shown) > 1 and sum(columns[i].width + gap for i in shown) - gap > width:
        shown.remove(max(shown, key=lambda i: columns[i].rank))
    return shown


def _grown(columns: Sequence[Column], width: int, gap: int) -> list[int]:
    widths = [column.width for column in columns]
    spare = width - sum(wide + gap for wide in widths) + gap
    if spare < 0:
        return [max(1, width)] if len(widths) == 1 else widths
    for index in sorted(range(len(columns)), key=lambda i: columns[i].rank):
        more = min(spare, max(0, columns[index].widest - widths[index]))
        widths[index] += more
        spare -= more
    return widths
