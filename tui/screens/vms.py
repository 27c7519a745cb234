"""The VM list: live rows, a filter as it is typed, an order, marks, and the verbs."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.plaintext import plain
from tui.cells import Cells, Column, Key
from tui.columns import SORTS, cells, columns
from tui.commands import View, bindings
from tui.feed import Changes
from tui.filter import HELP
from tui.fleet import Fleet
from tui.journal import Entry, State
from tui.notices import notice
from tui.screens.base import ConsoleScreen
from tui.tone import Line, Span, Tone
from tui.widgets.bar import Bar
from tui.widgets.lines import Lines
from tui.widgets.table import Table
from tui.workspace import ALL, Workspace

AGES_S = 5.0
FILTER_S = 0.03


class VmsScreen(ConsoleScreen):
    """The first screen."""

    VIEW = View.VMS
    CSS_PATH = "vms.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.VMS)]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace)
        self._fleet = Fleet(self._look_up)
        self._said: Entry | None = None
        self._filtering = False

    def compose(self) -> ComposeResult:
        """Title, filter, banner, rows or words in their place, status, keys."""
        yield Bar(id="title")
        yield Input(placeholder=HELP, id="filter", compact=True)
        yield Bar(id="banner")
        yield Table(self._columns(), self._cells, self.workspace.glyphs, id="vms")
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
        return self.query_one("#vms", Table)

    @property
    def filter(self) -> Input:
        """The filter's line."""
        return self.query_one("#filter", Input)

    def start_over(self) -> None:
        """Another namespace or another filter: look at every VM."""
        self.table.set_columns(self._columns())
        self._fleet.rebuild(self.workspace.feed.vms if self.workspace.feed else ())
        self.table.set_order(self._fleet.order)
        self._show_state()

    def feed_moved(self, changes: Changes) -> None:
        """Repaint the rows that changed; the order only when it did."""
        if self._fleet.update(changes.vms):
            self.table.set_order(self._fleet.order)
        self.table.changed(changes.vms)
        self._show_state()

    def journal_moved(self, entry: Entry) -> None:
        """The status line says the newest entry."""
        self._said = entry
        if not self.is_covered:
            self._show_status()

    def targets(self) -> list[VirtualMachine]:
        """The marked VMs, else the one under the cursor."""
        keys = self.table.marked or ([self.table.cursor] if self.table.cursor else [])
        return [vm for key in keys if (vm := self._look_up(key))]

    def subject(self) -> VirtualMachine | None:
        """The VM under the cursor, whatever is marked."""
        return self._look_up(self.table.cursor) if self.table.cursor else None

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
        if column in SORTS:
            self._fleet.sort_by(column)
            self.table.set_sort(column, self._fleet.descending)
            self.start_over()

    def action_detail(self) -> None:
        """Open the VM under the cursor."""
        self._open("overview")

    def action_console(self) -> None:
        """Go straight to its serial console."""
        self._open("console")

    def action_create(self) -> None:
        """Ask for a new VM."""
        from tui.screens.create import CreateScreen

        if reason := self.workspace.refusal():
            self.notify(f"Create refused: {reason}", severity="warning", markup=False)
        else:
            self.app.push_screen(CreateScreen(self.workspace))

    @on(Table.Chosen)
    def _chosen(self) -> None:
        self.action_detail()

    @on(Table.Moved)
    def _moved(self) -> None:
        self._show_status()

    @on(Table.SortAsked)
    def _sort_asked(self, event: Table.SortAsked) -> None:
        self.action_sort(event.column)

    @on(Input.Changed, "#filter")
    def _typed(self) -> None:
        """Keys that come quickly are taken together, for looking at ten thousand VMs takes longer than a key."""
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

    def _open(self, tab: str) -> None:
        from tui.screens.detail import DetailScreen

        if key := self.table.cursor:
            self.app.push_screen(DetailScreen(self.workspace, key, tab))

    def _look_up(self, key: Key) -> VirtualMachine | None:
        return self.workspace.feed.vms.get(*key) if self.workspace.feed else None

    def _columns(self) -> tuple[Column, ...]:
        return columns(self.workspace.namespace == ALL)

    def _cells(self, key: Key) -> Cells:
        vm, feed = self._look_up(key), self.workspace.feed
        if vm is None or feed is None:
            return tuple(Span("") for _ in self.table.columns)
        return cells(
            vm, feed.pending(key), self.workspace.now(), self.workspace.glyphs, self.workspace.namespace == ALL
        )

    def _show_state(self) -> None:
        words = notice(self.workspace, len(self._fleet), self.filter.value)
        self.set_class(bool(words), "-wordy")
        self.query_one("#notice", Lines).show(words)
        self.query_one("#title", Bar).show(self._title())
        self._show_banner()
        self._show_status()

    def _show_banner(self) -> None:
        stale = self.workspace.stale()
        self.set_class(bool(stale), "-stale")
        self.query_one("#banner", Bar).show((Span(f" {self.workspace.glyphs.failed} {plain(stale)}", Tone.BAD),))

    def _show_status(self) -> None:
        table, spans = self.table, []
        if count := len(table.marked):
            spans.append(Span(f" {count} marked ", Tone.ACCENT))
        spans.append(Span(f" {table.position + 1 if len(self._fleet) else 0}/{len(self._fleet)} ", Tone.DIM))
        if self._said is not None:
            tone = {State.RUNNING: Tone.ACCENT, State.DONE: Tone.OK, State.FAILED: Tone.BAD}[self._said.state]
            spans.append(Span(f" {plain(self._said.words)}", tone))
        self.query_one("#status", Bar).show(tuple(spans))

    def _title(self) -> Line:
        workspace, vms = self.workspace, self.workspace.feed.vms if self.workspace.feed else ()
        running = sum(vm.phase is Phase.RUNNING for vm in vms)
        failed = sum(vm.phase is Phase.FAILED for vm in vms)
        spans = [Span(" HyperSDK", Tone.STRONG), Span(f"  {workspace.where}", Tone.ACCENT)]
        if workspace.session is not None:
            spans.append(Span(f" @ {plain(workspace.session.context)}", Tone.DIM))
        spans.append(Span(f"  {len(vms)} VMs, {running} running"))
        if failed:
            spans.append(Span(f", {failed} failed", Tone.BAD))
        if workspace.options.read_only:
            spans.append(Span("  read-only", Tone.WARN))
        return tuple(spans)
