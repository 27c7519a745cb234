"""Choosing the columns of the VM list."""

from collections.abc import Collection, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from tui.cells import Column
from tui.commands import View, bindings


class ColumnsScreen(ModalScreen[Sequence[str] | None]):
    """The answer is the ids of the columns, or None for no change."""

    CSS_PATH = "dialogs.tcss"
    BINDINGS = [*(one for one in bindings(View.DIALOG) if one.id in {"dialog.close", "dialog.yes"})]

    def __init__(self, known: Sequence[Column], chosen: Collection[str], hint: str) -> None:
        super().__init__()
        self._known = known
        self._chosen = chosen
        self._hint = hint

    def compose(self) -> ComposeResult:
        """A box for each."""
        with Vertical(classes="dialog"):
            yield Static("Columns", classes="dialog--title", markup=False)
            boxes = [Selection(words(one), one.id, one.id in self._chosen) for one in self._known]
            yield SelectionList[str](*boxes, id="columns", compact=True)
            yield Static(self._hint, classes="dialog--keys", markup=False)

    def on_mount(self) -> None:
        """Ready to be chosen from."""
        self.query_one(SelectionList).focus()

    def action_close(self) -> None:
        """No change."""
        self.dismiss(None)

    def action_yes(self) -> None:
        """Take what is chosen; a list without the names would be of no use."""
        chosen = {"name", *self.query_one(SelectionList).selected}
        self.dismiss([one.id for one in self._known if one.id in chosen])


def words(column: Column) -> str:
    """What the box says."""
    name = column.id.replace("-", " ")
    return name[:1].upper() + name[1:]
