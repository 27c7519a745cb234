"""A chart of dots: words above, one or two series below; only the cells that changed are sent."""

from collections.abc import Callable, Sequence

from textual.strip import Strip

from tui.braille import Plot, plot, window
from tui.tone import Span, Tone
from tui.widgets.canvas import Canvas, StripBuilder

Draw = Callable[[int], tuple[Sequence[Sequence[float]], float]]
"""From the number of the first sample to the series and the value at the upper edge."""
SERIES = (Tone.OK, Tone.ACCENT)


class LineChart(Canvas):
    """Draws values that it is given; the newest column moves to the right, and the view jumps by a quarter."""

    def __init__(self, title: str, *, braille: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title
        self._braille = braille
        self._words = ""
        self._count = 0
        self._draw: Draw | None = None
        self._plot = Plot((), ())

    def show(self, words: str, count: int, draw: Draw) -> None:
        """Show the series of which `count` samples were seen so far."""
        self._words, self._count, self._draw = words, count, draw
        self._plan()
        self.repaint()

    @property
    def text(self) -> str:
        """What is drawn, as text."""
        return "\n".join((f"{self._title} {self._words}", *self._plot.rows))

    def paint(self, y: int) -> Strip:
        """Line 0 is the words."""
        if y == 0:
            return self.strip((Span(f"{self._title} ", Tone.STRONG), Span(self._words)))
        if y > len(self._plot.rows):
            return self.strip(())
        return self._dots(self._plot.rows[y - 1], self._plot.owners[y - 1])

    def on_resize(self, event: object) -> None:
        """Another width shows another window."""
        self._plan()
        self._shown.clear()
        self.refresh()

    def _plan(self) -> None:
        width, height = self.size.width, self.size.height - 1
        if self._draw is None or width < 1 or height < 1:
            self._plot = Plot((), ())
            return
        series, top = self._draw(window(self._count, width * (2 if self._braille else 1)))
        self._plot = plot(series, width, height, top, self._braille)

    def _dots(self, row: str, owners: Sequence[int]) -> Strip:
        made, base = StripBuilder(), self.tone(Tone.PLAIN)
        for char, owner in zip(row, owners, strict=True):
            made.add(char, base if owner < 0 else self.tone(SERIES[owner % len(SERIES)]))
        return made.done(self.size.width, base)
