"""What every list of rows has in common: a filter as it is typed, an order, the age of what is shown."""

from typing import TYPE_CHECKING, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.widgets import Input

from hypersdk.plaintext import plain
from tui.cells import Cells, Column, Key
from tui.changes import Changes
from tui.filter import HELP
from tui.fleet import Fleet
from tui.journal import Entry, State
from tui.listing import Listing, Sight
from tui.notices import notice
from tui.screens.base import ConsoleScreen
from tui.tone import Line, Span, Tone
from tui.widgets.bar import Bar
from tui.widgets.lines import Lines
from tui.widgets.table import Table
from tui.workspace import ALL, Workspace

if TYPE_CHECKING:
    from hypersdk.model.base import Resource

R = TypeVar("R", bound="Resource")
AGES_S = 5.0
FILTER_S = 0.03


class RowsScreen(ConsoleScreen, Generic[R]):
    """A full screen of rows; a subclass says which, and what can be done with them."""

    AUTO_FOCUS = "#rows"

    def __init__(self, workspace: Workspace, listing: Listing[R]) -> None:
        super().__init__(workspace)
        self.set_class(not workspace.feed, "-wordy")  # at once: a class that changes later styles everything anew
        self.listing = listing
        self._fleet = Fleet(self.look_up, listing.sorts, listing.wanted, listing.sort, listing.descending)
        self._said: Entry | None = None
        self._filtering = False

    def compose(self) -> ComposeResult:
        """Title, filter, banner, rows or words in their place, status, keys."""
        yield Bar(id="title")
        yield Input(placeholder=HELP, id="filter", compact=True)
        yield Bar(id="banner")
        yield Table(self._columns(), self._cells, self.workspace.glyphs, id="rows")
        yield Lines(id="notice")
        yield Bar(id="status")
        yield Bar(id="keys")

    def on_mount(self) -> None:
        """Show what is known and keep the ages going."""
        self.table.focus()
        self.table.set_sort(self._fleet.sort, self._fleet.descending)
        self._show_keys()
        self.every(AGES_S, self.table.reread)
        self.every(1.0, self._show_banner)
        self.start_over()

    @property
    def table(self) -> Table:
        """The rows."""
        return self.query_one("#rows", Table)

    @property
    def filter(self) -> Input:
        """The filter's line."""
        return self.query_one("#filter", Input)

    def look_up(self, key: Key) -> R | None:
        """The object of a row."""
        return self.listing.cache(self.workspace.feed).get(*key) if self.workspace.feed else None

    def start_over(self) -> None:
        """Another namespace or another filter: look at every object."""
        self.table.set_columns(self._columns())
        self._fleet.rebuild(self.listing.cache(self.workspace.feed) if self.workspace.feed else ())
        self.table.set_order(self._fleet.order)
        self._show_state()

    def feed_moved(self, changes: Changes) -> None:
        """Repaint the rows that changed; the order only when it did."""
        keys = self.listing.moved(changes)
        if self._fleet.update(keys):
            self.table.set_order(self._fleet.order)
        self.table.changed(keys)
        self._show_state()

    def journal_moved(self, entry: Entry) -> None:
        """The status line says the newest entry."""
        self._said = entry
        if not self.is_covered:
            self._show_status()

    def heading(self) -> Line:
        """What the rows are, in the first line."""
        feed = self.workspace.feed
        count = len(self.listing.cache(feed)) if feed else 0
        return (*self.whereabouts(), Span(f"  {self.listing.counted(count)}"))

    def whereabouts(self) -> Line:
        """The namespace and the cluster."""
        workspace = self.workspace
        spans = [Span(" HyperSDK", Tone.STRONG), Span(f"  {workspace.where}", Tone.ACCENT)]
        if workspace.session is not None:
            spans.append(Span(f" @ {plain(workspace.session.context)}", Tone.DIM))
        return tuple(spans)

    def action_filter(self) -> None:
        """Type a filter."""
        self.add_class("-filtering")
        self.filter.focus()

    def action_unmark(self) -> None:
        """First the marks go, then the filter."""
        if self.table.marked:
            self.table.unmark()
        else:
            self.filter.value = ""
            self.remove_class("-filtering")
        self.table.focus()

    def action_sort(self, column: str) -> None:
        """Sort by a column, or turn its order around."""
        if column in self.listing.sorts:
            self._fleet.sort_by(column)
            self.table.set_sort(column, self._fleet.descending)
            self.start_over()

    @on(Table.Moved)
    def _moved(self) -> None:
        if self._said is not None and self._said.state is not State.RUNNING:
            self._said = None  # it was read: from here on the row under the cursor speaks
        self._show_status()

    @on(Table.SortAsked)
    def _sort_asked(self, event: Table.SortAsked) -> None:
        self.action_sort(event.column)

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        """Keys that come quickly are taken together, for looking at ten thousand rows takes longer than a key."""
        if not self._filtering:
            self._filtering = True
            self.set_timer(FILTER_S, self._apply_filter)

    @on(Input.Submitted, "#filter")
    def _entered(self, event: Input.Submitted) -> None:
        if not event.value:
            self.remove_class("-filtering")
        self.table.focus()

    def _apply_filter(self) -> None:
        self._filtering = False
        self._fleet.filter_by(self.filter.value)
        self.start_over()

    def _columns(self) -> tuple[Column, ...]:
        return self.listing.columns(self.workspace.namespace == ALL, self.workspace.columns)

    def _cells(self, key: Key) -> Cells:
        item, feed, workspace = self.look_up(key), self.workspace.feed, self.workspace
        if item is None or feed is None:
            return tuple(Span("") for _ in self.table.columns)
        sight = Sight(feed, workspace.now(), workspace.glyphs, workspace.namespace == ALL, self.table.columns)
        return self.listing.cells(item, sight)

    def _show_state(self) -> None:
        words = notice(self.workspace, self.listing, len(self._fleet), self.filter.value)
        self.set_class(bool(words), "-wordy")
        self.query_one("#notice", Lines).show(words)
        self.query_one("#title", Bar).show(self.heading())
        self._show_banner()
        self._show_status()

    def _show_status(self) -> None:
        table, spans = self.table, []
        if count := len(table.marked):
            spans.append(Span(f" {count} marked ", Tone.ACCENT))
        spans.append(Span(f" {table.position + 1 if len(self._fleet) else 0}/{len(self._fleet)} ", Tone.DIM))
        if self._said is None:
            at = self.look_up(table.cursor) if table.cursor else None
            if at is not None and (words := self.listing.says(at)):
                spans.append(Span(f" {plain(words)}", Tone.DIM))
        else:
            tone = {State.RUNNING: Tone.ACCENT, State.DONE: Tone.OK, State.FAILED: Tone.BAD}[self._said.state]
            spans.append(Span(f" {plain(self._said.words)}", tone))
        self.query_one("#status", Bar).show(tuple(spans))
