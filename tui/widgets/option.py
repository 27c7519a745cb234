"""A yes or no within a dialog that reads the same without colour: `[x] force`."""

from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static


class Option(Static, can_focus=True):
    """An option that Space turns on and off."""

    BINDINGS = [
        Binding("space", "switch", "Switch", show=False),
        Binding("enter", "enter", "Go on", show=False),
    ]

    is_on: reactive[bool] = reactive(False)
    """Whether it is chosen."""

    class Changed(Message):
        """It was turned on or off."""

    class Entered(Message):
        """Enter was pressed on it, which leaves it as it is."""

    def __init__(self, name: str, words: str) -> None:
        super().__init__(name=name, markup=False)
        self._words = words

    def on_mount(self) -> None:
        """Show it off."""
        self.watch_is_on(self.is_on)

    def watch_is_on(self, is_on: bool) -> None:
        """Say the new state."""
        self.update(f"[{'x' if is_on else ' '}] {self._words}")
        self.post_message(self.Changed())

    def action_switch(self) -> None:
        """On when off, off when on."""
        self.is_on = not self.is_on

    def action_enter(self) -> None:
        """Go on, as from a field."""
        self.post_message(self.Entered())

    def on_click(self) -> None:
        """The mouse does the same."""
        self.action_switch()
