"""The charts of the detail: live figures of one VM, with the history that the node has."""

from functools import partial
from typing import Final

from textual.timer import Timer

from hypersdk.plaintext import plain
from tui.cells import Key
from tui.charts import CHARTS
from tui.history import History
from tui.retry import keep_open
from tui.screens.base import ConsoleScreen
from tui.tone import Span, Tone
from tui.widgets.bar import Bar
from tui.widgets.chart import LineChart

TURN_S: Final = 0.05


class MetricsTab:
    """One VM's figures on a screen."""

    def __init__(self, screen: ConsoleScreen, key: Key) -> None:
        self._screen = screen
        self._key = key
        self._history = History()
        self._timer: Timer | None = None
        self.is_shown = False

    async def run(self) -> None:
        """Keep sampling until cancelled."""
        await keep_open(self._sample, self._say)

    def show(self) -> None:
        """Draw what is known."""
        history = self._history
        if history.last is None:
            return
        for chart in CHARTS:
            draw = partial(chart.drawing, history)
            self._screen.query_one(f"#{chart.id}", LineChart).show(chart.words(history.last), history.count, draw)

    async def _sample(self) -> bool:
        got_any, session = False, self._screen.workspace.session
        assert session is not None
        async for sample in session.samples(*self._key):
            if self._history.add(sample):
                self._soon()
            if not got_any:
                self._say("")
            got_any = True
        return got_any

    def _soon(self) -> None:
        """Fifteen minutes of history come at once: they are drawn once."""
        if self._timer is None:
            self._timer = self._screen.set_timer(TURN_S, self._turn)

    def _turn(self) -> None:
        self._timer = None
        if self.is_shown:
            self.show()

    def _say(self, words: str) -> None:
        self._screen.set_class(bool(words), "-no-samples")
        if words:
            note = Span(f" no live figures: {plain(words)}", Tone.WARN)
            self._screen.query_one("#metrics-words", Bar).show((note,))
