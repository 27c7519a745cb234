"""The serial console as a widget: guest bytes in, cells on the screen, what is typed out as messages.

Nothing of the guest reaches the user's terminal but styled, printable cells.
"""

import asyncio
from functools import lru_cache
from typing import Final

from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from tui.terminal import keys
from tui.terminal.emulator import CellStyle, Colour, Emulator, Run
from tui.terminal.pyte_emulator import PyteEmulator

FRAME_S: Final = 1 / 30
SLICE: Final = 8192
"""Bytes given to the emulator between two looks at the keyboard."""
LEAVE: Final = "ctrl+right_square_bracket"
"""Ctrl-] as a legacy terminal sends it (0x1d), the detach key of telnet and virsh."""


class SerialPane(Widget, can_focus=True):
    """A terminal on a guest. Typing goes to the guest; Ctrl-] leaves for browsing the history, Enter comes back."""

    TAKES_EVERY_KEY = True
    """A key typed here never moves the focus by itself, so the next need not wait for it."""

    browsing = reactive(False)
    """Keys move the view instead of going to the guest."""

    class Typed(Message):
        """Bytes for the guest: keys, pasted text, or answers to its queries."""

        def __init__(self, pane: "SerialPane", data: bytes) -> None:
            super().__init__()
            self.pane = pane
            self.data = data

        @property
        def control(self) -> "SerialPane":
            """The pane that was typed into."""
            return self.pane

    class Left(Message):
        """The user is done with the console (Escape while browsing)."""

    class Resized(Message):
        """The pane's size in cells, for telling the guest."""

        def __init__(self, columns: int, rows: int) -> None:
            super().__init__()
            self.columns = columns
            self.rows = rows

    def __init__(self, *, emulator: Emulator | None = None, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.emulator: Emulator = emulator or PyteEmulator(80, 24)
        self._strips: dict[int, Strip] = {}
        self._painted_at = 0.0
        self._paint_due = False
        self._cursor_row = -1

    async def feed(self, data: bytes, *, live: bool = True) -> None:
        """Show guest output; queries in it are answered only when it is `live` and not replayed history."""
        for start in range(0, len(data), SLICE):
            self.emulator.feed(data[start : start + SLICE])
            replies = self.emulator.take_replies()
            if live and replies:
                self.post_message(self.Typed(self, replies))
            self._changed()
            if start + SLICE < len(data):
                await asyncio.sleep(0)

    def reset(self) -> None:
        """Clear up after a guest that left the terminal in disorder."""
        self.emulator.reset()
        self._changed()

    def render_line(self, y: int) -> Strip:
        """One row of the view."""
        strip = self._strips.get(y)
        if strip is None:
            strip = self._strips[y] = self._strip(y)
        return strip

    def on_resize(self, event: events.Resize) -> None:
        """Follow the widget's size."""
        self._fit(event.size)

    def on_mount(self) -> None:
        """Begin with the size that the layout gave."""
        self._fit(self.size)

    def on_key(self, event: events.Key) -> None:
        """Everything goes to the guest, but for the key that leaves."""
        event.stop()
        event.prevent_default()
        if event.key == LEAVE:
            self.browsing = not self.browsing
        elif self.browsing:
            self._browse(event.key)
        else:
            data = keys.encode(event.key, event.character, self.emulator.application_cursor)
            if data:
                self._to_newest()
                self.post_message(self.Typed(self, data))

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text, without anything that the guest could take for a command of the terminal."""
        event.stop()
        self.post_message(self.Typed(self, keys.paste(event.text, self.emulator.bracketed_paste)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Towards older output."""
        event.stop()
        self._scroll(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Towards newer output."""
        event.stop()
        self._scroll(3)

    def on_focus(self) -> None:
        """Type at once."""
        self.browsing = False
        self._paint_all()

    def on_blur(self) -> None:
        """The cursor is drawn only where typing goes."""
        self._paint_all()

    def watch_browsing(self) -> None:
        """The cursor tells whether keys go to the guest."""
        if not self.browsing:
            self._to_newest()
        self._paint_all()

    def _browse(self, key: str) -> None:
        page = max(1, self.emulator.rows - 1)
        moves = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "pageup": -page,
            "pagedown": page,
            "home": -(10**6),
            "end": 10**6,
        }
        if key in moves:
            self._scroll(moves[key])
        elif key == "R":
            self.reset()
        elif key == "escape":
            self.post_message(self.Left())
        elif key in {"enter", "i"}:
            self.browsing = False

    def _scroll(self, lines: int) -> None:
        self.emulator.scroll(lines)
        self._paint_all()

    def _to_newest(self) -> None:
        if self.emulator.scrolled:
            self._scroll(self.emulator.scrolled)

    def _fit(self, size: Size) -> None:
        if size.width and size.height and (size.width, size.height) != (self.emulator.columns, self.emulator.rows):
            self.emulator.resize(size.width, size.height)
            self._paint_all()
            self.post_message(self.Resized(size.width, size.height))

    def _changed(self) -> None:
        """Paint at once after a quiet moment, else with the next frame."""
        if self._paint_due:
            return
        wait = self._painted_at + FRAME_S - self._now()
        if wait <= 0:
            self._paint()
        else:
            self._paint_due = True
            self.set_timer(wait, self._paint)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _paint(self) -> None:
        self._paint_due = False
        self._painted_at = self._now()
        dirty = self.emulator.take_dirty()
        cursor = self.emulator.cursor
        row = cursor[1] if cursor else -1
        dirty |= {self._cursor_row, row}
        self._cursor_row = row
        regions = [Region(0, y, self.size.width, 1) for y in sorted(dirty) if 0 <= y < self.size.height]
        for y in dirty:
            self._strips.pop(y, None)
        if regions:
            self.refresh(*regions)

    def _paint_all(self) -> None:
        self._strips.clear()
        self.emulator.take_dirty()
        self.refresh()

    def _strip(self, y: int) -> Strip:
        base = self.rich_style
        if y >= self.emulator.rows:
            return Strip.blank(self.size.width, base)
        row = self.emulator.row(y)
        cursor = self.emulator.cursor
        if cursor is not None and cursor[1] == y and self.has_focus and not self.browsing:
            row = with_cursor(row, cursor[0])
        segments = [Segment(text, base + rich_style(style)) for text, style in row]
        return Strip(segments).adjust_cell_length(self.size.width, base)


def with_cursor(row: list[Run], x: int) -> list[Run]:
    """The row with the cell at `x` reversed."""
    out: list[Run] = []
    at = 0
    for text, style in row:
        for character in _cells(text):
            width = Segment(character).cell_length
            here = at <= x < at + width
            shown = CellStyle(style.fg, style.bg, style.bold, reverse=not style.reverse) if here else style
            if out and out[-1][1] == shown:
                out[-1] = (out[-1][0] + character, shown)
            else:
                out.append((character, shown))
            at += width
    return out


def _cells(text: str) -> list[str]:
    """The text as cells: a zero-width character stays with the one before it."""
    cells: list[str] = []
    for character in text:
        if cells and Segment(character).cell_length == 0:
            cells[-1] += character
        else:
            cells.append(character)
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
