"""What a guest's terminal looks like: bytes in, styled cells on the screen, its history to scroll and search.

Nothing of the guest reaches the user's terminal but styled, printable cells.
"""

import asyncio
from typing import Final

from rich.segment import Segment
from textual import events
from textual.geometry import Region, Size
from textual.strip import Strip

from tui.search import OLDER, Searchable, find
from tui.terminal.choice import new_emulator
from tui.terminal.drawing import rich_style, with_cursor, with_matches
from tui.terminal.emulator import Emulator

FRAME_S: Final = 1 / 30


class TerminalView(Searchable):
    """An emulator's screen as a widget; what is typed into it is the subclass' business."""

    def __init__(self, *, emulator: Emulator | None = None, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.emulator: Emulator = emulator or new_emulator()
        self._strips: dict[int, Strip] = {}
        self._painted_at = 0.0
        self._paint_due = False
        self._cursor_row = -1
        self._needle = ""
        self._found: int | None = None

    @property
    def shows_cursor(self) -> bool:
        """Whether the guest's cursor is drawn."""
        return self.has_focus

    def answer(self, replies: bytes) -> None:
        """What the emulator answers to a query of the guest."""

    async def feed(self, data: bytes, *, live: bool = True) -> None:
        """Show guest output; queries in it are answered only when it is `live` and not replayed history."""
        size = self.emulator.budget
        for start in range(0, len(data), size):
            self.emulator.feed(data[start : start + size])
            replies = self.emulator.take_replies()
            if live and replies:
                self.answer(replies)
            self._changed()
            if start + size < len(data):
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

    def search(self, needle: str) -> bool:
        """Show the newest line with these words."""
        self._needle, self._found = needle, None
        return self.seek(OLDER)

    def seek(self, step: int) -> bool:
        """Show the next line with the words that are looked for; whether there is one."""
        lines = self.emulator.text()
        start = len(lines) - 1 if self._found is None else self._found + step
        self._found = find(lines, self._needle, start, step)
        if self._found is not None:
            top = self._found - self.emulator.rows // 2
            self.scroll_history(top - (self.emulator.history - self.emulator.scrolled))
        self.paint_all()
        return self._found is not None

    def forget_search(self) -> None:
        """Nothing is looked for any more."""
        self._needle, self._found = "", None

    def scroll_history(self, lines: int) -> None:
        """Move the view: up when negative."""
        self.emulator.scroll(lines)
        self.paint_all()

    def to_newest(self) -> None:
        """Move the view to where output comes."""
        if self.emulator.scrolled:
            self.scroll_history(self.emulator.scrolled)

    def words_in_view(self) -> str:
        """The text that is seen."""
        rows = ("".join(text for text, _ in self.emulator.row(y)).rstrip() for y in range(self.emulator.rows))
        return "\n".join(rows).strip("\n")

    def paint_all(self) -> None:
        """Draw every row anew."""
        self._strips.clear()
        self.emulator.take_dirty()
        self.refresh()

    def _fit(self, size: Size) -> None:
        if size.width and size.height and (size.width, size.height) != (self.emulator.columns, self.emulator.rows):
            self.emulator.resize(size.width, size.height)
            self.paint_all()

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

    def _strip(self, y: int) -> Strip:
        base = self.rich_style
        if y >= self.emulator.rows:
            return Strip.blank(self.size.width, base)
        row = with_matches(self.emulator.row(y), self._needle)
        cursor = self.emulator.cursor
        if cursor is not None and cursor[1] == y and self.shows_cursor:
            row = with_cursor(row, cursor[0])
        segments = [Segment(text, base + rich_style(style)) for text, style in row]
        return Strip(segments).adjust_cell_length(self.size.width, base)
