"""The VM list: live rows, marks, and the verbs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType

from hypersdk.errors import ConfigError
from hypersdk.model.phase import Phase
from tui.columns import COLUMNS
from tui.commands import View, bindings
from tui.listings.vms import VMS
from tui.preferences import save_columns
from tui.screens.rows import RowsScreen
from tui.tone import Line, Span, Tone
from tui.widgets.table import Table
from tui.workspace import Workspace

if TYPE_CHECKING:
    from hypersdk.model.virtualmachine import VirtualMachine


class VmsScreen(RowsScreen["VirtualMachine"]):
    """The first screen."""

    VIEW = View.VMS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.VMS)]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(workspace, VMS)

    def targets(self) -> list["VirtualMachine"]:
        """The marked VMs, else the one under the cursor."""
        keys = self.table.marked or ([self.table.cursor] if self.table.cursor else [])
        return [vm for key in keys if (vm := self.look_up(key))]

    def subject(self) -> "VirtualMachine | None":
        """The VM under the cursor, whatever is marked."""
        return self.look_up(self.table.cursor) if self.table.cursor else None

    def heading(self) -> Line:
        """Which VMs, and how many of them are well."""
        workspace, feed = self.workspace, self.workspace.feed
        running, failed = (feed.tally.of(phase) if feed else 0 for phase in (Phase.RUNNING, Phase.FAILED))
        spans = [*self.whereabouts(), Span(f"  {VMS.counted(len(feed.vms) if feed else 0)}, {running} running")]
        if failed:
            spans.append(Span(f", {failed} failed", Tone.BAD))
        if workspace.read_only:
            spans.append(Span("  read-only", Tone.WARN))
        return tuple(spans)

    def action_detail(self) -> None:
        """Open the VM under the cursor."""
        self._open("overview")

    def action_console(self) -> None:
        """Go straight to its serial console."""
        self._open("console")

    def action_columns(self) -> None:
        """Choose the columns."""
        from tui.screens.columns import ColumnsScreen

        hint = f"space: choose    {self.workspace.keymap.shown('dialog.yes')}: take    esc: no change"
        self.app.push_screen(ColumnsScreen(COLUMNS, self.workspace.columns, hint), self._columns_chosen)

    def _columns_chosen(self, chosen: Sequence[str] | None) -> None:
        if chosen is None:
            return
        self.workspace.columns = chosen
        self.start_over()
        try:
            save_columns(self.workspace.options.config, chosen)
        except ConfigError as error:
            self.notify(str(error), severity="warning", markup=False)

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

    def _open(self, tab: str) -> None:
        from tui.screens.detail import DetailScreen

        if key := self.table.cursor:
            self.app.push_screen(DetailScreen(self.workspace, key, tab))
