"""The form for a new VM."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from hypersdk.errors import HyperSDKError
from hypersdk.model.base import JsonObject
from hypersdk.plaintext import plain
from tui.commands import View, bindings
from tui.creation import Wish
from tui.workspace import Workspace

FIELDS = {"name": "", "image": "demo", "cpus": "1", "memory": "512Mi"}


class CreateScreen(ModalScreen[None]):
    """Name, image, vCPUs, memory; Enter goes on and, from the last field, creates."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS = [one for one in bindings(View.DIALOG) if one.id == "dialog.close"]

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        session = workspace.session
        self._is_busy = False
        self._namespace = workspace.namespace or (session.namespace if session else "default")

    def compose(self) -> ComposeResult:
        """The fields, the command that does the same, and what is wrong."""
        with Vertical(classes="dialog"):
            yield Static(f"Create a VM in {plain(self._namespace)}", classes="dialog--title", markup=False)
            for field, value in FIELDS.items():
                with Horizontal(classes="field"):
                    yield Static(field, markup=False)
                    yield Input(value, id=field, compact=True)
            yield Static("", id="command", classes="dialog--command", markup=False)
            yield Static("", id="wrong", classes="dialog--error", markup=False)
            yield Static(f"tab next field   enter create   {self._workspace.keymap.shown('dialog.close')} leave",
                         classes="dialog--keys", markup=False)  # fmt: skip

    def on_mount(self) -> None:
        """Begin with the name."""
        self.query_one("#name", Input).focus()
        self._show_command()

    def action_close(self) -> None:
        """Create nothing."""
        self.dismiss(None)

    @on(Input.Changed)
    def _show_command(self) -> None:
        self.query_one("#command", Static).update(f"$ {plain(self._command)}")

    @on(Input.Submitted)
    def _submit(self) -> None:
        try:
            manifest = self._wish.manifest()
        except HyperSDKError as error:
            self.query_one("#wrong", Static).update(str(error))
            return
        if not self._is_busy:
            # The app's, as the verbs: left with this dialog it would be cut off, and nobody would know what came of it.
            self.app.run_worker(self._create(manifest), group="verbs", exclusive=False)

    @property
    def _wish(self) -> Wish:
        return Wish(**{field: self.query_one(f"#{field}", Input).value.strip() for field in FIELDS})

    @property
    def _command(self) -> str:
        return f"{self._wish.command} -n {self._namespace}"

    async def _create(self, manifest: JsonObject) -> None:
        session, journal = self._workspace.session, self._workspace.journal
        name = self._wish.name
        if session is None:
            return
        entry = journal.begin("Create", name, self._command)
        self._is_busy = True
        self._say(f"creating {name} …")
        try:
            await session.create(self._namespace, manifest)
        except HyperSDKError as error:
            journal.end(entry, False, str(error))
            self._say(str(error))
        else:
            journal.end(entry, True, f"{name} is created; the list shows how it starts")
            if self.is_current:
                self.dismiss(None)
        self._is_busy = False

    def _say(self, words: str) -> None:
        if self.is_attached:
            self.query_one("#wrong", Static).update(plain(words))
