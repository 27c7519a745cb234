"""Choosing the cluster that the console shows."""

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from hypersdk.plaintext import plain
from tui.commands import View, bindings


class ContextsScreen(ModalScreen[str | None]):
    """The answer is a context of the kubeconfig, or None for no change."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS = [one for one in bindings(View.DIALOG) if one.id == "dialog.close"]

    def __init__(self, names: Sequence[str], current: str) -> None:
        super().__init__()
        self._names = names
        self._current = current

    def compose(self) -> ComposeResult:
        """The list."""
        with Vertical(classes="dialog"):
            yield Static("Context", classes="dialog--title", markup=False)
            yield OptionList(*(Option(plain(name)) for name in self._names), id="contexts", compact=True, markup=False)

    def on_mount(self) -> None:
        """The current one is where the cursor begins."""
        options = self.query_one(OptionList)
        options.highlighted = self._names.index(self._current) if self._current in self._names else 0
        options.focus()

    def action_close(self) -> None:
        """No change."""
        self.dismiss(None)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._names[event.option_index])
