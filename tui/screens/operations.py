"""The operations log: everything this console was asked to do, newest first, with its command and its outcome."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from hypersdk.plaintext import plain
from tui.columns import age
from tui.commands import View, bindings
from tui.journal import Entry, State
from tui.screens.dialog import Dialog
from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import Lines
from tui.workspace import Workspace


class OperationsScreen(Dialog[None]):
    """The log; it goes on while it is read."""

    BINDINGS = [one for one in bindings(View.DIALOG) if one.id in {"dialog.close", "dialog.copy"}]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace

    def compose(self) -> ComposeResult:
        """One pane that scrolls."""
        with Vertical(classes="dialog dialog--tall"):
            yield Static("Operations of this console", classes="dialog--title", markup=False)
            yield Lines(id="log")

    def on_mount(self) -> None:
        """Show and keep showing."""
        self.query_one("#log", Lines).focus()
        self.set_interval(1.0, self._show)
        self._show()

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def command_lines(self) -> list[str]:
        """The newest entry's line."""
        return [plain(entry.command) for entry in self._workspace.journal.entries[-1:]]

    def _show(self) -> None:
        entries = reversed(self._workspace.journal.entries)
        lines = [piece for entry in entries for piece in self._entry(entry)]
        self.query_one("#log", Lines).show(lines or [line(Span("Nothing was asked for yet.", Tone.DIM))])

    def _entry(self, entry: Entry) -> list[Line]:
        glyphs = self._workspace.glyphs
        sign, tone = {
            State.RUNNING: (glyphs.busy, Tone.ACCENT),
            State.DONE: (glyphs.well, Tone.OK),
            State.FAILED: (glyphs.failed, Tone.BAD),
        }[entry.state]
        ago = Span(f"{age(entry.began, self._workspace.now()):>4} ", Tone.DIM)
        return [
            line(ago, Span(f"{sign} {plain(entry.words)}", tone)),
            line(Span(f"     $ {plain(entry.command)}", Tone.DIM)),
        ]
