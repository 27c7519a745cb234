"""Why is this VM not well? The sentence, the verb that mends it under one key, and the chain behind it."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from hypersdk.plaintext import plain
from hypersdk.verbs.table import verb
from hypersdk.why.diagnosis import Diagnosis
from hypersdk.why.verdict import diagnose
from tui.cells import Key
from tui.commands import View, bindings
from tui.diagnosis import facts, page
from tui.screens.dialog import Dialog
from tui.tone import Line, Span, Tone, line
from tui.widgets.lines import Lines
from tui.workspace import Workspace


class WhyScreen(Dialog[str | None]):
    """The answer is the id of the verb that was asked for, or None; it stays up to date while it is read."""

    BINDINGS = [
        one for one in bindings(View.DIALOG) if one.id in {"dialog.close", "dialog.yes", "dialog.no", "dialog.copy"}
    ]

    def __init__(self, workspace: Workspace, key: Key) -> None:
        super().__init__()
        self._workspace = workspace
        self._key = key
        self._found: Diagnosis | None = None
        self._command = ""

    def compose(self) -> ComposeResult:
        """One pane that scrolls."""
        with Vertical(classes="dialog dialog--tall"):
            yield Static(f"Why: {plain(self._key[1])}", classes="dialog--title", markup=False)
            yield Lines(id="why")

    def on_mount(self) -> None:
        """Show and keep showing."""
        self.query_one("#why", Lines).focus()
        self.set_interval(1.0, self._show)
        self._show()

    def action_close(self) -> None:
        """Close."""
        self.dismiss(None)

    def action_yes(self) -> None:
        """Do what mends it, in the way that its danger demands."""
        if self._found is not None and self._found.mend.verb and not self._workspace.read_only:
            self.dismiss(self._found.mend.verb)

    def command_lines(self) -> list[str]:
        """The line that mends it."""
        return [plain(self._command)] if self._command else []

    def _show(self) -> None:
        self.query_one("#why", Lines).show(self._page())

    def _page(self) -> list[Line]:
        workspace, feed = self._workspace, self._workspace.feed
        vm = feed.vms.get(*self._key) if feed else None
        if feed is None or vm is None:
            self._found = None
            return [line(Span(f"{plain(self._key[1])} does not exist any more.", Tone.BAD))]
        found = self._found = diagnose(facts(vm, feed, workspace.now()))
        self._command = ""
        if found.mend.verb and not workspace.read_only:
            self._command = " ".join(verb(found.mend.verb).command(vm, {"force": True} if found.mend.force else {}))
        stale = workspace.stale()
        head = [line(Span(f"{workspace.glyphs.failed} {plain(stale)}", Tone.BAD))] if stale else []
        return [*head, *page(found, self._command, workspace.keymap.shown("dialog.yes"), workspace.glyphs)]
