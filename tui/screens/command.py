"""The line that is typed after `:`, at the bottom of whatever is shown; Tab or → takes the suggestion."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Input, Static

from tui.command_line import completions
from tui.commands import View, bindings


class Completer(Suggester):
    """Suggests the likeliest whole line."""

    def __init__(self, vms: Sequence[str], namespaces: Sequence[str], contexts: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._names = (vms, namespaces, contexts)

    async def get_suggestion(self, value: str) -> str | None:
        """The likeliest line that begins with what was typed."""
        return next(iter(completions(value, *self._names)), None) if value else None


class CommandScreen(ModalScreen[str]):
    """The answer is the line; empty when it was left."""

    CSS_PATH = "command.tcss"
    BINDINGS = [*(one for one in bindings(View.DIALOG) if one.id == "dialog.close"), ("tab", "complete", "Complete")]

    def __init__(self, vms: Sequence[str], namespaces: Sequence[str], contexts: Sequence[str]) -> None:
        super().__init__()
        self._completer = Completer(vms, namespaces, contexts)

    def compose(self) -> ComposeResult:
        """A sign and the line."""
        with Horizontal(id="command-line"):
            yield Static(":", id="command-sign", markup=False)
            yield Input(id="command", compact=True, suggester=self._completer)

    def on_mount(self) -> None:
        """Ready to be typed into."""
        self.query_one(Input).focus()

    def action_close(self) -> None:
        """Leave and ask for nothing."""
        self.dismiss("")

    def action_complete(self) -> None:
        """Take the suggestion."""
        self.query_one(Input).action_cursor_right()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)
