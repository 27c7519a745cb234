"""The serial console as a widget: keys and pasted text go to the guest or, while its history is browsed, move in it."""

from typing import ClassVar, Final

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.reactive import reactive

from tui.search import SearchAsked
from tui.terminal import keys
from tui.widgets.terminal_view import TerminalView

ASKABLE: Final = ("take", "give", "keep", "size", "raw", "device")
"""What only the screen can do: about the keyboard, the guest's idea of the size, the whole terminal, the other port."""
LEAVE: Final = "ctrl+right_square_bracket"
"""Ctrl-] as a legacy terminal sends it (0x1d), the detach key of telnet and virsh."""


def _binding(id: str, action: str) -> Binding:
    return Binding(id, action, show=False, id=id)


class SerialPane(TerminalView, can_focus=True):
    """A terminal on a guest. Typing goes to the guest; Ctrl-] leaves for browsing the history, Enter comes back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        _binding("move.up", "scroll_by(-1)"),
        _binding("move.down", "scroll_by(1)"),
        _binding("move.page_up", "page(-1)"),
        _binding("move.page_down", "page(1)"),
        _binding("move.home", "scroll_by(-1000000)"),
        _binding("move.end", "scroll_by(1000000)"),
        _binding("page.search", "search"),
        _binding("page.next", "search_on(-1)"),
        _binding("page.previous", "search_on(1)"),
        _binding("console.copy", "copy"),
        _binding("console.reset", "reset"),
        _binding("console.type", "type"),
        _binding("console.leave", "leave"),
        _binding("app.help", "app.keys"),
        *(_binding(f"console.{what}", f"ask('{what}')") for what in ASKABLE),
    ]
    """They hold while the history is browsed."""

    TAKES_EVERY_KEY = True
    """A key typed here never moves the focus by itself, so the next need not wait for it."""

    browsing = reactive(False)
    """Keys move the view instead of going to the guest."""

    class Typed(Message):
        """Bytes for the guest: keys, pasted text, or answers to its queries."""

        def __init__(self, pane: "SerialPane", data: bytes) -> None:
            super().__init__()
            self.pane = pane
            self.data = data

        @property
        def control(self) -> "SerialPane":
            """The pane that was typed into."""
            return self.pane

    class Browsed(Message):
        """From now on keys move the view, or go to the guest again."""

    class Left(Message):
        """The user is done with the console (Escape while browsing)."""

    class Asked(Message):
        """One of ASKABLE."""

        def __init__(self, what: str) -> None:
            super().__init__()
            self.what = what

    @property
    def shows_cursor(self) -> bool:
        """Only where typing goes."""
        return self.has_focus and not self.browsing

    def answer(self, replies: bytes) -> None:
        """They go where typing goes."""
        self.post_message(self.Typed(self, replies))

    def on_key(self, event: events.Key) -> None:
        """Everything goes to the guest, but for the key that leaves; while browsing, keys mean what the keymap says."""
        if event.key == LEAVE:
            self.browsing = not self.browsing
        elif self.browsing:
            return
        elif data := keys.encode(event.key, event.character, self.emulator.application_cursor):
            self.to_newest()
            self.post_message(self.Typed(self, data))
        event.stop()
        event.prevent_default()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """No key means what it means on the screen around: `d` in a console deletes nothing."""
        return True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key but one has a meaning of its own while keys go to the guest."""
        return self.browsing

    def on_paste(self, event: events.Paste) -> None:
        """Pasted text, without anything that the guest could take for a command of the terminal."""
        event.stop()
        self.post_message(self.Typed(self, keys.paste(event.text, self.emulator.bracketed_paste)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Towards older output."""
        event.stop()
        self.scroll_history(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Towards newer output."""
        event.stop()
        self.scroll_history(3)

    def on_focus(self) -> None:
        """The cursor is drawn where typing goes."""
        self.paint_all()

    def on_blur(self) -> None:
        """The cursor is drawn only where typing goes."""
        self.paint_all()

    def watch_browsing(self) -> None:
        """The cursor tells whether keys go to the guest."""
        if not self.browsing:
            self.forget_search()
            self.to_newest()
        self.paint_all()
        self.post_message(self.Browsed())

    def action_search(self) -> None:
        """Ask for the words."""
        self.post_message(SearchAsked(self))

    def action_search_on(self, step: int) -> None:
        """The next line with the words, older ones first."""
        self.seek(step)

    def action_scroll_by(self, lines: int) -> None:
        """Move the view."""
        self.scroll_history(lines)

    def action_page(self, by: int) -> None:
        """A page of history."""
        self.scroll_history(by * max(1, self.emulator.rows - 1))

    def action_copy(self) -> None:
        """Copy what is in view (OSC 52)."""
        self.app.copy_to_clipboard(self.words_in_view())
        self.notify("copied what is in view")

    def action_reset(self) -> None:
        """Clear up after a guest that left the terminal in disorder."""
        self.reset()

    def action_type(self) -> None:
        """Keys go to the guest again."""
        self.browsing = False

    def action_leave(self) -> None:
        """The person is done with the console."""
        self.post_message(self.Left())

    def action_ask(self, what: str) -> None:
        """Leave it to the screen."""
        self.post_message(self.Asked(what))
