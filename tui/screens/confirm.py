"""Asking before something is done: what, to which objects, with which command, and how sure one must be."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.markup import escape
from textual.widgets import Input, Static

from hypersdk.model.base import Resource
from hypersdk.plaintext import plain
from hypersdk.verbs.verb import Danger, Deed, Param, Values
from tui.commands import View, bindings
from tui.keymap import Keymap
from tui.offers import Offers
from tui.screens.dialog import Dialog
from tui.widgets.choice import Choice
from tui.widgets.option import Option

R = TypeVar("R", bound=Resource)
NEEDED, OPTIONAL = "(needed)", "(may be left out)"
LISTED = 6
"""So many are named; the rest is counted."""


class ConfirmScreen(Dialog[Values | None], Generic[R]):
    """A question; the answer is the values of the verb's parameters, or None for no."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(View.DIALOG)]

    def __init__(
        self,
        deed: Deed[R],
        items: Sequence[R],
        refused: Sequence[str],
        keymap: Keymap,
        offers: Offers | None = None,
    ) -> None:
        super().__init__()
        self._offers = offers or Offers(None, items)
        self._stops: list[Callable[[], None]] = []
        self._deed = deed
        self._items = items
        self._refused = refused
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """The question, the plan, the options, the command, and the way to say yes."""
        with Vertical(classes="dialog") as box:
            box.border_subtitle = escape(self._ways())  # always in view, however small the terminal
            yield Static(f"{self._deed.title} {plain(self._wanted)}?", classes="dialog--title", markup=False)
            yield Static("\n".join(self._plan()), markup=False)
            for param in self._deed.params:
                yield from _asked(param)
            yield Static(self._command(), id="command", classes="dialog--command", markup=False)
            if self._deed.danger is Danger.NAME:
                yield Static(f"Type {self._wanted!r} to confirm:", markup=False)
                yield Input(id="name", placeholder=NEEDED, compact=True)

    def on_mount(self) -> None:
        """What is to be typed is typed at once; where nothing is, keys answer."""
        for first in self.query(Input):
            first.focus()
            break
        for param in self._offering():
            if (stop := self._offers.subscribe(param, self._offers_moved)) is not None:
                self._stops.append(stop)
        self._offer()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        for stop in self._stops:
            stop()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What loses something for good takes the typed name, never a single key."""
        return not (action == "yes" and self._deed.danger is Danger.NAME)

    def action_yes(self) -> None:
        """Do it, once all is there."""
        self._go_on()

    def action_close(self) -> None:
        """Do not."""
        self.dismiss(None)

    def action_toggle_option(self) -> None:
        """Turn the first option on or off."""
        for option in self.query(Option).results():
            option.action_switch()
            break

    def on_option_changed(self) -> None:
        """The command says the options, too."""
        self.query_one("#command", Static).update(self._command())

    def on_input_changed(self) -> None:
        """And what is typed."""
        self.query_one("#command", Static).update(self._command())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter goes on to what is missing; a yes once all is there, and only the right name where it is asked."""
        if event.input.id == "name" and event.value.strip() != self._wanted:
            event.input.value = ""
            event.input.placeholder = f"that was not {self._wanted}"
        else:
            self._go_on(is_named=event.input.id == "name")

    def on_option_entered(self) -> None:
        """Enter on an option is what it is in a field."""
        self._go_on()

    def command_lines(self) -> list[str]:
        """A line for each VM."""
        return [plain(" ".join(self._deed.command(one, self._values()))) for one in self._items]

    def _go_on(self, *, is_named: bool = False) -> None:
        if (empty := self._missing()) is not None:
            empty.focus()
        elif self._deed.danger is Danger.NAME and not is_named:
            self.query_one("#name", Input).focus()
        else:
            self.dismiss(self._values())

    def _offering(self) -> list[Param]:
        return [param for param in self._deed.params if param.names]

    def _offers_moved(self, _: object) -> None:
        self.call_later(self._offer)

    def _offer(self) -> None:
        """Show the names that there are for a field, below it."""
        if not self.is_attached:
            return
        for param in self._offering():
            names = self._offers.names(param)
            self.query_one(f"#value-{param.name}", Choice).names = names
            more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
            words = f"  up/down: {plain(', '.join(names[:LISTED]))}{more}" if names else self._offers.none(param)
            line = self.query_one(f"#names-{param.name}", Static)
            line.display = bool(words)
            line.update(words)

    @property
    def _wanted(self) -> str:
        return self._items[0].metadata.name if len(self._items) == 1 else f"{len(self._items)} {self._deed.things}"

    def _values(self) -> Values:
        typed = {f"value-{param.name}": param for param in self._deed.params if param.type != "bool"}
        values: dict[str, str | int | bool] = {}
        for field in self.query(Input):
            if (param := typed.get(field.id or "")) and (text := field.value.strip()):
                values[param.name] = int(text) if param.type == "int" and text.isdecimal() else text
        return values | {option.name: True for option in self.query(Option) if option.is_on and option.name}

    def _missing(self) -> Input | None:
        """The first field that must have a value and has none."""
        needed = [f"value-{param.name}" for param in self._deed.params if param.required and param.type != "bool"]
        return next((field for field in self.query(Input) if field.id in needed and not field.value.strip()), None)

    def _plan(self) -> list[str]:
        lines = [self._deed.help + ":"]
        lines += [f"  {plain('/'.join(filter(None, one.key)))}" for one in self._items[:LISTED]]
        if len(self._items) > LISTED:
            lines.append(f"  and {len(self._items) - LISTED} more")
        lines += [f"  left out: {plain(reason)}" for reason in self._refused[:3]]
        if len(self._refused) > 3:
            lines.append(f"  left out: {len(self._refused) - 3} more")
        return lines

    def _command(self) -> str:
        values = self._values() if self.is_mounted else {}
        others = f"\n  and one like it for each of the other {len(self._items) - 1}" if len(self._items) > 1 else ""
        return "$ " + plain(" ".join(self._deed.command(self._items[0], values))) + others

    def _ways(self) -> str:
        close, copy = self._keymap.shown("dialog.close"), f"{self._keymap.shown('dialog.copy')} copy"
        if self._deed.danger is Danger.NAME:
            return f"enter confirm   {close} leave   {copy}"
        if any(param.type != "bool" for param in self._deed.params):
            return f"enter yes   tab next   {close} leave   {copy}"
        toggle = f"   {self._keymap.shown('dialog.toggle')} option" if self._deed.params else ""
        return f"{self._keymap.shown('dialog.yes')} yes   {self._keymap.shown('dialog.no')} no{toggle}   {copy}"


def _asked(param: Param) -> ComposeResult:
    if param.type == "bool":
        yield Option(param.name, f"{param.name}: {param.help}")
        return
    yield Static(f"{param.name}: {param.help}", markup=False)
    hint, id = NEEDED if param.required else OPTIONAL, f"value-{param.name}"
    if param.names:
        yield Choice(id=id, placeholder=hint, compact=True)
        yield Static("", id=f"names-{param.name}", markup=False)
        return
    yield Input(id=id, placeholder=hint, type="integer" if param.type == "int" else "text", compact=True)
