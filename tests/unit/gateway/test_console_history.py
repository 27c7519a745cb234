"""The history of a console: whole from power-on, over every break of the line."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.gateway.consoles import Consoles
from controller.gateway.session import Guest
from hypersdk.kube.streams import console_state, open_console
from tests.unit.gateway.loopback import Lab, Screen, background
from tests.unit.gateway.scripted import UUID, ScriptedGuest


async def _boot(lab: Lab, guest: ScriptedGuest, *said: bytes) -> None:
    guest.power_on()
    await lab.consoles.attach(UUID, str(guest.log))
    for line in said:
        guest.say(line)


async def _fresh_history(lab: Lab, guest: ScriptedGuest, until: bytes) -> bytes:
    """What a controller that was started just now makes of the same guest."""
    await lab.consoles.detach(UUID)
    consoles = Consoles(lab.host)
    async with background(consoles.run):
        await consoles.attach(UUID, str(guest.log))
        async with consoles.session(UUID, Guest("x")) as (_, session):
            seen = b""
            async for message in session.messages():
                seen += message if isinstance(message, bytes) else b""
                if until in seen:
                    return seen
    raise AssertionError("the session ended")


async def test_console_shows_everything_since_power_on(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"SeaBIOS\r\n", b"Linux version 6.1\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"Linux version 6.1\r\n")
        guest.say(b"login: ")
        await screen.shows(b"login: ")
    assert screen.output == b"SeaBIOS\r\nLinux version 6.1\r\nlogin: "


async def test_first_state_says_how_much_history_follows(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"12345")
    async with await open_console(lab.client(), "default", "vm") as first:
        await Screen(first).shows(b"12345")
        async with await open_console(lab.client(), "default", "vm") as second:
            messages = second.messages()
            state = console_state(str(await anext(messages)))
            guest.say(b"new")
            assert state is not None
            assert state.history == 5
        async with await open_console(lab.client(), "default", "vm", history=False) as third:
            state = console_state(str(await anext(third.messages())))
            assert state is not None
            assert state.history == 0


async def test_console_without_history_starts_with_what_comes_next(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"old\r\n")
    async with await open_console(lab.client(), "default", "vm") as first:
        await Screen(first).shows(b"old")
        async with await open_console(lab.client(), "default", "vm", history=False) as second:
            screen = await Screen(second).until(lambda screen: screen.state.connected)
            guest.say(b"new\r\n")
            await screen.shows(b"new")
    assert screen.output == b"new\r\n"


async def test_plain_get_answers_the_history(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"boot\r\n")
    client = lab.client()
    async with await open_console(client, "default", "vm") as stream:
        await Screen(stream).shows(b"boot")
    path = "/apis/subresources.hypersdk.io/v1alpha1/namespaces/default/virtualmachines/vm/console"
    assert await client.raw("GET", path) == b"boot\r\n"


async def test_restarted_controller_has_the_history_of_the_log(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"one\r\n", b"two\r\n")
    guest.while_opening = b"three\r\n"
    assert await _fresh_history(lab, guest, b"three\r\n") == b"one\r\ntwo\r\nthree\r\n"


async def test_restarted_controller_reads_the_rotated_log_too(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"one\r\n")
    guest.log.rename(f"{guest.log}.0")
    guest.say(b"two\r\n")
    assert await _fresh_history(lab, guest, b"two\r\n") == b"one\r\ntwo\r\n"


async def test_cut_history_begins_with_a_whole_line(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest)
    guest.say(b"".join(b"line %06d\r\n" % number for number in range(40000)))
    seen = await _fresh_history(lab, guest, b"line 039999\r\n")
    assert seen.startswith(b"line ")
    assert 250_000 < len(seen) <= 262_144


def _nothing(log: Path) -> None:
    """The log stays as it is."""


def _rotate(log: Path) -> None:
    for number in (1, 0):
        if Path(f"{log}.{number}").exists():
            os.rename(f"{log}.{number}", f"{log}.{number + 1}")
    os.rename(log, f"{log}.0")
    log.write_bytes(b"")


@pytest.mark.parametrize("meanwhile", [_nothing, _rotate])
async def test_output_while_libvirtd_was_away_is_not_lost(
    lab: Lab, guest: ScriptedGuest, meanwhile: Callable[[Path], None]
) -> None:
    await _boot(lab, guest, b"before\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"before\r\n")
        lab.host.down = True
        guest.hang_up()
        await screen.says("libvirtd does not answer")
        guest.say(b"unheard\r\n")
        meanwhile(guest.log)
        guest.say(b"unheard too\r\n")
        guest.while_opening = b"heard twice\r\n"
        lab.host.down = False
        lab.consoles.wake()
        await screen.shows(b"heard twice\r\n")
        guest.say(b"after\r\n")
        await screen.shows(b"after\r\n")
    assert screen.output == b"before\r\nunheard\r\nunheard too\r\nheard twice\r\nafter\r\n"


async def test_more_than_the_ring_while_libvirtd_was_away_is_shown_or_said_to_be_skipped(
    lab: Lab, guest: ScriptedGuest
) -> None:
    await _boot(lab, guest, b"before\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"before\r\n")
        lab.host.down = True
        guest.hang_up()
        await screen.says("libvirtd does not answer")
        unheard = b"".join(b"unheard %d\r\n" % number for number in range(40000))
        guest.say(unheard)
        lab.host.down = False
        lab.consoles.wake()
        await screen.shows(b"unheard 39999\r\n")
    assert screen.output == b"before\r\n" + unheard or b"skipped" in screen.output


async def test_session_lives_over_power_off_and_on(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"first boot\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"first boot")
        guest.say(b"powering down\r\n")
        guest.power_off()
        await screen.says("VM is stopped")
        assert not screen.state.connected
        await _boot(lab, guest, b"second boot\r\n")
        await screen.shows(b"second boot")
        await screen.until(lambda screen: screen.state.connected)
    assert screen.output == b"first boot\r\npowering down\r\nsecond boot\r\n"


async def test_last_words_that_only_the_log_has_are_shown(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"running\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"running")
        port, guest.port = guest.port, None
        guest.say(b"panic\r\n")
        guest.port = port
        guest.power_off()
        await screen.shows(b"panic\r\n")
    assert screen.output == b"running\r\npanic\r\n"


async def test_stopped_guest_still_shows_its_log_after_a_restart_of_the_controller(
    lab: Lab, guest: ScriptedGuest
) -> None:
    guest.say(b"why it died\r\n")
    await lab.consoles.attach(UUID, str(guest.log))
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await (await Screen(stream).shows(b"why it died")).says("VM is stopped")
        await _boot(lab, guest, b"new boot\r\n")
        await screen.shows(b"new boot")
    assert screen.output == b"why it died\r\nnew boot\r\n"


async def test_attaching_again_changes_nothing(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"boot\r\n")
    await lab.consoles.attach(UUID, str(guest.log))
    await lab.consoles.attach(UUID, str(guest.log))
    assert lab.host.opened == 1


async def test_sessions_end_when_the_vm_is_deleted(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"boot\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"boot")
        guest.say(b"last\r\n")
        await screen.shows(b"last")
        await lab.consoles.detach(UUID)
        await screen.end()
    assert stream.socket.close_code == 1000


ZEROS = [b"word %05d\r\n" % number for number in range(200)]
"""Output that is like itself in many places."""


@pytest.mark.parametrize("at", range(1, 60, 7))
async def test_what_a_pty_has_kept_is_not_shown_again(lab: Lab, guest: ScriptedGuest, at: int) -> None:
    await _boot(lab, guest, *ZEROS[:100])
    kept, written = b"".join(ZEROS)[at : at + 300], b"".join(ZEROS[:100])
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(ZEROS[99])
        lab.host.down = True
        guest.hang_up()
        await screen.says("libvirtd does not answer")
        lab.host.down = False
        lab.consoles.wake()
        await screen.until(lambda screen: screen.state.connected)
        assert guest.port is not None
        guest.port.feed(kept)
        for line in ZEROS[100:]:
            guest.say(line)
        await screen.shows(ZEROS[-1])
    assert screen.output == written + b"".join(ZEROS[100:])


async def test_log_is_followed_over_its_rotation(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest)
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = Screen(stream)
        for number, line in enumerate(ZEROS):
            guest.say(line)
            if number % 60 == 59:
                await screen.shows(line)
                _rotate(guest.log)
        await screen.shows(ZEROS[-1])
    assert screen.output == b"".join(ZEROS)


async def test_log_that_lags_behind_the_stream_is_waited_for(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest, b"boot\r\n")
    async with await open_console(lab.client(), "default", "vm") as stream:
        screen = await Screen(stream).shows(b"boot\r\n")
        assert guest.port is not None
        guest.port.feed(b"login: ")
        with guest.log.open("ab") as log:
            for byte in b"login: ":
                await asyncio.to_thread(log.write, bytes([byte]))
                log.flush()
        await screen.shows(b"login: ")
    assert screen.output == b"boot\r\nlogin: "
