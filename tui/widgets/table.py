"""The table that stays cheap with ten thousand rows: it reads only the rows it shows and sends only what changed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

from textual import events
from textual.binding import Binding
from textual.geometry import Offset
from textual.message import Message
from textual.strip import Strip
from textual.timer import Timer

from tui.cells import Cells, Column, Key, Placed, place
from tui.glyphs import Glyphs
from tui.selection import Selection
from tui.tone import Tone
from tui.widgets.canvas import Canvas
from tui.widgets.rows import GUTTER, RowArtist

SHORTEST_TURN_S = 0.1
"""Changes are painted at most this often; keys are painted at once."""
RowState = tuple[Cells, bool, bool]


class Table(Canvas, can_focus=True):
    """Rows by key, in an order given from outside; the cursor and the marks stay with their keys."""

    BINDINGS = [
        Binding("move.up", "move(-1)", "Up", id="move.up", show=False),
        Binding("move.down", "move(1)", "Down", id="move.down", show=False),
        Binding("move.page_up", "page(-1)", "Page up", id="move.page_up", show=False),
        Binding("move.page_down", "page(1)", "Page down", id="move.page_down", show=False),
        Binding("move.home", "jump(0)", "First", id="move.home", show=False),
        Binding("move.end", "jump(-1)", "Last", id="move.end", show=False),
        Binding("table.choose", "choose", "Open", id="table.choose", show=False),
        Binding("table.mark", "mark", "Mark", id="table.mark", show=False),
        Binding("table.mark_range", "mark_range", "Mark range", id="table.mark_range", show=False),
        Binding("table.mark_all", "mark_all", "Mark all", id="table.mark_all", show=False),
    ]
    COMPONENT_CLASSES = Canvas.COMPONENT_CLASSES | {"table--header", "table--cursor", "table--marked"}

    @dataclass
    class Moved(Message):
        """The cursor or the marks changed."""

        table: "Table"

        def can_replace(self, message: Message) -> bool:
            """Only the newest counts."""
            return isinstance(message, Table.Moved)

    @dataclass
    class Chosen(Message):
        """A row was chosen by Enter or a double click."""

        key: Key

    @dataclass
    class SortAsked(Message):
        """A column title was clicked."""

        column: str

    def __init__(
        self, columns: Sequence[Column], read: Callable[[Key], Cells], glyphs: Glyphs, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._read = read
        self._artist = RowArtist(glyphs, self.style_of)
        self._placed: tuple[Placed, ...] = ()
        self._placed_for = -1
        self._selection = Selection()
        self._sorted_by: tuple[str, bool] = ("", False)
        self._cells: dict[Key, Cells] = {}
        self._strips: dict[Key, tuple[RowState, Strip]] = {}
        self._timer: Timer | None = None
        self._painted_at = 0.0

    @property
    def cursor(self) -> Key | None:
        """The key under the cursor."""
        return self._selection.cursor

    @property
    def position(self) -> int:
        """The cursor's row, counted from 0."""
        return self._selection.at

    @property
    def marked(self) -> list[Key]:
        """The marked keys, in the order of the table."""
        return self._selection.marked

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns, shown or not."""
        return self._columns

    def set_columns(self, columns: Sequence[Column]) -> None:
        """Other columns: every cell is read again."""
        self._columns = tuple(columns)
        self._cells.clear()
        self._place()
        self._soon()

    def set_sort(self, column: str, descending: bool) -> None:
        """Show by which column the rows are sorted."""
        self._sorted_by = (column, descending)
        self._soon()

    def set_order(self, order: Sequence[Key]) -> None:
        """The rows are now these; the cursor stays with its key, or where it was when that is gone."""
        self._selection.put(order, self._rows)
        self._soon()
        self.post_message(self.Moved(self))

    def changed(self, keys: Iterable[Key]) -> None:
        """What these rows say may have changed."""
        for key in keys:
            self._cells.pop(key, None)
        self._soon()

    def reread(self) -> None:
        """What any row says may have changed, such as ages."""
        self._cells.clear()
        self._soon()

    def select(self, key: Key) -> None:
        """Put the cursor on that row."""
        if (place := self._selection.place_of(key)) is not None:
            self._go(place)

    def unmark(self) -> None:
        """Take every mark off."""
        self._selection.unmark()
        self._remarked()

    def paint(self, y: int) -> Strip:
        """Line 0 is the titles, the others are rows."""
        if self.size.width != self._placed_for:
            self._place()
        if y == 0:
            return self._artist.titles(self._placed, self._sorted_by, self.size.width)
        index = self._selection.top + y - 1
        if index >= len(self._selection):
            return Strip.blank(self.size.width, self.tone(Tone.PLAIN))
        return self._row(index)

    def action_move(self, by: int) -> None:
        """One row up or down."""
        self._go(self.position + by)

    def action_page(self, by: int) -> None:
        """One page up or down."""
        self._go(self.position + by * self._rows)

    def action_jump(self, to: int) -> None:
        """The first or the last row."""
        self._go(to if to >= 0 else len(self._selection) - 1)

    def action_choose(self) -> None:
        """Tell that the row under the cursor was chosen."""
        if self.cursor:
            self.post_message(self.Chosen(self.cursor))

    def action_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go one down."""
        if key := self.cursor:
            self._selection.toggle(key)
            self._go(self.position + 1)

    def action_mark_range(self) -> None:
        """Mark every row from the one that was marked last to the one under the cursor."""
        self._selection.mark_range()
        self._remarked()

    def action_mark_all(self) -> None:
        """Mark every row; those that the filter hides are none."""
        self._selection.mark(self._selection.order)
        self._remarked()

    def on_resize(self, event: events.Resize) -> None:
        """Place the columns anew and keep the cursor in view."""
        self._selection.keep_in_view(self._rows)
        self._show_cursor()
        super().on_resize(event)

    def notify_style_update(self) -> None:
        """Another theme."""
        super().notify_style_update()
        self._strips.clear()

    def on_focus(self) -> None:
        """The hardware cursor comes here."""
        self._show_cursor()

    def on_click(self, event: events.Click) -> None:
        """A row: go there, twice to choose. A title: ask for that order."""
        if event.y == 0:
            hit = next((one for one in self._placed if one.x <= event.x < one.x + one.width), None)
            if hit is not None:
                self.post_message(self.SortAsked(hit.column.id))
        elif (row := self._selection.top + event.y - 1) < len(self._selection):
            self._go(row)
            if event.chain > 1:
                self.action_choose()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Three rows down."""
        event.stop()
        self._go(self.position + 3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Three rows up."""
        event.stop()
        self._go(self.position - 3)

    def _remarked(self) -> None:
        self.repaint()
        self.post_message(self.Moved(self))

    def _place(self) -> None:
        self._placed_for = self.size.width
        self._placed = place(self._columns, self._placed_for, GUTTER)
        self._strips.clear()

    @property
    def _rows(self) -> int:
        return max(1, self.size.height - 1)

    def _go(self, to: int) -> None:
        self._selection.go(to, self._rows)
        self._show_cursor()
        self.repaint()
        self.post_message(self.Moved(self))

    def _show_cursor(self) -> None:
        """The terminal's own cursor follows, for screen readers and braille displays."""
        if self.has_focus:
            below = self._selection.at - self._selection.top + 1
            row = min(self.content_region.y + below, self.content_region.bottom - 1)
            self.app.cursor_position = Offset(self.content_region.x + GUTTER, row)

    def _soon(self) -> None:
        if self._timer is None:
            wait = self._painted_at + SHORTEST_TURN_S - monotonic()
            self._timer = self.set_timer(max(0.001, wait), self._turn)

    def _turn(self) -> None:
        self._timer = None
        self._painted_at = monotonic()
        if len(self._strips) > 4 * self._rows:
            self._strips.clear()
            self._cells.clear()
        self._show_cursor()
        self.repaint()

    def _row(self, index: int) -> Strip:
        key = self._selection.order[index]
        if key not in self._cells:
            self._cells[key] = self._read(key)
        state = (self._cells[key], index == self.position, self._selection.is_marked(key))
        old = self._strips.get(key)
        if old is None or old[0] != state:
            old = self._strips[key] = (state, self._artist.row(*state, self._placed, self.size.width))
        return old[1]
