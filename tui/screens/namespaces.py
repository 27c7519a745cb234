"""Choosing the namespace that the list shows."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from hypersdk.errors import HyperSDKError
from hypersdk.plaintext import plain
from tui.commands import View, bindings
from tui.workspace import ALL, Workspace


class Names(OptionList):
    """Names of which more can come while it is shown."""

    def on_resize(self) -> None:
        """What was scrolled away to show the highlight while there was less room comes back."""
        self.scroll_home(animate=False, immediate=True)
        self.scroll_to_highlight()


class NamespacesScreen(ModalScreen[str | None]):
    """The answer is a namespace, `ALL`, or None for no change."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS = [one for one in bindings(View.DIALOG) if one.id == "dialog.close"]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._names: list[str] = []

    def compose(self) -> ComposeResult:
        """The list, and why it is short when it is."""
        with Vertical(classes="dialog"):
            yield Static("Namespace", classes="dialog--title", markup=False)
            yield Names(id="namespaces", compact=True, markup=False)
            yield Static("", id="why", classes="dialog--error", markup=False)

    def on_mount(self) -> None:
        """Show what is known at once, the rest when it comes."""
        session = self._workspace.session
        self._fill({self._workspace.namespace, session.namespace if session else ALL})
        self.query_one(OptionList).focus()
        self.run_worker(self._load(), group="namespaces", exclusive=True)

    def action_close(self) -> None:
        """No change."""
        self.dismiss(None)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._names[event.option_index])

    def _fill(self, names: set[str]) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted
        chosen = self._workspace.namespace if at is None else self._names[at]
        self._names = [ALL, *sorted(names - {ALL})]
        options.clear_options()
        options.add_options([Option(plain(name) or "all namespaces") for name in self._names])
        options.highlighted = self._names.index(chosen)

    async def _load(self) -> None:
        session = self._workspace.session
        if session is None:
            return
        try:
            self._fill({*await session.namespaces(), *self._names})
        except HyperSDKError as error:
            self.query_one("#why", Static).update(f"The namespaces cannot be listed: {plain(str(error))}")
