"""A field of a dialog for which names can be offered: typed, or chosen by the arrows."""

from collections.abc import Sequence

from textual.binding import Binding
from textual.widgets import Input


class Choice(Input):
    """Up and down go through the names; what is typed may be another one."""

    BINDINGS = [
        Binding("down", "step(1)", "Next", show=False),
        Binding("up", "step(-1)", "Previous", show=False),
    ]

    names: Sequence[str] = ()
    """Those that are offered now."""

    def action_step(self, by: int) -> None:
        """The next name, or the one before; from what was typed on, the first of those that begin with it."""
        if not self.names:
            return
        if self.value in self.names:
            at = (self.names.index(self.value) + by) % len(self.names)
        else:
            begun = [name for name in self.names if name.startswith(self.value)] or self.names
            at = self.names.index(begun[0 if by > 0 else -1])
        self.value = self.names[at]
        self.cursor_position = len(self.value)
