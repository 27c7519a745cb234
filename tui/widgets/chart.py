"""A chart of dots: words above, one or two series below; only the cells that changed are sent."""

from collections.abc import Callable, Sequence

from textual.strip import Strip

from tui.braille import Drawing, Plot, plot, window
from tui.tone import Line, Span, Tone
from tui.widgets.canvas import Canvas, StripBuilder

Draw = Callable[[int], Drawing]
"""From the number of the first sample to what is drawn."""
SERIES = (Tone.OK, Tone.ACCENT)


class LineChart(Canvas):
    """Draws values that it is given; the newest column moves to the right, and the view jumps by a quarter."""

    def __init__(self, title: str, *, braille: bool, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title
        self._braille = braille
        self._words: Sequence[str] = ()
        self._top_words = ""
        self._count = 0
        self._draw: Draw | None = None
        self._plot = Plot((), ())

    def show(self, words: Sequence[str], count: int, draw: Draw) -> None:
        """Show series of which `count` samples were seen so far; each has its words above."""
        self._words, self._count, self._draw = words, count, draw
        self._plan()
        self.repaint()

    @property
    def text(self) -> str:
        """What is drawn, as text."""
        return "\n".join((f"{self._title} {'  '.join(self._words)} {self._top_words}", *self._plot.rows))

    def paint(self, y: int) -> Strip:
        """Line 0 is the words."""
        if y == 0:
            return self.strip(self._head())
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
        drawing = self._draw(window(self._count, width * (2 if self._braille else 1)))
        self._top_words = drawing.top_words
        self._plot = plot(drawing.series, width, height, drawing.top, self._braille)

    def _head(self) -> Line:
        words = [Span(f"{one}  ", SERIES[number % len(SERIES)]) for number, one in enumerate(self._words)]
        room = self.size.width - len(self._title) - 1 - sum(len(span.text) for span in words)
        scale = f"of {self._top_words}" if self._top_words else ""
        at_edge = Span(scale.rjust(room) if room >= len(scale) else "", Tone.DIM)
        return (Span(f"{self._title} ", Tone.STRONG), *words, at_edge)

    def _dots(self, row: str, owners: Sequence[int]) -> Strip:
        made, base = StripBuilder(), self.tone(Tone.PLAIN)
        for char, owner in zip(row, owners, strict=True):
            made.add(char, base if owner < 0 else self.tone(SERIES[owner % len(SERIES)]))
        return made.done(self.size.width, base)
