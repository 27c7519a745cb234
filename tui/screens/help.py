"""Which key does what here: drawn from the active keymap and the table of commands."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.commands import LISTS, View, bindings, commands
from tui.terminal.choice import SHOWN, chosen
from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import Lines
from tui.workspace import Workspace


class HelpScreen(ModalScreen[None]):
    """The list of keys."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS = [one for one in bindings(View.DIALOG) if one.id == "dialog.close"]

    def __init__(self, workspace: Workspace, view: View) -> None:
        super().__init__()
        self._workspace = workspace
        self._view = view

    def compose(self) -> ComposeResult:
        """One pane that scrolls."""
        with Vertical(classes="dialog dialog--tall"):
            yield Static(f"Keys of the keymap {self._workspace.keymap.name!r}", classes="dialog--title", markup=False)
            yield Lines(id="help")

    def on_mount(self) -> None:
        """This view's keys first."""
        pane = self.query_one("#help", Lines)
        pane.show(self._lines())
        pane.focus()

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def _lines(self) -> list[Line]:
        views = [
            self._view,
            View.ANYWHERE,
            View.TABLE if self._view in {View.VMS, View.LIST, *LISTS} else View.PANE,
            View.DIALOG,
        ]
        lines: list[Line] = []
        for view in views:
            lines += [line(Span(str(view).upper(), Tone.ACCENT)), *self._keys(view), line()]
        emulator = SHOWN[chosen(self._workspace.options.emulator)]
        return [*lines, line(Span(f"The guest's console is shown by {emulator}.", Tone.DIM))]

    def _keys(self, view: View) -> list[Line]:
        keymap = self._workspace.keymap
        return [
            line(Span(f"  {keymap.all_shown(one.id):<16}", Tone.STRONG), f"{one.title:<16}", Span(one.help, Tone.DIM))
            for one in commands(view, read_only=self._workspace.read_only)
        ]
