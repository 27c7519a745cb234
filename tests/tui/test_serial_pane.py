"""The serial pane in a running app: what is shown, what is sent, and that it stays usable."""

import asyncio

from textual.app import App, ComposeResult

from hypersdk.data import data_folder
from tui.commands import IDS
from tui.keymap import load_keymap
from tui.widgets.serial import SerialPane


class Holder(App[None]):
    """An app with nothing but a pane; it remembers what was typed."""

    def __init__(self) -> None:
        super().__init__()
        self.typed: list[bytes] = []
        self.left = False
        self.set_keymap(dict(load_keymap("default", [data_folder("keymaps")], IDS).keys))

    def compose(self) -> ComposeResult:
        """One pane."""
        yield SerialPane()

    @property
    def pane(self) -> SerialPane:
        """The pane."""
        return self.query_one(SerialPane)

    def on_serial_pane_typed(self, event: SerialPane.Typed) -> None:
        """Remember."""
        self.typed.append(event.data)

    def on_serial_pane_left(self, event: SerialPane.Left) -> None:
        """Remember."""
        self.left = True


def shown(pane: SerialPane) -> list[str]:
    return [pane.render_line(y).text.rstrip() for y in range(pane.size.height)]


async def test_guest_output_is_shown_and_typing_is_sent() -> None:
    async with Holder().run_test(size=(40, 6)) as pilot:
        app = pilot.app
        assert isinstance(app, Holder)
        app.pane.focus()
        await app.pane.feed(b"boot\r\n\x1b[32mlogin:\x1b[0m ")
        await pilot.press("l", "s", "enter", "up", "ctrl+c", "escape")
        assert shown(app.pane)[:2] == ["boot", "login:"]
        assert b"".join(app.typed) == b"ls\r\x1b[A\x03\x1b"


async def test_queries_are_answered_live_and_not_from_history() -> None:
    async with Holder().run_test(size=(40, 6)) as pilot:
        app = pilot.app
        assert isinstance(app, Holder)
        await app.pane.feed(b"\x1b[6n", live=False)
        await pilot.pause()
        assert app.typed == []
        await app.pane.feed(b"\x1b[6n")
        await pilot.pause()
        assert app.typed == [b"\x1b[1;1R"]


async def test_leave_key_browses_history_and_enter_returns() -> None:
    async with Holder().run_test(size=(40, 4)) as pilot:
        app = pilot.app
        assert isinstance(app, Holder)
        app.pane.focus()
        await app.pane.feed(b"\r\n".join(b"line %d" % n for n in range(20)))
        await pilot.press("ctrl+right_square_bracket", "pageup", "x")
        assert shown(app.pane) == ["line 13", "line 14", "line 15", "line 16"]
        assert app.typed == []
        await pilot.press("enter", "x")
        assert shown(app.pane)[-1] == "line 19"
        assert app.typed == [b"x"]
        await pilot.press("ctrl+right_square_bracket", "escape")
        assert app.left


async def test_a_flood_of_output_leaves_the_newest_lines_on_the_screen() -> None:
    async with Holder().run_test(size=(40, 4)) as pilot:
        app = pilot.app
        assert isinstance(app, Holder)
        await app.pane.feed(b"".join(b"%d\r\n" % n for n in range(20_000)))
        await pilot.pause()
        assert shown(app.pane) == ["19997", "19998", "19999", ""]


async def test_resize_follows_the_widget() -> None:
    async with Holder().run_test(size=(40, 6)) as pilot:
        app = pilot.app
        assert isinstance(app, Holder)
        await app.pane.feed("wide 数据\r\n".encode() * 3)
        for size in ((20, 5), (8, 2)):
            await pilot.resize_terminal(*size)
            async with asyncio.timeout(8):
                while (app.pane.emulator.columns, app.pane.emulator.rows) != size:
                    await pilot.pause()
        assert all(app.pane.render_line(y).cell_length == 8 for y in range(2))
