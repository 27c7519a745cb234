"""A pane of words that scrolls: overview, YAML, events, help, logs."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.strip import Strip

from tui.search import NEWER, Searchable, SearchAsked, find
from tui.tone import Line, Span, Tone
from tui.widgets.canvas import Canvas


class Lines(Canvas, Searchable, can_focus=True):
    """Lines that are given and shown, long ones wrapped; only the cells that changed are sent."""

    BINDINGS = [
        Binding("move.up", "scroll_by(-1)", "Up", id="move.up", show=False),
        Binding("move.down", "scroll_by(1)", "Down", id="move.down", show=False),
        Binding("move.page_up", "page(-1)", "Page up", id="move.page_up", show=False),
        Binding("move.page_down", "page(1)", "Page down", id="move.page_down", show=False),
        Binding("move.home", "jump(0)", "First", id="move.home", show=False),
        Binding("move.end", "jump(-1)", "Last", id="move.end", show=False),
        Binding("page.search", "search", "Search", id="page.search", show=False),
        Binding("page.next", "search_on(1)", "Next", id="page.next", show=False),
        Binding("page.previous", "search_on(-1)", "Previous", id="page.previous", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Line] = ()
        self._wrapped: list[Line] = []
        self._top = 0
        self._needle = ""
        self._found: int | None = None

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines; the place in the text is kept."""
        if list(lines) != list(self._lines):
            self._lines = lines
            self._wrap(self.size.width)
            self.repaint()

    @property
    def text(self) -> str:
        """The words that are shown."""
        return "\n".join("".join(span.text for span in line) for line in self._lines)

    def paint(self, y: int) -> Strip:
        """Line `y` of what is in view."""
        index = self._top + y
        line = self._wrapped[index] if index < len(self._wrapped) else ()
        if y == self.size.height - 1 and (more := len(self._wrapped) - index - 1) > 0:
            line = self._with_more(line, f" +{more}")
        return self.strip(tuple(Span(span.text, Tone.ACCENT) for span in line) if index == self._found else line)

    def search(self, needle: str) -> bool:
        """Show the first line with these words from here on."""
        self._needle, self._found = needle, None
        return self._seek(NEWER)

    def action_search(self) -> None:
        """Ask for the words."""
        self.post_message(SearchAsked(self))

    def action_search_on(self, step: int) -> None:
        """The next line with the words, or the one before."""
        self._seek(step)

    def on_resize(self, event: events.Resize) -> None:
        """Wrap anew."""
        self._wrap(self.size.width)
        super().on_resize(event)

    def action_scroll_by(self, by: int) -> None:
        """So many lines down, or up when negative."""
        self._go(self._top + by)

    def action_page(self, by: int) -> None:
        """A page down or up."""
        self._go(self._top + by * max(1, self.size.height - 1))

    def action_jump(self, to: int) -> None:
        """To the first or the last line."""
        self._go(to if to >= 0 else len(self._wrapped))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three lines down."""
        event.stop()
        self._go(self._top + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three lines up."""
        event.stop()
        self._go(self._top - 3)

    def _with_more(self, line: Line, words: str) -> Line:
        """The last line in view says how many are below it, over whatever of it is in the way."""
        room = self.size.width - len(words)
        head, left = [], room
        for span in line:
            cut = _longest(span.text, left)
            left -= cell_len(cut)
            head.append(Span(cut, span.tone))
        return (*head, Span(" " * left + words, Tone.ACCENT))

    def _seek(self, step: int) -> bool:
        start = self._top if self._found is None else self._found + step
        texts = ["".join(span.text for span in line) for line in self._wrapped]
        self._found = find(texts, self._needle, start, step)
        if self._found is not None:
            self._go(self._found)
        self.repaint()
        return self._found is not None

    def _go(self, top: int) -> None:
        self._top = max(0, min(top, len(self._wrapped) - self.size.height))
        self.repaint()

    def _wrap(self, width: int) -> None:
        self._wrapped = [piece for line in self._lines for piece in wrap(line, width)]
        self._top = max(0, min(self._top, len(self._wrapped) - self.size.height))


def wrap(line: Line, width: int, indent: int = 4) -> list[Line]:
    """The line in pieces that fit, later ones indented."""
    if width <= indent * 2 or sum(cell_len(span.text) for span in line) <= width:
        return [line]
    pieces: list[list[Span]] = [[]]
    room = width
    for span in line:
        rest = span.text
        while cell_len(rest) > room:
            head = _head(rest, room, fresh=room >= width - indent)
            pieces[-1].append(Span(head, span.tone))
            rest = rest[len(head) :].lstrip(" ")
            pieces.append([Span(" " * indent)])
            room = width - indent
        if rest:
            pieces[-1].append(Span(rest, span.tone))
            room -= cell_len(rest)
    return [tuple(piece) for piece in pieces]


def _head(text: str, room: int, fresh: bool) -> str:
    """As many whole words as fit; a word that is longer than a line of its own is cut."""
    cut = _longest(text, room)
    if text[len(cut)] == " ":
        return cut
    if end := cut.rfind(" ") + 1:
        return text[:end]
    return cut if fresh else ""


def _longest(text: str, room: int) -> str:
    end = min(len(text), room)
    while end > 0 and cell_len(text[:end]) > room:
        end -= 1
    return text[:end]
