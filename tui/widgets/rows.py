"""How one row of a table looks: the gutter, the cells in their columns, the cursor and the mark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from textual.strip import Strip

from tui.cells import Cells, Placed
from tui.glyphs import Glyphs
from tui.tone import Tone
from tui.widgets.canvas import StripBuilder

GUTTER = 2
"""The cursor's sign and the mark's."""


@dataclass(frozen=True)
class RowArtist:
    """Draws rows with the signs of one terminal and the styles of one widget."""

    glyphs: Glyphs
    style_of: Callable[[str], Style]

    def titles(self, placed: Sequence[Placed], sorted_by: tuple[str, bool], width: int) -> Strip:
        """The column titles, with an arrow at the one that sorts."""
        style = self.style_of("table--header")
        made = StripBuilder()
        made.add(" " * GUTTER, style)
        for one in placed:
            title = one.column.title
            if one.column.id == sorted_by[0]:
                title += self.glyphs.down if sorted_by[1] else self.glyphs.up
            made.add(self.fit(title, one) + " " * one.gap, style)
        return made.done(width, style)

    def row(self, cells: Cells, is_cursor: bool, is_marked: bool, placed: Sequence[Placed], width: int) -> Strip:
        """One row; only its gutter and first cell show the cursor, for a whole row would cost three times the bytes."""
        base = self.style_of(f"tone--{Tone.PLAIN}")
        lead = self.style_of("table--cursor") if is_cursor else self.style_of("table--marked") if is_marked else base
        made = StripBuilder()
        made.add((self.glyphs.cursor if is_cursor else " ") + (self.glyphs.mark if is_marked else " "), lead)
        for number, one in enumerate(placed):
            cell = cells[one.index]
            style = lead if number == 0 and lead is not base else self.style_of(f"tone--{cell.tone}")
            made.add(self.fit(cell.text, one), style if cell.text else base)
            made.add(" " * one.gap, base)
        return made.done(width, base)

    def fit(self, text: str, one: Placed) -> str:
        """The text in exactly the width of its column."""
        length = len(text) if text.isascii() else cell_len(text)
        if length > one.width:
            return set_cell_size(text, one.width - 1) + self.glyphs.ellipsis if one.width > 1 else " "
        blanks = " " * (one.width - length)
        return blanks + text if one.column.right else text + blanks
