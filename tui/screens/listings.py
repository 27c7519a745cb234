"""The other lists: nodes, operations, events, snapshots and so on, each live and filtered like the VM list."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic

from textual import on
from textual.binding import BindingType
from textual.screen import Screen

from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.model.vmtemplate import VMTemplate
from hypersdk.verbs.deeds import (
    OF_BACKUPS,
    OF_NODES,
    OF_OPERATIONS,
    OF_RESTORES,
    OF_SCHEDULES,
    OF_SNAPSHOTS,
    OF_TEMPLATES,
)
from hypersdk.verbs.verb import Deed
from tui.cells import Key
from tui.commands import View, bindings
from tui.listing import R
from tui.listings.backups import BACKUPS
from tui.listings.events import EVENTS
from tui.listings.nodes import NODES
from tui.listings.operations import OPERATIONS
from tui.listings.restores import RESTORES
from tui.listings.schedules import SCHEDULES
from tui.listings.snapshots import SNAPSHOTS
from tui.listings.templates import TEMPLATES
from tui.screens.rows import RowsScreen
from tui.timeline import about
from tui.widgets.table import Table
from tui.workspace import Workspace


class ListScreen(RowsScreen[R], Generic[R]):
    """A list above the VM list; leaving it leads back there."""

    VIEW = View.LIST
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.LIST)]
    DEEDS: ClassVar[Sequence[Deed[R]]] = ()
    """What can be done to its objects."""

    def action_deed(self, id: str) -> None:
        """Do something to the marked rows, else to the one under the cursor."""
        keys = self.table.marked or ([self.table.cursor] if self.table.cursor else [])
        if items := [one for key in keys if (one := self.look_up(key)) is not None]:
            self.ask_for(next(one for one in self.DEEDS if one.id == id), items)

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


class NodesScreen(ListScreen[VMNode]):
    """The hypervisor hosts."""

    VIEW = View.NODES
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.NODES)]
    DEEDS = OF_NODES


class OperationsListScreen(ListScreen[VMOperation]):
    """What was done to VMs, by anybody."""

    VIEW = View.OPERATIONS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.OPERATIONS)]
    DEEDS = OF_OPERATIONS


class SnapshotsScreen(ListScreen[VMSnapshot]):
    """VMs as they were."""

    VIEW = View.SNAPSHOTS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.SNAPSHOTS)]
    DEEDS = OF_SNAPSHOTS


class TemplatesScreen(ListScreen[VMTemplate]):
    """What VMs can be made of."""

    VIEW = View.TEMPLATES
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.TEMPLATES)]
    DEEDS = OF_TEMPLATES


class BackupsScreen(ListScreen[BackupJob]):
    """What was stored outside the nodes."""

    VIEW = View.BACKUPS
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.BACKUPS)]
    DEEDS = OF_BACKUPS


class SchedulesScreen(ListScreen[BackupSchedule]):
    """When backups are made."""

    VIEW = View.SCHEDULES
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.SCHEDULES)]
    DEEDS = OF_SCHEDULES


class RestoresScreen(ListScreen[RestoreJob]):
    """Which backups became VMs again."""

    VIEW = View.RESTORES
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.RESTORES)]
    DEEDS = OF_RESTORES


def list_screen(name: str, workspace: Workspace) -> Screen[None]:
    """The screen of the list of that name."""
    screens: dict[str, Callable[[], Screen[None]]] = {
        "nodes": lambda: NodesScreen(workspace, NODES),
        "operations": lambda: OperationsListScreen(workspace, OPERATIONS),
        "events": lambda: ListScreen(workspace, EVENTS),
        "snapshots": lambda: SnapshotsScreen(workspace, SNAPSHOTS),
        "templates": lambda: TemplatesScreen(workspace, TEMPLATES),
        "backups": lambda: BackupsScreen(workspace, BACKUPS),
        "schedules": lambda: SchedulesScreen(workspace, SCHEDULES),
        "restores": lambda: RestoresScreen(workspace, RESTORES),
    }
    return screens[name]()
