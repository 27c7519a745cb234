"""Which method of the screen each control, escape and CSI sequence calls (ECMA-48, xterm's control sequences)."""

from collections.abc import Callable
from typing import Final

from tui.terminal.screen import GuestScreen


def _tabs(screen: GuestScreen, count: int) -> None:
    for _ in range(min(count, screen.columns)):
        screen.tab()


def _next_line(screen: GuestScreen) -> None:
    screen.carriage_return()
    screen.linefeed()


Action = Callable[[GuestScreen], None]
CONTROLS: Final[dict[str, Action]] = {
    "\b": lambda screen: screen.backspace(),
    "\t": lambda screen: screen.tab(),
    "\n": lambda screen: screen.linefeed(),
    "\v": lambda screen: screen.linefeed(),
    "\f": lambda screen: screen.linefeed(),
    "\r": lambda screen: screen.carriage_return(),
    "\x0e": lambda screen: screen.shift_out(),
    "\x0f": lambda screen: screen.shift_in(),
}
ESCAPES: Final[dict[str, Action]] = {
    "c": lambda screen: screen.reset(),
    "D": lambda screen: screen.index(),
    "E": lambda screen: _next_line(screen),
    "H": lambda screen: screen.set_tab_stop(),
    "M": lambda screen: screen.reverse_index(),
    "7": lambda screen: screen.save_cursor(),
    "8": lambda screen: screen.restore_cursor(),
}
Counted = Callable[[GuestScreen, int], None]
CSI: Final[dict[str, Counted]] = {
    "@": lambda screen, n: screen.insert_characters(n or 1),
    "A": lambda screen, n: screen.cursor_up(n or 1),
    "B": lambda screen, n: screen.cursor_down(n or 1),
    "C": lambda screen, n: screen.cursor_forward(n or 1),
    "D": lambda screen, n: screen.cursor_back(n or 1),
    "E": lambda screen, n: screen.cursor_down1(n or 1),
    "F": lambda screen, n: screen.cursor_up1(n or 1),
    "G": lambda screen, n: screen.cursor_to_column(n or 1),
    "I": lambda screen, n: _tabs(screen, n or 1),
    "J": lambda screen, n: screen.erase_in_display(n) if n in (0, 1, 2) else None,
    "K": lambda screen, n: screen.erase_in_line(n) if n in (0, 1, 2) else None,
    "L": lambda screen, n: screen.insert_lines(n or 1),
    "M": lambda screen, n: screen.delete_lines(n or 1),
    "P": lambda screen, n: screen.delete_characters(n or 1),
    "S": lambda screen, n: screen.scroll_lines(n or 1),
    "T": lambda screen, n: screen.scroll_lines(-(n or 1)),
    "X": lambda screen, n: screen.erase_characters(n or 1),
    "a": lambda screen, n: screen.cursor_forward(n or 1),
    "d": lambda screen, n: screen.cursor_to_line(n or 1),
    "e": lambda screen, n: screen.cursor_down(n or 1),
    "g": lambda screen, n: screen.clear_tab_stop(n) if n in (0, 3) else None,
    "s": lambda screen, n: screen.save_cursor(),
    "u": lambda screen, n: screen.restore_cursor(),
    "`": lambda screen, n: screen.cursor_to_column(n or 1),
}
