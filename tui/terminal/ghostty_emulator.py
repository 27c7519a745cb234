"""The emulator port on libghostty-vt: the core of a terminal that people use every day, far faster than Python."""

from typing import Any, Final

from tui.terminal.emulator import PLAIN, Run
from tui.terminal.ghostty import Ghostty
from tui.terminal.ghostty_row import RowReader

HISTORY_LINES: Final = 10_000
HISTORY_BYTES: Final = 64 * 2**20
"""The library keeps to the smaller of both limits."""
REPLIES: Final = 1024
"""Bytes of answers that wait; a guest that asks more is not answered."""
LARGEST: Final = 1000
FULL: Final = 2
_RESET: Final = b"\x1b[!p\x1b[?1049l\x1b[0m\x1b[2J\x1b[H\x1b(B\x0f"
DECCKM, BRACKETED_PASTE, CURSOR_SHOWN = 1, 2004, 25


class GhosttyEmulator:
    """libghostty-vt behind the port."""

    def __init__(self, native: Ghostty, columns: int, rows: int) -> None:
        self._native = native
        self._ffi, self._lib = native.ffi, native.lib
        self._size = _fit(columns), _fit(rows)
        self._replies = bytearray()
        self._rows: dict[int, list[Run]] = {}
        self._dirty: set[int] = set()
        self._is_stale = True
        self._terminal = self._new("GhosttyTerminal", self._lib.ghostty_terminal_new, *self._size)
        self._state = self._new("GhosttyRenderState", self._lib.ghostty_render_state_new)
        self._iterator = self._new("GhosttyRenderStateRowIterator", self._lib.ghostty_render_state_row_iterator_new)
        self._cells = self._new("GhosttyRenderStateRowCells", self._lib.ghostty_render_state_row_cells_new)
        self._set_up()

    def __del__(self) -> None:
        """Give the memory back."""
        for name in ("cells", "iterator", "state", "terminal"):
            held = getattr(self, f"_{name}", None)
            if held is not None:
                prefix = {"cells": "render_state_row_cells", "iterator": "render_state_row_iterator",
                          "state": "render_state", "terminal": "terminal"}[name]  # fmt: skip
                getattr(self._lib, f"ghostty_{prefix}_free")(held[0])

    @property
    def budget(self) -> int:
        """It takes a megabyte in some 10 ms."""
        return 65536

    @property
    def columns(self) -> int:
        """Cells in a row."""
        return self._size[0]

    @property
    def rows(self) -> int:
        """Rows of the view."""
        return self._size[1]

    def feed(self, data: bytes) -> None:
        """Take in guest output."""
        self._write(data)

    def take_dirty(self) -> set[int]:
        """The rows that changed."""
        self._look()
        dirty, self._dirty = self._dirty, set()
        return dirty

    def row(self, y: int) -> list[Run]:
        """One row of the view."""
        self._look()
        return self._rows.get(y) or [(" " * self.columns, PLAIN)]

    @property
    def cursor(self) -> tuple[int, int] | None:
        """In the view, when the guest shows it."""
        seen = self._native.sized("GhosttyRenderStateCursor")
        self._lib.ghostty_render_state_get(self._state[0], self._lib.GHOSTTY_RENDER_STATE_DATA_CURSOR, seen)
        if not seen.viewport_has_value or not self._mode(CURSOR_SHOWN) or self.scrolled:
            return None
        return min(seen.viewport_x, self.columns - 1), min(seen.viewport_y, self.rows - 1)

    def take_replies(self) -> bytes:
        """What it answers to queries."""
        replies = bytes(self._replies)
        self._replies.clear()
        return replies

    def resize(self, columns: int, rows: int) -> None:
        """Change the size; lines that were wrapped are wrapped anew."""
        self._size = _fit(columns), _fit(rows)
        self._lib.ghostty_terminal_resize(self._terminal[0], *self._size, 8, 16)
        self._rows.clear()
        self._is_stale = True
        self._dirty |= set(range(self.rows))

    def scroll(self, lines: int) -> None:
        """Move the view."""
        self._scroll_to(max(0, min(self.history, self.history - self.scrolled + lines)))
        self._dirty |= set(range(self.rows))

    @property
    def scrolled(self) -> int:
        """Lines above the newest output."""
        bar = self._bar()
        return max(0, int(bar.total - bar.len - bar.offset))

    @property
    def history(self) -> int:
        """Lines above the screen."""
        bar = self._bar()
        return max(0, int(bar.total - bar.len))

    def text(self) -> list[str]:
        """Everything kept, read through the view."""
        history, place, lines = self.history, self.history - self.scrolled, list[str]()
        for top in range(0, history + self.rows, self.rows):
            at = min(top, history)
            self._scroll_to(at)
            lines += [_text(self.row(y)) for y in range(top - at, self.rows)]
        self._scroll_to(place)
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def reset(self) -> None:
        """As RIS; the history stays where the library keeps it."""
        self._write(_RESET)
        self._rows.clear()
        self._dirty |= set(range(self.rows))

    @property
    def application_cursor(self) -> bool:
        """DECCKM."""
        return self._mode(DECCKM)

    @property
    def bracketed_paste(self) -> bool:
        """Mode 2004."""
        return self._mode(BRACKETED_PASTE)

    def _write(self, data: bytes) -> None:
        self._lib.ghostty_terminal_vt_write(self._terminal[0], data, len(data))
        self._is_stale = True

    def _new(self, name: str, make: Any, *arguments: int) -> Any:  # noqa: ANN401 - cffi's
        made = self._ffi.new(f"{name} *")
        if make(self._ffi.NULL, made, *arguments):
            raise MemoryError(f"libghostty-vt gives no {name}")
        return made

    def _set_up(self) -> None:
        """Limits, no pictures, and answers that come to us."""
        lib, ffi = self._lib, self._ffi
        for option, value in (
            (lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_BYTES, HISTORY_BYTES),
            (lib.GHOSTTY_TERMINAL_OPT_SCROLLBACK_MAX_LINES, HISTORY_LINES),
            (lib.GHOSTTY_TERMINAL_OPT_KITTY_IMAGE_STORAGE_LIMIT, 0),
        ):
            lib.ghostty_terminal_set(self._terminal[0], option, ffi.new("size_t *", value))
        self._answer = ffi.callback("GhosttyTerminalWritePtyFn", self._answered)
        lib.ghostty_terminal_set(self._terminal[0], lib.GHOSTTY_TERMINAL_OPT_WRITE_PTY, self._answer)

    def _answered(self, _terminal: object, _user: object, data: object, size: int) -> None:
        if len(self._replies) + size <= REPLIES:
            self._replies += self._ffi.buffer(data, size)[:]

    def _mode(self, number: int) -> bool:
        asked = self._ffi.new("GhosttyTerminalModeConfig *")
        asked.mode = number
        failed = self._lib.ghostty_terminal_get(self._terminal[0], self._lib.GHOSTTY_TERMINAL_DATA_MODE, asked)
        return not failed and bool(asked.value)

    def _bar(self) -> Any:  # noqa: ANN401 - cffi's
        bar = self._ffi.new("GhosttyTerminalScrollbar *")
        self._lib.ghostty_terminal_get(self._terminal[0], self._lib.GHOSTTY_TERMINAL_DATA_SCROLLBAR, bar)
        return bar

    def _scroll_to(self, row: int) -> None:
        """Put the view's top there, counted from the oldest line; a union by value goes as a struct of its size."""
        self._is_stale = True
        to = self._ffi.new("GhosttyScrollViewportTwin *")
        to.tag, to.row = self._lib.GHOSTTY_SCROLL_VIEWPORT_ROW, row
        function = self._ffi.addressof(self._lib, "ghostty_terminal_scroll_viewport")
        self._ffi.cast("void (*)(GhosttyTerminal, GhosttyScrollViewportTwin)", function)(self._terminal[0], to[0])

    def _look(self) -> None:
        """Read the rows that changed since the last look; between two of them any amount may have come."""
        if not self._is_stale:
            return
        self._is_stale = False
        lib, state = self._lib, self._state[0]
        lib.ghostty_render_state_update(state, self._terminal[0])
        dirty = self._ffi.new("GhosttyRenderStateDirty *")
        lib.ghostty_render_state_get(state, lib.GHOSTTY_RENDER_STATE_DATA_DIRTY, dirty)
        if not dirty[0]:
            return
        lib.ghostty_render_state_get(state, lib.GHOSTTY_RENDER_STATE_DATA_ROW_ITERATOR, self._iterator)
        place, y = self._ffi.new("uint16_t *"), -1
        if dirty[0] == FULL:
            while lib.ghostty_render_state_row_iterator_next(self._iterator[0]):
                y += 1
                self._take(y)
        else:
            while lib.ghostty_render_state_row_iterator_next_dirty(self._iterator[0], place):
                self._take(place[0])
        lib.ghostty_render_state_clean(state)

    def _take(self, y: int) -> None:
        if y < self.rows:
            self._rows[y] = RowReader(self._native, self._iterator[0], self._cells, self.columns).runs()
            self._dirty.add(y)


def _text(runs: list[Run]) -> str:
    return "".join(text for text, _ in runs).rstrip()


def _fit(size: int) -> int:
    return max(1, min(size, LARGEST))
