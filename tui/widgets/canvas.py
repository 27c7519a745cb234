"""How a widget sends only the cells that changed: lines are painted, remembered, and compared cell by cell."""

from collections.abc import Iterator

from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.tone import Line, Tone

WORTH_JOINING = 8
"""Two changes nearer than this go out as one: moving the cursor and naming a colour costs more."""


class Canvas(Widget):
    """A widget of lines; a subclass says what line `y` is, and calls `repaint` when some may have changed."""

    COMPONENT_CLASSES = {f"tone--{tone}" for tone in Tone}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._shown: dict[int, Strip] = {}
        self._styles_of: dict[str, Style] = {}

    def paint(self, y: int) -> Strip:
        """What line `y` of the viewport is now."""
        raise NotImplementedError

    def repaint(self) -> None:
        """Send the cells of every line that differ from what the terminal shows."""
        regions = [region for y in range(self.size.height) for region in self._differences(y)]
        if regions:
            self.refresh(*regions)

    def style_of(self, name: str) -> Style:
        """The style of a tone or of another component class, from the theme."""
        if name not in self._styles_of:
            self._styles_of[name] = self.get_component_rich_style(name)
        return self._styles_of[name]

    def tone(self, tone: Tone) -> Style:
        """The style of a tone."""
        return self.style_of(f"tone--{tone}")

    def strip(self, line: Line) -> Strip:
        """Spans as one strip, cut or filled to the width of the widget."""
        made = StripBuilder()
        for span in line:
            made.add(span.text, self.tone(span.tone))
        return made.done(self.size.width, self.tone(Tone.PLAIN))

    def render_line(self, y: int) -> Strip:
        """What is shown; Textual may ask at any time, so nothing new gets in here without its region being sent."""
        if y not in self._shown:
            self._shown[y] = self.paint(y)
        return self._shown[y]

    def notify_style_update(self) -> None:
        """Another theme: every style is read again."""
        super().notify_style_update()
        self._styles_of.clear()
        if self._shown:
            self.call_later(self.repaint)

    def on_resize(self, event: events.Resize) -> None:
        """Nothing that was shown is where it was."""
        self._shown.clear()
        self.refresh()

    def _differences(self, y: int) -> Iterator[Region]:
        old, new = self._shown.get(y), self.paint(y)
        self._shown[y] = new
        if old is None:
            yield Region(0, y, self.size.width, 1)
        elif new is not old:
            for start, end in changed_ranges(cells_of(old), cells_of(new)):
                yield Region(start, y, end - start, 1)


class StripBuilder:
    """Puts words of the same style together, for each change of style costs bytes."""

    def __init__(self) -> None:
        self._runs: list[tuple[str, Style]] = []

    def add(self, text: str, style: Style) -> None:
        """Go on with these words."""
        if not text:
            return
        if self._runs and self._runs[-1][1] == style:
            self._runs[-1] = (self._runs[-1][0] + text, style)
        else:
            self._runs.append((text, style))

    def done(self, width: int, style: Style) -> Strip:
        """The strip, cut or filled to `width`."""
        from rich.segment import Segment

        return Strip([Segment(text, one) for text, one in self._runs]).adjust_cell_length(width, style).simplify()


def cells_of(strip: Strip) -> list[tuple[str, Style | None]]:
    """The strip cell by cell; each half of a wide character carries the whole."""
    from rich.cells import cell_len

    cells: list[tuple[str, Style | None]] = []
    for text, style, _ in strip:
        if text.isascii():
            cells.extend((char, style) for char in text)
        else:
            for char in text:
                cells.extend([(char, style)] * cell_len(char))
    return cells


def changed_ranges(
    old: list[tuple[str, Style | None]], new: list[tuple[str, Style | None]]
) -> Iterator[tuple[int, int]]:
    """Half-open ranges of cells that differ; near ones are joined."""
    start = end = -1
    for x, cell in enumerate(new):
        if x < len(old) and old[x] == cell:
            continue
        if start >= 0 and x - end >= WORTH_JOINING:
            yield start, end
            start = x
        start, end = (x if start < 0 else start), x + 1
    if start >= 0:
        yield start, end
