"""One console, many people: who types, who is told what, and what a slow link costs the others."""

import asyncio

import pytest

from controller.gateway import keyboard
from controller.gateway.ring import CAPACITY
from controller.gateway.seats import Seats
from hypersdk.errors import Forbidden
from hypersdk.kube.streams import open_console
from tests.unit.gateway.loopback import Lab, Screen
from tests.unit.gateway.scripted import UUID, ScriptedGuest


@pytest.fixture
async def booted(lab: Lab, guest: ScriptedGuest) -> ScriptedGuest:
    """The guest, running and read."""
    guest.power_on()
    await lab.consoles.attach(UUID, str(guest.log))
    guest.say(b"login: ")
    return guest


async def test_first_state_comes_before_any_output(lab: Lab, booted: ScriptedGuest) -> None:
    async with await open_console(lab.client(), "default", "vm") as stream:
        messages = stream.messages()
        first = await anext(messages)
    assert isinstance(first, str)


async def test_only_the_writer_is_heard(lab: Lab, booted: ScriptedGuest) -> None:
    async with (
        await open_console(lab.client("alice"), "default", "vm") as first,
        await open_console(lab.client("bob"), "default", "vm") as second,
    ):
        writer = await Screen(first).until(lambda screen: screen.state.watchers == 2)
        watcher = await Screen(second).until(lambda screen: screen.state.connected)
        assert (writer.state.writable, watcher.state.writable) == (True, False)
        assert watcher.state.writer == "alice"
        await second.send(b"evil\n")
        await watcher.shows(b"login: ")
        await first.send(b"root\n")
        await booted.has_typed(b"root\n")
    assert booted.typed == b"root\n"


async def test_who_takes_the_keyboard_is_named_to_who_had_it(lab: Lab, booted: ScriptedGuest) -> None:
    async with (
        await open_console(lab.client("alice"), "default", "vm") as first,
        await open_console(lab.client("bob"), "default", "vm") as second,
    ):
        alice, bob = Screen(first), Screen(second)
        await bob.until(lambda screen: screen.state.writer == "alice")
        await second.control({"type": "take"})
        await bob.until(lambda screen: screen.state.writable)
        await alice.until(lambda screen: screen.state.writer == "bob" and not screen.state.writable)
        await second.send(b"id\n")
        await booted.has_typed(b"id\n")


async def test_who_waits_longest_writes_when_the_writer_leaves(lab: Lab, booted: ScriptedGuest) -> None:
    first = await open_console(lab.client("alice"), "default", "vm")
    await Screen(first).until(lambda screen: screen.state.writable)
    async with await open_console(lab.client("bob"), "default", "vm") as second:
        bob = await Screen(second).until(lambda screen: screen.state.writer == "alice")
        async with await open_console(lab.client("carol"), "default", "vm") as third:
            carol = await Screen(third).until(lambda screen: screen.state.watchers == 3)
            await first.close()
            await bob.until(lambda screen: screen.state.writable and screen.state.watchers == 2)
            await carol.until(lambda screen: screen.state.writer == "bob")


async def test_watching_session_cannot_take_the_keyboard(lab: Lab, booted: ScriptedGuest) -> None:
    lab.rights.denied.add(("bob", "update"))
    with pytest.raises(Forbidden):
        await open_console(lab.client("bob"), "default", "vm", "write")
    async with await open_console(lab.client("bob"), "default", "vm", "watch") as stream:
        screen = await Screen(stream).shows(b"login: ")
        await stream.control({"type": "take"})
        await stream.send(b"evil\n")
        booted.say(b"still here")
        await screen.shows(b"still here")
        assert not screen.state.writable
        assert screen.state.writer == ""
    assert booted.typed == b""


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"type": 3}', '{"type": "later"}', "[" * 5000])
async def test_control_message_that_is_not_understood_is_ignored(lab: Lab, booted: ScriptedGuest, text: str) -> None:
    async with await open_console(lab.client(), "default", "vm") as stream:
        await stream.socket.send_str(text)
        await stream.send(b"x")
        await booted.has_typed(b"x")


async def test_name_with_control_characters_is_shown_without_them(lab: Lab, booted: ScriptedGuest) -> None:
    async with await open_console(lab.client("eve\x85" + "e" * 200), "default", "vm") as stream:
        screen = await Screen(stream).until(lambda screen: screen.state.writable)
    assert screen.state.writer == "eve?" + "e" * 59 + "…"


async def test_slow_reader_is_brought_up_to_date_and_holds_up_nobody(lab: Lab, booted: ScriptedGuest) -> None:
    async with (
        await open_console(lab.client("slow"), "default", "vm") as slow,
        await open_console(lab.client("quick"), "default", "vm") as quick,
    ):
        slow_screen = await Screen(slow).shows(b"login: ")
        quick_screen = Screen(quick)
        for number in range(100):  # some 6 MB: more than every buffer between the guest and the slow reader
            booted.say(b"%05d" % number + b"." * 65531 + b"\n")
            await quick_screen.shows(b"%05d" % number)
        booted.say(b"the end\r\n")
        await slow_screen.shows(b"the end\r\n")
        assert b"bytes skipped" in slow_screen.output
        assert len(slow_screen.output) < 100 * 65536


async def test_guest_that_does_not_read_holds_up_its_writer_only(lab: Lab, booted: ScriptedGuest) -> None:
    booted.reads.clear()
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).until(lambda screen: screen.state.writable)
        for _ in range(8):
            await stream.send(b"x" * 8192)
        booted.say(b"busy")
        await screen.shows(b"busy")
        booted.reads.set()
        await booted.has_typed(b"x" * 65536)


async def test_input_for_a_stopped_guest_is_not_kept_for_its_next_boot(lab: Lab, booted: ScriptedGuest) -> None:
    first = await open_console(lab.client("alice"), "default", "vm")
    await Screen(first).until(lambda screen: screen.state.writable)
    async with await open_console(lab.client("bob"), "default", "vm") as second:
        booted.power_off()
        bob = await Screen(second).says("VM is stopped")
        await first.send(b"lost\n")
        await first.close()
        await bob.until(lambda screen: screen.state.writable)
        booted.power_on()
        await lab.consoles.attach(UUID, str(booted.log))
        await bob.until(lambda screen: screen.state.connected)
        await second.send(b"kept\n")
        await booted.has_typed(b"kept\n")
    assert booted.typed == b"kept\n"


async def test_keyboard_is_bounded_and_gives_up_after_a_while() -> None:
    keys = keyboard.Keyboard(limit=4096, patience_s=0.2)
    assert await keys.press(b"x" * 4096)
    assert not await keys.press(b"y")
    assert len(keys) == 4096
    waiting = asyncio.create_task(keys.press(b"z" * 2048))
    assert await keys.take() == b"x" * 1024
    assert not (await asyncio.wait({waiting}, timeout=0.01))[0]
    await keys.drop()
    assert not await waiting
    assert len(keys) == 0


def test_seats() -> None:
    seats = Seats()
    for session in (1, 2, 3):
        seats.join(session)
    assert seats.take(3)
    assert (seats.writer, seats.waiting) == (3, [2, 1])
    assert not seats.take(3)
    assert not seats.take(9)
    seats.leave(3)
    assert (seats.writer, seats.waiting) == (2, [1])
    seats.leave(1)
    seats.leave(2)
    assert (seats.writer, seats.waiting) == (None, [])


def test_capacity_of_the_ring_is_what_the_manual_says() -> None:
    assert CAPACITY == 256 * 1024
