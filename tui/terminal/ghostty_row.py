"""How a row of libghostty-vt's render state becomes runs of styled text, as wide for us as for the library."""

import struct
from typing import Any, Final

from rich.cells import cell_len

from tui.terminal.emulator import PLAIN, CellStyle, Colour, Run
from tui.terminal.ghostty import Ghostty

_UNKNOWN: Final = "\N{REPLACEMENT CHARACTER}"


class RowReader:
    """One row of the render state, taken apart. A cell is 64 bits, laid out as the library's type description says."""

    def __init__(self, native: Ghostty, iterator: Any, cells: Any, columns: int) -> None:  # noqa: ANN401 - cffi's
        self._native, self._ffi, self._lib = native, native.ffi, native.lib
        self._iterator, self._cells, self._columns = iterator, cells, columns
        self._styles: dict[int, CellStyle] = {0: PLAIN}
        """Style numbers hold within one row only."""
        self._is_open = False

    def runs(self) -> list[Run]:
        """The row, exactly as wide as the screen."""
        view = self._ffi.new("GhosttyCellsView *")
        self._lib.ghostty_render_state_row_get(self._iterator, self._lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS_RAW, view)
        count = min(view.len, self._columns)
        packed = struct.unpack(f"<{count}Q", self._ffi.buffer(view.ptr, count * 8)) if count else ()
        out: list[tuple[list[str], CellStyle]] = []
        for x, cell in enumerate(packed):
            text, style = self._cell(x, cell, packed[x + 1] if x + 1 < count else 0)
            if not text:
                continue
            if out and out[-1][1] == style:
                out[-1][0].append(text)
            else:
                out.append(([text], style))
        runs = [("".join(texts), style) for texts, style in out]
        missing = self._columns - sum(cell_len(text) for text, _ in runs)
        return [*runs, (" " * missing, PLAIN)] if missing > 0 else runs

    def _cell(self, x: int, cell: int, after: int) -> Run:
        """One cell; no text for the second half of a wide character."""
        kind, wide, number = cell & 3, (cell >> 42) & 3, (cell >> 26) & 0xFFFF
        if wide == 2:
            return "", PLAIN
        if kind >= 2:
            value = (cell >> 2) & 0xFFFFFF
            return " ", CellStyle(bg=value & 0xFF if kind == 2 else _hex(value & 255, (value >> 8) & 255, value >> 16))
        style = self._style(x, number)
        point = (cell >> 2) & 0x1FFFFF
        text = self._cluster(x) if kind == 1 else chr(point) if point else " "
        width = 2 if wide == 1 and (after >> 42) & 3 == 2 else 1
        return _exactly(text, width), style

    def _style(self, x: int, number: int) -> CellStyle:
        if number not in self._styles:
            found = self._native.sized("GhosttyStyle")
            self._select(x)
            self._lib.ghostty_render_state_row_cells_get(
                self._cells[0], self._lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_STYLE, found
            )
            self._styles[number] = self._read(found)
        return self._styles[number]

    def _read(self, found: Any) -> CellStyle:  # noqa: ANN401 - cffi's
        return CellStyle(
            fg=self._colour(found.fg_color),
            bg=self._colour(found.bg_color),
            bold=bool(found.bold),
            italic=bool(found.italic),
            underline=found.underline > 0,
            strike=bool(found.strikethrough),
            reverse=bool(found.inverse),
            blink=bool(found.blink),
        )

    def _colour(self, colour: Any) -> Colour:  # noqa: ANN401 - cffi's
        if colour.tag == self._lib.GHOSTTY_STYLE_COLOR_PALETTE:
            return int(colour.value.palette)
        if colour.tag == self._lib.GHOSTTY_STYLE_COLOR_RGB:
            return _hex(colour.value.rgb.r, colour.value.rgb.g, colour.value.rgb.b)
        return None

    def _cluster(self, x: int) -> str:
        """A character with its accents."""
        self._select(x)
        length, points = self._ffi.new("uint32_t *"), self._ffi.new("uint32_t[]", 64)
        lib, cells = self._lib, self._cells[0]
        lib.ghostty_render_state_row_cells_get(cells, lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_GRAPHEMES_LEN, length)
        if not 0 < length[0] <= len(points):
            return _UNKNOWN
        lib.ghostty_render_state_row_cells_get(cells, lib.GHOSTTY_RENDER_STATE_ROW_CELLS_DATA_GRAPHEMES_BUF, points)
        return "".join(letter for letter in map(chr, points[0 : length[0]]) if letter.isprintable())

    def _select(self, x: int) -> None:
        if not self._is_open:
            self._lib.ghostty_render_state_row_get(
                self._iterator, self._lib.GHOSTTY_RENDER_STATE_ROW_DATA_CELLS, self._cells
            )
            self._is_open = True
        self._lib.ghostty_render_state_row_cells_select(self._cells[0], x)


def _exactly(text: str, width: int) -> str:
    """The text when it is harmless and as wide for us as for the library; else a sign of that width."""
    if text.isprintable() and cell_len(text) == width:
        return text
    return " " * width if text.isspace() else _UNKNOWN + " " * (width - 1)


def _hex(red: int, green: int, blue: int) -> str:
    return f"#{red:02x}{green:02x}{blue:02x}"
