"""The other lists: nodes, operations and events, each live and filtered like the VM list."""

from typing import ClassVar, Generic

from textual import on
from textual.binding import BindingType

from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.vmoperation import VMOperation
from tui.cells import Key
from tui.commands import View, bindings
from tui.listing import Listing, R
from tui.listings.backups import BACKUPS
from tui.listings.events import EVENTS
from tui.listings.nodes import NODES
from tui.listings.operations import OPERATIONS
from tui.screens.rows import RowsScreen
from tui.timeline import about
from tui.widgets.table import Table
from tui.workspace import Workspace


class ListScreen(RowsScreen[R], Generic[R]):
    """A list above the VM list; leaving it leads back there."""

    VIEW = View.LIST
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.LIST)]

    def action_unmark(self) -> None:
        """First the marks go, then the filter, then the list."""
        if not self.table.marked and not self.filter.value:
            self.dismiss(None)
        else:
            super().action_unmark()

    @on(Table.Chosen)
    def _chosen(self, event: Table.Chosen) -> None:
        from tui.screens.detail import DetailScreen
        from tui.screens.manifest import ManifestScreen

        item = self.look_up(event.key)
        key = machine_of(item) if item is not None else None
        if key is not None:
            self.app.push_screen(DetailScreen(self.workspace, key, "events"))
        elif item is not None:
            self.app.push_screen(ManifestScreen(self.workspace, self.listing, event.key))


def machine_of(item: Resource) -> Key | None:
    """The VM that a row is about; None for a row that is about none."""
    if isinstance(item, VMOperation):
        return item.machine
    return about(item) if isinstance(item, Event) else None


def list_screen(name: str, workspace: Workspace) -> "ListScreen[Resource]":
    """The screen of the list of that name."""
    listings: dict[str, Listing[Resource]] = {
        "nodes": NODES,  # type: ignore[dict-item]
        "operations": OPERATIONS,  # type: ignore[dict-item]
        "events": EVENTS,  # type: ignore[dict-item]
        "backups": BACKUPS,  # type: ignore[dict-item]
    }
    return ListScreen(workspace, listings[name])
