"""Everything a key or the palette can ask for, in one table: the verbs of the VM, and the console's own moves."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from textual.binding import Binding

from hypersdk.verbs.deeds import (
    OF_BACKUPS,
    OF_NODES,
    OF_OPERATIONS,
    OF_RESTORES,
    OF_SCHEDULES,
    OF_SNAPSHOTS,
    OF_TEMPLATES,
)
from hypersdk.verbs.table import VERBS


class View(StrEnum):
    """Where a command makes sense."""

    ANYWHERE = "anywhere"
    VMS = "VM list"
    DETAIL = "VM detail"
    LIST = "other lists"
    NODES = "node list"
    OPERATIONS = "operation list"
    SNAPSHOTS = "snapshot list"
    TEMPLATES = "template list"
    BACKUPS = "backup list"
    SCHEDULES = "schedule list"
    RESTORES = "restore list"
    PAGE = "pages"
    TABLE = "tables"
    PANE = "text panes"
    CONSOLE = "console, after ^]"
    DIALOG = "dialogs"


@dataclass(frozen=True)
class Command:
    """One command: `id` is its name in keymaps, `action` what Textual runs."""

    id: str
    title: str
    help: str
    action: str
    views: frozenset[View]
    hint: bool = False
    """Whether the line of keys at the bottom shows it."""
    writes: bool = False
    """Whether it changes anything; read-only mode leaves it out."""


def _command(id: str, title: str, help: str, action: str, *views: View, hint: bool = False) -> Command:
    return Command(id, title, help, action, frozenset(views), hint)


_VERBS: Final = tuple(
    Command(
        verb.id, verb.title, verb.help, f"verb('{verb.id}')", frozenset({View.VMS, View.DETAIL}), verb.is_common, True
    )
    for verb in VERBS
)
_DEEDS: Final = tuple(
    Command(one.id, one.title, one.help, f"deed('{one.id}')", frozenset({view}), one.is_common, True)
    for view, deeds in (
        (View.NODES, OF_NODES),
        (View.OPERATIONS, OF_OPERATIONS),
        (View.SNAPSHOTS, OF_SNAPSHOTS),
        (View.TEMPLATES, OF_TEMPLATES),
        (View.BACKUPS, OF_BACKUPS),
        (View.SCHEDULES, OF_SCHEDULES),
        (View.RESTORES, OF_RESTORES),
    )
    for one in deeds
)
_CREATE: Final = Command(
    "vm.create", "Create", "make a new VM", "create", frozenset({View.VMS}), hint=True, writes=True
)
_SORTS: Final = tuple(
    _command(
        f"sort.{column}", f"Sort by {column}", f"sort the list by {column}", f"sort('{column}')", View.VMS, View.LIST
    )
    for column in ("name", "status", "cpu", "memory", "node", "age")
)
TABS: Final = ("overview", "metrics", "console", "events", "yaml", "disks", "log")
"""The tabs of the detail, in the order of their numbers."""
_TABS: Final = tuple(
    _command(f"tab.{number}", tab.capitalize(), f"show the tab {tab!r}", f"tab({number})", View.DETAIL)
    for number, tab in enumerate(TABS, 1)
)
_CONSOLE: Final = tuple(
    _command(f"console.{id}", title, help, "", View.CONSOLE)
    for id, title, help in (
        ("type", "Type", "keys go to the guest again"),
        ("leave", "Leave", "leave the console; the guest runs on"),
        ("take", "Take", "ask whoever types for the keyboard"),
        ("give", "Give", "hand the keyboard to who asks for it"),
        ("keep", "Keep", "refuse it"),
        ("copy", "Copy", "copy what is in view to the clipboard (OSC 52)"),
        ("size", "Size", "type the size of this pane into the guest's shell"),
        ("device", "Device", "the other console: serial port (ttyS0) or virtio console (hvc0)"),
        ("raw", "Raw", "give the whole terminal to the guest; ^] comes back"),
        ("reset", "Reset", "clear up after a guest that left the screen in disorder"),
    )
)
COMMANDS: Final[tuple[Command, ...]] = (
    _command("vm.detail", "Detail", "open the VM under the cursor", "detail", View.VMS),
    _command("vm.console", "Console", "go to the serial console", "console", View.VMS, View.DETAIL, hint=True),
    _command("vm.why", "Why", "why this VM is not well, and what helps", "why", View.VMS, View.DETAIL, hint=True),
    *_VERBS,
    *_DEEDS,
    _CREATE,
    _command("view.filter", "Filter", "show only some rows, as you type", "filter", View.VMS, View.LIST, hint=True),
    _command("view.namespace", "Namespace", "switch the namespace", "app.namespace", View.VMS, View.LIST),
    _command("view.context", "Context", "switch to another cluster of the kubeconfig", "app.context", View.ANYWHERE),
    _command("view.vms", "VMs", "the list of VMs", "app.show('vms')", View.ANYWHERE),
    _command("view.nodes", "Nodes", "the hypervisor hosts", "app.show('nodes')", View.ANYWHERE),
    _command(
        "view.history", "VMOperations", "what was done to VMs, by anybody", "app.show('operations')", View.ANYWHERE
    ),
    _command("view.events", "Events", "what the controllers wrote", "app.show('events')", View.ANYWHERE),
    _command("view.snapshots", "Snapshots", "VMs as they were", "app.show('snapshots')", View.ANYWHERE),
    _command("view.templates", "Templates", "what VMs can be made of", "app.show('templates')", View.ANYWHERE),
    _command("view.backups", "Backups", "what was stored outside the nodes", "app.show('backups')", View.ANYWHERE),
    _command("view.schedules", "Schedules", "when backups are made", "app.show('schedules')", View.ANYWHERE),
    _command("view.restores", "Restores", "which backups became VMs again", "app.show('restores')", View.ANYWHERE),
    _command("view.columns", "Columns", "choose the columns of the list", "columns", View.VMS),
    _command("view.unmark", "Unmark", "take every mark off, then the filter", "unmark", View.VMS),
    _command("list.leave", "Back", "take every mark off, then the filter, then leave", "unmark", View.LIST, hint=True),
    *_SORTS,
    *_TABS,
    _command("tab.next", "Next tab", "show the next tab", "step_tab(1)", View.DETAIL),
    _command("tab.previous", "Previous tab", "show the tab before", "step_tab(-1)", View.DETAIL),
    _command("view.back", "Back", "back to where you came from", "back", View.DETAIL, View.PAGE, hint=True),
    _command("view.operations", "Operations", "what was done and what came of it", "app.operations", View.ANYWHERE),
    _command(
        "app.command",
        "Command",
        "type a command: a list, ns, ctx, a verb, a VM",
        "app.command",
        View.ANYWHERE,
        hint=True,
    ),
    _command("app.palette", "Palette", "find a command by name", "app.command_palette", View.ANYWHERE),
    _command("app.help", "Help", "this list of keys", "app.keys", View.ANYWHERE, hint=True),
    _command("app.quit", "Quit", "leave the console; VMs run on", "app.quit", View.ANYWHERE, hint=True),
    _command("move.up", "Up", "one line up", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("move.down", "Down", "one line down", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("move.page_up", "Page up", "one page up", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("move.page_down", "Page down", "one page down", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("move.home", "First", "to the first line", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("move.end", "Last", "to the last line", "", View.TABLE, View.PANE, View.CONSOLE),
    _command("page.search", "Search", "look for words", "", View.PANE, View.CONSOLE),
    _command(
        "page.next", "Next", "the next place with the words; in a console the older one", "", View.PANE, View.CONSOLE
    ),
    _command("page.previous", "Previous", "the place before", "", View.PANE, View.CONSOLE),
    *_CONSOLE,
    _command("table.choose", "Open", "open the row under the cursor", "", View.TABLE),
    _command("table.mark", "Mark", "mark or unmark a row for a bulk action", "", View.TABLE),
    _command("table.mark_range", "Mark range", "mark every row from the last mark to here", "", View.TABLE),
    _command("table.mark_all", "Mark all", "mark every row that is shown", "", View.TABLE),
    _command("dialog.close", "Close", "leave the dialog and change nothing", "close", View.DIALOG),
    _command("dialog.yes", "Yes", "do it", "yes", View.DIALOG),
    _command("dialog.no", "No", "do not do it", "close", View.DIALOG),
    _command("dialog.copy", "Copy", "copy the hyperctl line that does the same", "copy", View.DIALOG),
    _command("dialog.toggle", "Option", "turn the first option on or off", "toggle_option", View.DIALOG),
)
IDS: Final = frozenset(command.id for command in COMMANDS)


LISTS: Final = frozenset(
    {View.NODES, View.OPERATIONS, View.SNAPSHOTS, View.TEMPLATES, View.BACKUPS, View.SCHEDULES, View.RESTORES}
)
"""Lists that have commands of their own beside those of every list."""


def commands(*views: View, read_only: bool = False) -> list[Command]:
    """The commands of these views, in the order of the table."""
    wanted = frozenset(views) | (frozenset({View.LIST}) if LISTS & frozenset(views) else frozenset())
    return [one for one in COMMANDS if one.views & wanted and not (one.writes and read_only)]


def bindings(view: View) -> list[Binding]:
    """The bindings of a screen or the app; the keymap puts the keys in the place of the ids."""
    own = [one for one in COMMANDS if view in one.views]
    return [Binding(one.id, one.action, one.title, id=one.id, show=False) for one in own if one.action]
