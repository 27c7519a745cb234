"""Keys that arrive in one burst have the same effect as keys typed one by one."""

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tests.tui.builders import vm
from tests.tui.screen import console
from tests.tui.screen import until as shown
from tests.tui.scripted import ScriptedSession
from tui.typeahead import TypeAheadApp


class Ask(ModalScreen[None]):
    """A dialog with one field."""

    def compose(self) -> ComposeResult:
        """The field."""
        yield Input(id="answer")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()


class Rows(Static, can_focus=True):
    """What takes the keys once the field is left."""


class Sample(TypeAheadApp):
    """A filter line, a dialog, and a key that must not be pressed by accident."""

    BINDINGS: ClassVar[list[BindingType]] = [("slash", "filter"), ("a", "ask"), ("d", "danger")]

    def __init__(self) -> None:
        super().__init__()
        self.dangers = 0

    def compose(self) -> ComposeResult:
        """A list that has no field, and a field."""
        yield Rows("list")
        yield Input(id="filter", disabled=True)

    def action_filter(self) -> None:
        """To the field."""
        field = self.query_one("#filter", Input)
        field.disabled = False
        field.focus()

    @on(Input.Submitted)
    def _entered(self) -> None:
        self.query_one(Rows).focus()

    def action_ask(self) -> None:
        """Open the dialog."""
        self.push_screen(Ask())

    def action_danger(self) -> None:
        """What happens to somebody whose keys overtake."""
        self.dangers += 1


def burst(app: Sample, text: str) -> None:
    for character in text:
        name = {"/": "slash", "\n": "enter"}.get(character, character)
        app.post_message(events.Key(name, character if character.isprintable() else None))


def answer(app: Sample) -> str:
    return "".join(field.value for field in app.screen.query("#answer").results(Input))


async def until(pilot: Pilot[None], happened: Callable[[], bool]) -> None:
    for _ in range(200):
        if happened():
            return
        await pilot.pause()
    raise AssertionError(f"it did not happen in {pilot.app!r}")


async def test_a_burst_goes_to_the_field_that_its_first_key_opens() -> None:
    app = Sample()
    async with app.run_test() as pilot:
        burst(app, "/add\n")
        await until(pilot, lambda: app.query_one("#filter", Input).value == "add")
        assert app.dangers == 0


async def test_a_key_after_enter_goes_to_what_enter_led_to() -> None:
    app = Sample()
    async with app.run_test() as pilot:
        burst(app, "/add\nd")
        await until(pilot, lambda: app.dangers == 1)
        assert app.query_one("#filter", Input).value == "add"


async def test_a_burst_goes_to_the_dialog_that_its_first_key_opens() -> None:
    app = Sample()
    async with app.run_test() as pilot:
        burst(app, "addda")
        await until(pilot, lambda: answer(app) == "ddda")
        assert app.dangers == 0


async def test_keys_go_on_when_the_field_goes_away() -> None:
    app = Sample()
    async with app.run_test() as pilot:
        burst(app, "/")
        await until(pilot, lambda: app.focused is app.query_one("#filter"))
        burst(app, "\nd")
        await app.query_one("#filter").remove()
        await until(pilot, lambda: app.dangers == 1)


async def test_keys_that_open_nothing_are_all_done() -> None:
    app = Sample()
    async with app.run_test() as pilot:
        burst(app, "d" * 20)
        await until(pilot, lambda: app.dangers == 20)


async def test_a_key_right_after_enter_is_the_lists() -> None:
    session = ScriptedSession(objects=[vm("web-1"), vm("web-2"), vm("db-1")])
    async with console(session) as pilot:
        await shown(pilot, "web-2")
        await pilot.press("slash", *"web")
        await shown(pilot, "db-1", gone=True)
        for key, character in (("enter", "\r"), ("j", "j")):
            pilot.app.post_message(events.Key(key, character))
        assert "▶ web-2" in await shown(pilot, "2/2")
