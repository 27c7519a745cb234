"""The log of QEMU in the detail: its end, and what is added while it is read."""

from collections import deque
from typing import Final

from hypersdk.plaintext import plain_lines
from tui.cells import Key
from tui.retry import keep_open
from tui.screens.base import ConsoleScreen
from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import Lines

KEPT: Final = 2000


class LogTab:
    """One VM's log on a screen."""

    def __init__(self, screen: ConsoleScreen, key: Key) -> None:
        self._screen = screen
        self._key = key
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._words = "Reading the log …"

    async def run(self) -> None:
        """Keep reading until cancelled."""
        await keep_open(self._read, self._say)

    def show(self) -> None:
        """What was read, and why there is no more."""
        note = [line(Span(self._words, Tone.DIM))] if self._words else []
        self._screen.query_one("#log", Lines).show([*self._lines, *note])

    async def _read(self) -> bool:
        session = self._screen.workspace.session
        assert session is not None
        got_any = False
        async for text in session.log(*self._key):
            if not got_any:
                # The far side begins with the end of the log, each time.
                self._lines.clear()
            got_any, self._words = True, ""
            self._lines.extend(line(one) for one in plain_lines(text))
            self.show()
        return got_any

    def _say(self, words: str) -> None:
        self._words = f"no more of the log: {words}"
        self.show()
