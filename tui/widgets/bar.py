"""One line of words: the title, the banner, the status, the keys."""

from textual.strip import Strip

from tui.tone import Line
from tui.widgets.canvas import Canvas


class Bar(Canvas):
    """A line that is given and shown; only its changed cells are sent."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._line: Line = ()

    def show(self, line: Line) -> None:
        """Show this line."""
        if line != self._line:
            self._line = line
            self.repaint()

    @property
    def text(self) -> str:
        """The words that are shown."""
        return "".join(span.text for span in self._line)

    def paint(self, y: int) -> Strip:
        """The line, cut to the width."""
        return self.strip(self._line)
