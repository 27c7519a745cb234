"""The serial console as a widget: guest bytes in, cells on the screen, what is typed out as messages.

Nothing of the guest reaches the user's terminal but styled, printable cells.
"""

import asyncio
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from tui.search import OLDER, Searchable, SearchAsked, find
from tui.terminal import keys
from tui.terminal.choice import new_emulator
from tui.terminal.drawing import rich_style, with_cursor, with_matches
from tui.terminal.emulator import Emulator

FRAME_S: Final = 1 / 30
ASKABLE: Final = ("take", "give", "keep", "size", "raw", "device")
"""What only the screen can do: about the keyboard, the guest's idea of the size, the whole terminal, the other port."""
LEAVE: Final = "ctrl+right_square_bracket"
"""Ctrl-] as a legacy terminal sends it (0x1d), the detach key of telnet and virsh."""


def _binding(id: str, action: str) -> Binding:
    return Binding(id, action, show=False, id=id)


class SerialPane(Searchable, can_focus=True):
    """A terminal on a guest. Typing goes to the guest; Ctrl-] leaves for browsing the history, Enter comes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _binding("move.up", "scroll_by(-1)"),
        _binding("move.down", "scroll_by(1)"),
        _binding("move.page_up", "page(-1)"),
        _binding("move.page_down", "page(1)"),
        _binding("move.home", "scroll_by(-1000000)"),
        _binding("move.end", "scroll_by(1000000)"),
        _binding("page.search", "search"),
        _binding("page.next", "search_on(-1)"),
        _binding("page.previous", "search_on(1)"),
        _binding("console.copy", "copy"),
        _binding("console.reset", "reset"),
        _binding("console.type", "type"),
        _binding("console.leave", "leave"),
        _binding("app.help", "app.keys"),
        *(_binding(f"console.{what}", f"ask('{what}')") for what in ASKABLE),
    ]
    """They hold while the history is browsed."""

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

    class Browsed(Message):
        """Ctrl-] was pressed: from now on keys move the view."""

    class Left(Message):
        """The user is done with the console (Escape while browsing)."""

    class Asked(Message):
        """One of ASKABLE."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    def __init__(self, *, emulator: Emulator | None = None, name: str | None = None, id: str | None = None) -> None:
        super().__init__(name=name, id=id)
        self.emulator: Emulator = emulator or new_emulator()
        self._strips: dict[int, Strip] = {}
        self._painted_at = 0.0
        self._paint_due = False
        self._cursor_row = -1
        self._needle = ""
        self._found: int | None = None

    async def feed(self, data: bytes, *, live: bool = True) -> None:
        """Show guest output; queries in it are answered only when it is `live` and not replayed history."""
        size = self.emulator.budget
        for start in range(0, len(data), size):
            self.emulator.feed(data[start : start + size])
            replies = self.emulator.take_replies()
            if live and replies:
                self.post_message(self.Typed(self, replies))
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

    def on_key(self, event: events.Key) -> None:
        """Everything goes to the guest, but for the key that leaves; while browsing, keys mean what the keymap says."""
        if event.key == LEAVE:
            self.browsing = not self.browsing
            if self.browsing:
                self.post_message(self.Browsed())
        elif self.browsing:
            return
        elif data := keys.encode(event.key, event.character, self.emulator.application_cursor):
            self._to_newest()
            self.post_message(self.Typed(self, data))
        event.stop()
        event.prevent_default()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """No key means what it means on the screen around: `d` in a console deletes nothing."""
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key but one has a meaning of its own while keys go to the guest."""
        return self.browsing

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
        """The cursor is drawn where typing goes."""
        self._paint_all()

    def on_blur(self) -> None:
        """The cursor is drawn only where typing goes."""
        self._paint_all()

    def watch_browsing(self) -> None:
        """The cursor tells whether keys go to the guest."""
        if not self.browsing:
            self._needle, self._found = "", None
            self._to_newest()
        self._paint_all()

    def search(self, needle: str) -> bool:
        """Show the newest line with these words."""
        self._needle, self._found = needle, None
        return self._seek(OLDER)

    def action_search(self) -> None:
        """Ask for the words."""
        self.post_message(SearchAsked(self))

    def action_search_on(self, step: int) -> None:
        """The next line with the words, older ones first."""
        self._seek(step)

    def action_scroll_by(self, lines: int) -> None:
        """Move the view."""
        self._scroll(lines)

    def action_page(self, by: int) -> None:
        """A page of history."""
        self._scroll(by * max(1, self.emulator.rows - 1))

    def action_copy(self) -> None:
        """Copy what is in view (OSC 52)."""
        rows = ("".join(text for text, _ in self.emulator.row(y)).rstrip() for y in range(self.emulator.rows))
        self.app.copy_to_clipboard("\n".join(rows).strip("\n"))
        self.notify("copied what is in view")

    def action_reset(self) -> None:
        """Clear up after a guest that left the terminal in disorder."""
        self.reset()

    def action_type(self) -> None:
        """Keys go to the guest again."""
        self.browsing = False

    def action_leave(self) -> None:
        """The person is done with the console."""
        self.post_message(self.Left())

    def action_ask(self, what: str) -> None:
        """Leave it to the screen."""
        self.post_message(self.Asked(what))

    def _seek(self, step: int) -> bool:
        lines = self.emulator.text()
        start = len(lines) - 1 if self._found is None else self._found + step
        self._found = find(lines, self._needle, start, step)
        if self._found is not None:
            top = self._found - self.emulator.rows // 2
            self._scroll(top - (self.emulator.history - self.emulator.scrolled))
        self._paint_all()
        return self._found is not None

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
        row = with_matches(self.emulator.row(y), self._needle)
        cursor = self.emulator.cursor
        if cursor is not None and cursor[1] == y and self.has_focus and not self.browsing:
            row = with_cursor(row, cursor[0])
        segments = [Segment(text, base + rich_style(style)) for text, style in row]
        return Strip(segments).adjust_cell_length(self.size.width, base)
