"""The way of frames to the terminal: only changed cells, and no more of them than the line carries.

This leans on private methods of Textual (`App._display`, the compositor's updates); `tests/tui/test_terminal.py` and
`tests/tui/test_slow_line.py` hold the result to what a real pty shows.
"""

from time import monotonic
from typing import TYPE_CHECKING, cast

from rich.console import RenderableType
from textual import events
from textual.screen import Screen
from textual.timer import Timer

from tui.navigation import NavigatingApp
from tui.pacing import ASK, Pacer
from tui.painting import Painter

if TYPE_CHECKING:
    from tui.painting import TightUpdate


class PacedApp(NavigatingApp):
    """An app that a slow terminal cannot hold up."""

    def __init__(self, *, ansi_color: bool | None = None, unicode: bool = True) -> None:
        super().__init__(ansi_color=ansi_color)
        self._painter = Painter(self.console._color_system, unicode=unicode)
        self._pacer = Pacer(monotonic)
        self._held: Timer | None = None

    def on_resize(self) -> None:
        """Terminals move what they show when they are resized."""
        self._painter.forget()

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """The terminal has shown a frame: send what was held back meanwhile."""
        self._pacer.answered()
        if self._held is not None and not self._pacer.wait_s():
            self._show_held()

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Textual's way to the terminal, with only the changed cells, now or as soon as the line is free."""
        update = self._painter.tight(renderable)
        if update is None:
            super()._display(screen, renderable)
        elif update.is_needed:
            self._send(screen, update)

    def _send(self, screen: Screen[object], update: "TightUpdate") -> None:
        wait_s = 0.0 if self.is_headless else self._pacer.wait_s()
        if wait_s:
            self._held = self._held or self.set_timer(wait_s, self._show_held)
            return
        super()._display(screen, cast("RenderableType", update))
        if self._driver is not None and not self.is_headless and update.size:
            self._driver.write(ASK)
            self._pacer.sent(update.size)

    def _show_held(self) -> None:
        """Show the whole screen as it is now; of what was held back only the last state costs bytes."""
        if self._held is not None:
            self._held.stop()
            self._held = None
        screen = self.screen
        screen._compositor._dirty_regions.clear()
        self._display(screen, screen._compositor.render_update(full=True, screen_stack=self._background_screens))
