"""One VM: overview, live metrics, serial console, what happened, YAML, disks, networks, snapshots, the log of QEMU."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Vertical
from textual.widgets import ContentSwitcher

from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.plaintext import plain
from tui.cells import Key
from tui.changes import Changes
from tui.charts import CHARTS
from tui.columns import status_cell
from tui.commands import TABS, View, bindings
from tui.hardware import hardware
from tui.journal import Entry
from tui.lineage import lineage
from tui.manifest import manifest
from tui.overview import overview
from tui.screens.console_tab import ConsoleTab
from tui.screens.log_tab import LogTab
from tui.screens.metrics_tab import MetricsTab
from tui.screens.searching import SearchingScreen
from tui.terminal.choice import new_emulator
from tui.timeline import deleted, timeline
from tui.tone import Line, Span, Tone, line
from tui.widgets.bar import Bar
from tui.widgets.chart import LineChart
from tui.widgets.lines import Lines
from tui.widgets.serial import SerialPane
from tui.workspace import Workspace

AGES_S = 5.0


class DetailScreen(SearchingScreen):
    """Everything about one VM; it stays readable when the VM or the connection is gone."""

    VIEW = View.DETAIL
    CSS_PATH = "detail.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.DETAIL)]

    def __init__(self, workspace: Workspace, key: Key, tab: str = "overview") -> None:
        super().__init__(workspace)
        self._key = key
        self._first_tab = tab
        self._metrics = MetricsTab(self, key)
        self._log_tab = LogTab(self, key)
        self._terminal = ConsoleTab(self, key)
        self._vm = workspace.feed.vms.get(*key) if workspace.feed else None
        """What was seen last; it stays when the VM is deleted."""

    def compose(self) -> ComposeResult:
        """Title, tabs, banner, the panes, keys."""
        yield Bar(id="title")
        yield Bar(id="tabs")
        yield Bar(id="banner")
        with ContentSwitcher(initial=None, id="panes"):
            yield Lines(id="overview")
            with Container(id="metrics"):
                yield Bar(id="metrics-words")
                with Container(id="charts"):
                    for chart in CHARTS:
                        yield LineChart(chart.title, braille=self.workspace.glyphs.braille, id=chart.id)
            with Vertical(id="console"):
                yield SerialPane(emulator=new_emulator(asked=self.workspace.options.emulator), id="serial")
                yield Bar(id="console-words")
            yield Lines(id="events")
            yield Lines(id="yaml")
            yield Lines(id="disks")
            yield Lines(id="log")
        yield self.search_line()
        yield Bar(id="keys")

    def on_mount(self) -> None:
        """Show the tab that was asked for."""
        self._show_keys()
        self.every(AGES_S, self._show)
        self.every(1.0, self._show_banner)
        self._switch(self._first_tab)

    @property
    def tab(self) -> str:
        """The tab that is shown."""
        return self.query_one("#panes", ContentSwitcher).current or self._first_tab

    def feed_moved(self, changes: Changes) -> None:
        """Show what changed of this VM."""
        kept = self.tab == "disks" and changes.of(VM_SNAPSHOTS.plural)
        if kept or self._key in changes.vms or self._key in changes.talk:
            self._show()
        self._show_banner()

    def journal_moved(self, entry: Entry) -> None:
        """The title line says the newest word on this VM."""
        if entry.about == self._key[1]:
            self._show_title(entry.words)

    def targets(self) -> list[VirtualMachine]:
        """This VM, while it exists."""
        feed = self.workspace.feed
        vm = feed.vms.get(*self._key) if feed else None
        if vm is None:
            self.notify(f"{self._key[1]} does not exist any more", severity="warning", markup=False)
        return [vm] if vm else []

    def action_back(self) -> None:
        """Back to the list."""
        self.dismiss(None)

    def action_tab(self, number: int) -> None:
        """Show tab `number`, counted from 1."""
        if number <= len(TABS):
            self._switch(TABS[number - 1])

    def action_step_tab(self, by: int) -> None:
        """The next tab, or the one before."""
        self._switch(TABS[(TABS.index(self.tab) + by) % len(TABS)])

    def action_console(self) -> None:
        """The serial console."""
        self._switch("console")

    @on(SerialPane.Typed)
    def _typed(self, event: SerialPane.Typed) -> None:
        self._terminal.type(event.data)

    @on(SerialPane.Asked)
    def _asked(self, event: SerialPane.Asked) -> None:
        self._terminal.ask(event.what)

    @on(SerialPane.Browsed)
    def _browsed(self) -> None:
        self._terminal.browsed()

    @on(SerialPane.Left)
    def _left_console(self) -> None:
        if self._first_tab == "console":
            self.action_back()
        else:
            self._switch("overview")

    def _switch(self, tab: str) -> None:
        self.query_one("#panes", ContentSwitcher).current = tab
        self.set_class(tab == "console", "-console")
        self._metrics.is_shown = tab == "metrics"
        match tab:
            case "metrics":
                self._start("samples", self._metrics.run)
            case "log":
                self._start("log", self._log_tab.run)
            case "console":
                self._terminal.start()
                self._terminal.pane.browsing = False
        self._show()
        focus = {"console": "#serial", "metrics": None}.get(tab, f"#{tab}")
        self.set_focus(self.query_one(focus) if focus else None)

    def _start(self, group: str, work: Callable[[], object]) -> None:
        """Start a stream once; it lives as long as this screen."""
        if self.workspace.session is not None and not any(
            one.node is self and one.group == group for one in self.workers
        ):
            self.run_worker(work, group=group, exclusive=True)

    def _show(self) -> None:
        feed, workspace = self.workspace.feed, self.workspace
        now = feed.vms.get(*self._key) if feed else None
        self._vm = now or self._vm
        self._show_title("")
        if self._vm is None or feed is None:
            return
        head = [] if now else [deleted(self._vm), line()]
        match self.tab:
            case "overview":
                page = overview(self._vm, feed.pending(self._key), workspace.now(), workspace.glyphs)
                self.query_one("#overview", Lines).show([*head, *page])
            case "events":
                page = timeline(self._key, feed.events, feed.operations, workspace.now(), workspace.glyphs)
                self.query_one("#events", Lines).show([*head, *page])
            case "yaml":
                self.query_one("#yaml", Lines).show([*head, *manifest(self._vm)])
            case "disks":
                page = hardware(self._vm, workspace.now(), workspace.glyphs)
                kept = lineage(self._key, feed.follow(VM_SNAPSHOTS), workspace.now(), workspace.glyphs)
                self.query_one("#disks", Lines).show([*head, *page, line(), *kept])
            case "metrics":
                self._metrics.show()
            case "log":
                self._log_tab.show()

    def _show_title(self, words: str) -> None:
        spans = [Span(f" {plain(self._key[1])}", Tone.STRONG), Span(f"  {plain(self._key[0])}  ", Tone.DIM)]
        if self._vm is not None:
            pending = self.workspace.feed.pending(self._key) if self.workspace.feed else None
            spans.append(status_cell(self._vm, pending, self.workspace.glyphs))
        if words:
            spans.append(Span(f"  {plain(words)}", Tone.ACCENT))
        self.query_one("#title", Bar).show(tuple(spans))
        self.query_one("#tabs", Bar).show(self._tab_line())

    def _tab_line(self) -> Line:
        spans = []
        for number, tab in enumerate(TABS, 1):
            key, is_shown = self.workspace.keymap.shown(f"tab.{number}"), tab == self.tab
            spans.append(Span(f" {key}", Tone.ACCENT))
            spans.append(Span(f"[{tab}]" if is_shown else f" {tab} ", Tone.STRONG if is_shown else Tone.DIM))
        return tuple(spans)
