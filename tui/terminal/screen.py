"""pyte's screen, hardened and completed: alternate screen, history, charsets, wide characters, colours, scrolling."""

from collections import deque
from itertools import groupby
from typing import Final

from pyte import charsets
from pyte import modes as mo
from pyte.screens import Char, Screen
from rich.cells import cell_len

from tui.terminal import sgr
from tui.terminal.emulator import PLAIN, CellStyle, Run

HISTORY_LINES: Final = 10_000
ALTERNATE: Final = frozenset({47, 1047, 1049})
BRACKETED_PASTE: Final = 2004 << 5
APPLICATION_CURSOR: Final = 1 << 5
_IGNORED_MODES: Final = frozenset({3})
"""DECCOLM would resize the screen under us."""


class Pen(dict[str, Char]):
    """Cells in one style, made once for each character."""

    def __init__(self, style: CellStyle) -> None:
        super().__init__()
        self.style = style

    def __missing__(self, character: str) -> Char:
        cell = self[character] = Char(character, self.style)
        return cell


class GuestScreen(Screen):  # type: ignore[misc]  # pyte has no type information
    """The cells; every handler takes any parameters without raising. A cell's `fg` holds its whole CellStyle."""

    def __init__(self, columns: int, rows: int) -> None:
        self.history: deque[list[Run]] = deque(maxlen=HISTORY_LINES)
        self.pen = Pen(PLAIN)
        self.is_alternate = False
        self.margins: tuple[int, int] | None = None
        self._main: tuple[dict[int, object], tuple[int, int] | None] | None = None
        self._saved_pen = PLAIN
        super().__init__(columns, rows)

    @property
    def default_char(self) -> Char:
        """A blank in the default style; never reversed as a whole (DECSCNM is not followed)."""
        return Char(" ", PLAIN)

    def reset(self) -> None:
        """RIS."""
        self.is_alternate, self._main = False, None
        self.set_pen(PLAIN)
        super().reset()
        self.cursor.attrs = Char(" ", PLAIN)

    def set_pen(self, style: CellStyle) -> None:
        """The style of what is drawn from now on."""
        self.pen = Pen(style)
        if hasattr(self, "cursor"):
            self.cursor.attrs = Char(" ", CellStyle(bg=style.bg))

    def save_cursor(self) -> None:
        """DECSC: the cursor with its style; one place, as on a real terminal."""
        self.savepoints.clear()
        self._saved_pen = self.pen.style
        super().save_cursor()

    def restore_cursor(self) -> None:
        """DECRC."""
        super().restore_cursor()
        self.cursor.x, self.cursor.y = min(self.cursor.x, self.columns), min(self.cursor.y, self.lines - 1)
        self.set_pen(self._saved_pen)

    def render(self, parameters: list[list[int]]) -> None:
        """SGR."""
        self.set_pen(sgr.apply(self.pen.style, parameters))

    def draw(self, data: str) -> None:
        """Put a run of printable text at the cursor, wrapping at the margin."""
        table = self.g1_charset if self.charset else self.g0_charset
        if table is charsets.VT100_MAP:
            data = data.translate(table)
        insert = mo.IRM in self.mode
        wraps = mo.DECAWM in self.mode
        if data.isascii() and wraps and not insert:
            self._draw_ascii(data)
            return
        for character in data:
            if not character.isprintable():
                if not character.isspace():
                    # Invisible formatting: bidi overrides and the like are for nobody's good.
                    continue
                character = " "
            width = 1 if character < "\x7f" else cell_len(character)
            if width < 1:
                self._combine(character)
                continue
            self._make_room(width, wraps, insert)
            self._put(character, width)
        self.dirty.add(self.cursor.y)

    def _draw_ascii(self, data: str) -> None:
        """The common case, a row at a time."""
        while data:
            self._make_room(1, wraps=True, insert=False)
            x = self.cursor.x
            piece, data = data[: self.columns - x], data[self.columns - x :]
            self.buffer[self.cursor.y].update(
                zip(range(x, self.columns), map(self.pen.__getitem__, piece), strict=False)
            )
            self.cursor.x = x + len(piece)
            self.dirty.add(self.cursor.y)

    def _make_room(self, width: int, wraps: bool, insert: bool) -> None:
        if self.cursor.x + width > self.columns:
            if wraps:
                self.dirty.add(self.cursor.y)
                self.carriage_return()
                self.linefeed()
            else:
                self.cursor.x = max(0, self.columns - width)
        if insert:
            self.insert_characters(width)

    def _put(self, character: str, width: int) -> None:
        line, x = self.buffer[self.cursor.y], self.cursor.x
        line[x] = self.pen[character]
        if width == 2:
            line[x + 1] = self.pen[""]
        self.cursor.x = x + width

    def _combine(self, character: str) -> None:
        """Put a zero-width character onto the one before it; drop it where there is none."""
        if not self.cursor.x:
            return
        line, x = self.buffer[self.cursor.y], self.cursor.x - 1
        if line[x].data == "" and x:
            x -= 1
        if 0 < len(line[x].data) < 8:
            line[x] = line[x]._replace(data=line[x].data + character)

    def index(self) -> None:
        """Line feed; what leaves the top of the main screen goes to the history."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0 and not self.is_alternate:
            self.history.append(self.runs(0, trim=True))
        super().index()

    def switch(self, *modes: int, on: bool, private: bool) -> None:
        """Set or reset modes (SM, RM, DECSET, DECRST)."""
        wanted = [mode for mode in modes if not (private and mode in _IGNORED_MODES)]
        if private and ALTERNATE.intersection(wanted):
            self._alternate(on, save=1049 in wanted)
        plain = [mode for mode in wanted if not (private and (mode in ALTERNATE or mode == 5))]
        if plain:
            (self.set_mode if on else self.reset_mode)(*plain, private=private)

    def _alternate(self, on: bool, save: bool) -> None:
        if on == self.is_alternate:
            return
        if on:
            if save:
                self.save_cursor()
            self._main = (dict(self.buffer), self.margins)
            self.buffer.clear()
        else:
            self.buffer.clear()
            if self._main is not None:
                self.buffer.update(self._main[0])
            self._main = None
            if save:
                self.restore_cursor()
        self.margins = None
        self.is_alternate = on
        self.dirty.update(range(self.lines))

    def scroll_lines(self, count: int) -> None:
        """SU for a positive count, SD for a negative one, within the margins."""
        top, bottom = self.margins or (0, self.lines - 1)
        x, y = self.cursor.x, self.cursor.y
        self.cursor.y = bottom if count > 0 else top
        for _ in range(min(abs(count), bottom - top + 1)):
            (self.index if count > 0 else self.reverse_index)()
        self.cursor.x, self.cursor.y = x, y

    def runs(self, y: int, trim: bool = False) -> list[Run]:
        """Row `y` as runs of one style; exactly `columns` wide unless trailing blanks are trimmed."""
        line = self.buffer[y]
        width = self.columns
        if trim:
            width = min(width, max((x for x, cell in line.items() if cell.data != " "), default=-1) + 1)
        cells = [line[x] for x in range(width)]
        out: list[Run] = []
        for style, group in groupby(cells, _style):
            out.append((_text([cell.data for cell in group]), style))
        return out


def _style(cell: Char) -> CellStyle:
    style: CellStyle = cell.fg
    return style


def _text(data: list[str]) -> str:
    """The cells' text with every half of a wide character made a blank, so that the width stays right."""
    text = "".join(data)
    if text.isascii() and len(text) == len(data):
        return text
    out: list[str] = []
    wide = False
    for here, following in zip(data, [*data[1:], None], strict=True):
        if wide:
            wide = False
            continue
        wide = bool(here) and following == "" and cell_len(here[0]) == 2
        out.append(_exactly(here, 2 if wide else 1))
    return "".join(out)


def _exactly(cell: str, width: int) -> str:
    """The cell's text where it is as wide as its place for whoever paints it; else blanks."""
    return cell if cell and cell_len(cell) == width else " " * width
