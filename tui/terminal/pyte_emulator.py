"""The emulator on pyte: our parser in front, pyte's screen behind, nothing raised."""

from typing import Final

from rich.cells import cell_len, set_cell_size

from tui.terminal.dispatch import CONTROLS, CSI, ESCAPES
from tui.terminal.emulator import PLAIN, Run
from tui.terminal.parser import Parser
from tui.terminal.screen import APPLICATION_CURSOR, BRACKETED_PASTE, GuestScreen

SMALLEST: Final = 2
LARGEST: Final = 1000
MAX_REPLIES: Final = 1024
_CHARSETS: Final = {"(": "(", ")": ")"}


class PyteEmulator:
    """An `Emulator`; see the port."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = GuestScreen(_fit(columns), _fit(rows))
        self._parser = Parser(_Sink(self))
        self._replies = bytearray()
        self._scrolled = 0
        self._last = " "

    @property
    def budget(self) -> int:
        """Some 10 ms of work."""
        return 8192

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return int(self.screen.columns)

    @property
    def rows(self) -> int:
        """Rows of the view."""
        return int(self.screen.lines)

    def feed(self, data: bytes) -> None:
        """Take in guest output; a view that is scrolled up stays on what it shows."""
        before = len(self.screen.history)
        self._parser.feed(data)
        if self._scrolled:
            self._scrolled = min(self._scrolled + len(self.screen.history) - before, len(self.screen.history))

    def take_dirty(self) -> set[int]:
        """The rows of the view that changed."""
        dirty = {y for y in self.screen.dirty if 0 <= y < self.rows}
        self.screen.dirty.clear()
        return set(range(self.rows)) if self._scrolled and dirty else dirty

    def row(self, y: int) -> list[Run]:
        """One row of the view."""
        above = self._scrolled - y
        if above <= 0:
            return self.screen.runs(y - self._scrolled)
        return _padded(self.screen.history[-above], self.columns)

    @property
    def cursor(self) -> tuple[int, int] | None:
        """Where the guest's cursor is in the view."""
        y = self.screen.cursor.y + self._scrolled
        if self.screen.cursor.hidden or y >= self.rows:
            return None
        return min(self.screen.cursor.x, self.columns - 1), y

    def take_replies(self) -> bytes:
        """Answers for the guest."""
        out = bytes(self._replies)
        self._replies.clear()
        return out

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; rows cut from the top go to the history."""
        columns, rows = _fit(columns), _fit(rows)
        surplus = self.screen.cursor.y - rows + 1
        if surplus > 0:
            if not self.screen.is_alternate:
                self.screen.history.extend(self.screen.runs(y, trim=True) for y in range(surplus))
            kept = {y - surplus: line for y, line in self.screen.buffer.items() if y >= surplus}
            self.screen.buffer.clear()
            self.screen.buffer.update(kept)
            self.screen.cursor.y -= surplus
        cursor = self.screen.cursor.x, self.screen.cursor.y
        self.screen.lines = rows
        self.screen.resize(rows, columns)
        for y in [y for y in self.screen.buffer if y >= rows]:
            del self.screen.buffer[y]
        self.screen.margins = None
        self.screen.cursor.x, self.screen.cursor.y = min(cursor[0], columns - 1), min(cursor[1], rows - 1)
        self.screen.tabstops = set(range(8, columns, 8))
        self._scrolled = min(self._scrolled, len(self.screen.history))
        self.screen.dirty.update(range(rows))

    def scroll(self, lines: int) -> None:
        """Move the view."""
        self._scrolled = max(0, min(self._scrolled - lines, len(self.screen.history)))
        self.screen.dirty.update(range(self.rows))

    @property
    def scrolled(self) -> int:
        """Lines above the newest output."""
        return self._scrolled

    @property
    def history(self) -> int:
        """Lines above the screen."""
        return len(self.screen.history)

    def text(self) -> list[str]:
        """Everything kept."""
        screen = ["".join(text for text, _ in self.screen.runs(y)).rstrip() for y in range(self.rows)]
        while screen and not screen[-1]:
            screen.pop()
        return ["".join(text for text, _ in runs).rstrip() for runs in self.screen.history] + screen

    def reset(self) -> None:
        """RIS."""
        self._parser = Parser(_Sink(self))
        self.screen.reset()

    @property
    def application_cursor(self) -> bool:
        """DECCKM."""
        return APPLICATION_CURSOR in self.screen.mode

    @property
    def bracketed_paste(self) -> bool:
        """Mode 2004."""
        return BRACKETED_PASTE in self.screen.mode

    def draw(self, text: str) -> None:
        """Printable text."""
        self.screen.draw(text)
        self._last = text[-1]

    def control(self, character: str) -> None:
        """C0 controls."""
        action = CONTROLS.get(character)
        if action is not None:
            action(self.screen)

    def escape(self, intermediates: str, final: str) -> None:
        """ESC sequences."""
        if intermediates in _CHARSETS:
            self.screen.define_charset(final, _CHARSETS[intermediates])
        elif intermediates == "#" and final == "8":
            self.screen.alignment_display()
        elif not intermediates and final in ESCAPES:
            ESCAPES[final](self.screen)

    def csi(self, prefix: str, parameters: list[list[int]], intermediates: str, final: str) -> None:
        """CSI sequences."""
        numbers = [one[0] for one in parameters]
        if prefix == "?" and final in "hl" and not intermediates:
            self.screen.switch(*numbers, on=final == "h", private=True)
        elif final == "c" and not intermediates:
            self._reply({"": "\x1b[?62;22c", ">": "\x1b[>1;10;0c"}.get(prefix, ""))
        elif intermediates == "!" and final == "p":
            self._soft_reset()
        elif not prefix and not intermediates:
            self._plain_csi(numbers, parameters, final)

    def _plain_csi(self, numbers: list[int], parameters: list[list[int]], final: str) -> None:
        first = numbers[0] if numbers else 0
        if final == "m":
            self.screen.render(parameters)
        elif final in "hl":
            self.screen.switch(*numbers, on=final == "h", private=False)
        elif final == "n":
            self._status(first)
        elif final == "b":
            self.screen.draw(self._last * min(max(first, 1), self.columns * self.rows))
        elif final == "r":
            self._margins(numbers)
        elif final in "Hf":
            self.screen.cursor_position(first or None, (numbers[1] if len(numbers) > 1 else 0) or None)
        elif final in CSI:
            CSI[final](self.screen, first)

    def _margins(self, numbers: list[int]) -> None:
        top, bottom = [*(number or None for number in numbers[:2]), None, None][:2]
        self.screen.margins = None
        if (top or 1) < (bottom or self.rows):
            self.screen.set_margins(top or 1, bottom or self.rows)
        self.screen.cursor_position()

    def _status(self, what: int) -> None:
        if what == 5:
            self._reply("\x1b[0n")
        elif what == 6:
            x, y = min(self.screen.cursor.x, self.columns - 1), self.screen.cursor.y
            self._reply(f"\x1b[{y + 1};{x + 1}R")

    def _soft_reset(self) -> None:
        self.screen.margins = None
        self.screen.set_pen(PLAIN)
        self.screen.switch(4, on=False, private=False)
        self.screen.switch(1, 6, on=False, private=True)
        self.screen.switch(7, 25, on=True, private=True)

    def _reply(self, text: str) -> None:
        if len(self._replies) < MAX_REPLIES:
            self._replies += text.encode()


class _Sink:
    """What the parser calls: the port's `text` is another thing than the parser's."""

    def __init__(self, emulator: PyteEmulator) -> None:
        self.text = emulator.draw
        self.control = emulator.control
        self.escape = emulator.escape
        self.csi = emulator.csi


def _fit(size: int) -> int:
    return max(SMALLEST, min(size, LARGEST))


def _padded(runs: list[Run], columns: int) -> list[Run]:
    """A row of the history, cut or filled to today's width."""
    out: list[Run] = []
    left = columns
    for text, style in runs:
        width = cell_len(text)
        if width > left:
            out.append((set_cell_size(text, left), style))
            return out
        out.append((text, style))
        left -= width
    return [*out, (" " * left, PLAIN)] if left else out
