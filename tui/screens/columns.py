"""Choosing the columns of the VM list."""

from collections.abc import Collection, Sequence

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import SelectionList, Static
from textual.widgets.selection_list import Selection

from tui.cells import Column
from tui.commands import View, bindings


class Boxes(SelectionList[str]):
    """Boxes that read the same without colour: `[x]`; Textual's own differ by colour alone."""

    def render_line(self, y: int) -> Strip:
        """The box, and what it stands for."""
        drawn, at = list(super().render_line(y)), self.scroll_offset.y + y
        if at >= self.option_count or len(drawn) < len("[x]"):
            return Strip(drawn)
        sign = "x" if self.get_option_at_index(at).value in self.selected else " "
        box = [Segment(text, drawn[3].style) for text in ("[", sign, "]")]
        return Strip([*box, *drawn[3:]])


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
        with Vertical(classes="dialog dialog--list"):
            yield Static("Columns", classes="dialog--title", markup=False)
            boxes = [Selection(words(one), one.id, one.id in self._chosen) for one in self._known]
            yield Boxes(*boxes, id="columns", compact=True)
            yield Static(self._hint, classes="dialog--keys", markup=False)

    def on_mount(self) -> None:
        """Ready to be chosen from."""
        self.query_one(Boxes).focus()

    def action_close(self) -> None:
        """No change."""
        self.dismiss(None)

    def action_yes(self) -> None:
        """Take what is chosen; a list without the names would be of no use."""
        chosen = {"name", *self.query_one(Boxes).selected}
        self.dismiss([one.id for one in self._known if one.id in chosen])


def words(column: Column) -> str:
    """What the box says."""
    name = column.id.replace("-", " ")
    return name.upper() if name in {"cpu", "ip"} else (name[:1].upper() + name[1:]).replace("Cpu", "CPU")
