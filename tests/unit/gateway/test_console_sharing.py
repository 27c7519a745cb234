"""One console, many people: who types, who is told what, and what a slow link costs the others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from controller.gateway import console, keyboard
from controller.gateway.ring import CAPACITY
from controller.gateway.seats import Seats
from hypersdk.errors import Forbidden
from hypersdk.kube.streams import Stream, open_console
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


@asynccontextmanager
async def _alice_and_bob(lab: Lab, bob: str = "bob") -> AsyncIterator[tuple[Stream, Screen, Stream, Screen]]:
    """Alice types, Bob waits."""
    async with (
        await open_console(lab.client("alice"), "default", "vm") as first,
        await open_console(lab.client(bob), "default", "vm") as second,
    ):
        alice, other = Screen(first), Screen(second)
        await other.until(lambda screen: screen.state.writer == "alice" and screen.state.watchers == 2)
        yield first, alice, second, other


async def test_take_over_asks_the_writer_who_gives(lab: Lab, booted: ScriptedGuest) -> None:
    async with _alice_and_bob(lab) as (first, alice, second, bob):
        await second.control({"type": "take"})
        await alice.until(lambda screen: screen.state.asked and screen.state.asker == "bob")
        assert alice.state.answer_within == console.ANSWER_WITHIN_S
        assert alice.state.writable
        await first.control({"type": "give"})
        await bob.until(lambda screen: screen.state.writable and not screen.state.asker)
        await alice.until(lambda screen: screen.state.writer == "bob" and not screen.state.writable)
        await second.send(b"id\n")
        await booted.has_typed(b"id\n")


async def test_take_over_is_refused_by_the_writer_who_keeps(lab: Lab, booted: ScriptedGuest) -> None:
    async with _alice_and_bob(lab) as (first, alice, second, bob):
        await second.control({"type": "take"})
        await alice.until(lambda screen: screen.state.asked)
        await first.control({"type": "keep"})
        await bob.until(lambda screen: screen.state.refused and not screen.state.asker)
        assert bob.state.writer == "alice"
        await second.control({"type": "take"})
        await bob.until(lambda screen: not screen.state.refused and screen.state.asker == "bob")


async def test_keyboard_goes_over_when_the_writer_does_not_answer(lab: Lab, booted: ScriptedGuest) -> None:
    async with _alice_and_bob(lab) as (_, alice, second, bob):
        await second.control({"type": "take"})
        await alice.until(lambda screen: screen.state.asked)
        lab.clock.now += console.ANSWER_WITHIN_S - 1
        lab.consoles.wake()
        booted.say(b"still hers")
        await bob.shows(b"still hers")
        assert bob.state.writer == "alice"
        lab.clock.now += 1
        lab.consoles.wake()
        await bob.until(lambda screen: screen.state.writable)
        await alice.until(lambda screen: screen.state.writer == "bob")


async def test_own_keyboard_is_taken_without_a_question(lab: Lab, booted: ScriptedGuest) -> None:
    async with _alice_and_bob(lab, bob="alice") as (_, _, second, here):
        await second.control({"type": "take"})
        await here.until(lambda screen: screen.state.writable)


async def test_who_asked_writes_when_the_writer_leaves_instead_of_answering(lab: Lab, booted: ScriptedGuest) -> None:
    async with (
        _alice_and_bob(lab) as (first, alice, _, bob),
        await open_console(lab.client("carol"), "default", "vm") as third,
    ):
        carol = await Screen(third).until(lambda screen: screen.state.watchers == 3)
        await third.control({"type": "take"})
        await alice.until(lambda screen: screen.state.asker == "carol")
        await first.close()
        await carol.until(lambda screen: screen.state.writable)
        await bob.until(lambda screen: screen.state.writer == "carol" and not screen.state.asker)


async def test_only_the_writer_answers_and_only_one_asks(lab: Lab, booted: ScriptedGuest) -> None:
    async with (
        _alice_and_bob(lab) as (_, _, second, bob),
        await open_console(lab.client("carol"), "default", "vm") as third,
    ):
        carol = await Screen(third).until(lambda screen: screen.state.watchers == 3)
        for answer in ("give", "keep"):
            await third.control({"type": answer})
        await second.control({"type": "take"})
        await carol.until(lambda screen: screen.state.asker == "bob")
        for message in ("take", "give", "keep"):
            await third.control({"type": message})
        booted.say(b"a moment later")
        await carol.shows(b"a moment later")
        await bob.shows(b"a moment later")
        assert (bob.state.asker, carol.state.asked, bob.state.writer) == ("bob", False, "alice")


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
    assert not seats.ask(3)
    assert seats.ask(1)
    assert not seats.ask(2)
    assert seats.refuse() == 1
    assert seats.refuse() is None
    assert seats.ask(1)
    seats.leave(3)
    assert (seats.writer, seats.waiting, seats.asker) == (1, [2], None)
    assert seats.ask(2)
    seats.leave(2)
    assert (seats.writer, seats.asker) == (1, None)
    seats.leave(1)
    assert (seats.writer, seats.waiting) == (None, [])


def test_capacity_of_the_ring_is_what_the_manual_says() -> None:
    assert CAPACITY == 256 * 1024
