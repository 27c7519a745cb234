"""The console of a VM: history, search, the keyboard between two people, the other device, a long text."""

import asyncio

import pytest

from hypersdk.errors import Unreachable
from hypersdk.kube.streams import ConsoleState
from tests.tui.builders import vm
from tests.tui.screen import console, text, until
from tests.tui.scripted import ScriptedSession
from tui.search import NEWER, OLDER, find
from tui.terminal.drawing import with_matches
from tui.terminal.emulator import PLAIN
from tui.typist import SLICE, Typist

LINES = ["boot", "error one", "fine", "Error two", "end"]
LEAVE = "ctrl+right_square_bracket"


def talking(*said: bytes, **state: object) -> ScriptedSession:
    session = ScriptedSession(objects=[vm("web-1")])
    first = ConsoleState.model_validate({"connected": True, "writable": True} | state)
    session.link.heard.put_nowait(first.model_dump_json(by_alias=True))
    for one in said:
        session.link.heard.put_nowait(one)
    return session


def tell(session: ScriptedSession, **state: object) -> None:
    said = ConsoleState.model_validate({"connected": True} | state)
    session.link.heard.put_nowait(said.model_dump_json(by_alias=True))


@pytest.mark.parametrize(
    ("needle", "start", "step", "found"),
    [
        pytest.param("error", 4, OLDER, 3, id="the newest, capitals or not"),
        pytest.param("error", 2, OLDER, 1, id="an older one"),
        pytest.param("error", 0, OLDER, 3, id="around the top"),
        pytest.param("error", 4, NEWER, 1, id="around the bottom"),
        pytest.param("none", 0, NEWER, None, id="nowhere"),
        pytest.param("", 0, NEWER, None, id="no words"),
    ],
)
def test_nearest_line_is_found(needle: str, start: int, step: int, found: int | None) -> None:
    assert find(LINES, needle, start, step) == found


def test_nothing_is_found_in_nothing() -> None:
    assert find([], "x", 0, NEWER) is None


def test_matches_are_reversed_and_nothing_else() -> None:
    row = with_matches([("an Error, an error", PLAIN)], "error")
    assert [text for text, style in row if style.reverse] == ["Error", "error"]
    assert "".join(text for text, _ in row) == "an Error, an error"


async def test_words_are_found_in_the_history() -> None:
    session = talking(b"".join(b"line %d\r\n" % number for number in range(200)))
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "line 199")
        await pilot.press(LEAVE, "slash", *"LINE 42", "enter")
        shown = await until(pilot, "line 42")
        assert "line 199" not in shown
        await pilot.press("slash", *"nowhere", "enter")
        await until(pilot, "'nowhere' is not to be found")
        await pilot.press("enter")
        await until(pilot, "line 199")


async def test_keyboard_is_asked_for_given_and_kept() -> None:
    session = talking(writable=False, writer="ops")
    async with console(session, (120, 30)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "watching, ops writes")
        await pilot.press(LEAVE, "t")
        tell(session, writable=False, writer="ops", refused=True)
        await until(pilot, "ops keeps the keyboard")
        tell(session, writable=True, writer="me", asker="ops", asked=True, answerWithin=15)
        await until(pilot, "ops asks for the keyboard")
        await pilot.press("a")
        tell(session, writable=False, writer="ops")
        await until(pilot, "watching, ops writes")
        assert session.link.controls == [{"type": "take"}, {"type": "give"}]


async def test_keys_of_the_list_mean_nothing_in_a_console() -> None:
    session = talking(b"login: ")
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "login:")
        await pilot.press(*"dsq")
        await pilot.press(LEAVE, "s", "q", "w")
        assert "login:" in text(pilot)
        assert bytes(session.link.typed) == b"dsq"
        assert session.done == []


async def test_other_device_is_attached_to() -> None:
    session = talking(b"login: ")
    async with console(session, (120, 30)) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "web-1 ttyS0")
        await pilot.press(LEAVE, "d")
        await until(pilot, "web-1 hvc0")
        assert session.devices == ["serial0", "console1"]


async def test_lost_link_leaves_the_screen_and_the_way_out_in_view() -> None:
    session = talking(b"login: ")
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "login:")
        session.link_refusal = Unreachable("no stream from https://127.0.0.1:6443: " + "connection refused, " * 9)
        session.link.heard.put_nowait(None)
        shown = await until(pilot, "no stream from")
        assert "login:" in shown
        assert "^] then / search, esc leave, ? keys" in shown
        assert "writing" not in shown
        await pilot.press(LEAVE)
        await until(pilot, "history: enter type")
        session.link_refusal = None
        tell(session, writable=True)
        assert "login:" in await until(pilot, "writing")


async def test_guest_is_told_the_size() -> None:
    session = talking(b"login: ")
    async with console(session) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "login:")
        await pilot.press(LEAVE, "z", "a")
        await pilot.pause()
        assert bytes(session.link.typed) == b"stty rows 23 columns 80\ra"


async def test_what_is_in_view_is_copied() -> None:
    async with console(talking(b"one\r\ntwo\r\n")) as pilot:
        await until(pilot, "web-1")
        await pilot.press("x")
        await until(pilot, "two")
        await pilot.press(LEAVE, "y")
        await until(pilot, "copied what is in view")
        assert pilot.app.clipboard == "one\ntwo"


async def test_long_text_goes_in_pieces_before_what_is_typed_later() -> None:
    sent: list[bytes] = []
    told: list[int] = []
    over = asyncio.Event()

    async def send(data: bytes) -> None:
        sent.append(data)
        if data == b"x":
            over.set()

    typist = Typist(send, told.append)
    typist.type(b"a" * (2 * SLICE + 3))
    typist.type(b"x")
    running = asyncio.create_task(typist.run())
    await over.wait()
    running.cancel()
    assert [len(one) for one in sent] == [SLICE, SLICE, 3, 1]
    assert told[0] == SLICE + 3 + 1


async def test_rest_of_a_long_text_can_be_stopped() -> None:
    sent: list[bytes] = []
    first = asyncio.Event()

    async def send(data: bytes) -> None:
        sent.append(data)
        first.set()

    typist = Typist(send, lambda left: None)
    typist.type(b"a" * 10 * SLICE)
    running = asyncio.create_task(typist.run())
    await first.wait()
    assert typist.drop() > 0
    typist.type(b"x")
    while sent[-1] != b"x":
        first.clear()
        await first.wait()
    running.cancel()
    assert sum(map(len, sent)) < 3 * SLICE
