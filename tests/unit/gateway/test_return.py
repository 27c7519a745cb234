"""Coming back to a console: exactly where it was left, over cut links, restarts of the controller and of the guest."""

import random
from pathlib import Path

import pytest

from controller.gateway.marks import Mark
from controller.gateway.serial_log import Place
from hypersdk.errors import Invalid
from hypersdk.kube.streams import Trail, open_console
from tests.unit.gateway.loopback import Lab, Screen, running
from tests.unit.gateway.scripted import UUID, ScriptedGuest, ScriptedHost


async def _boot(lab: Lab, guest: ScriptedGuest) -> None:
    guest.power_on(truncate=False)
    await lab.consoles.attach(UUID, str(guest.log))


def _written(guest: ScriptedGuest) -> bytes:
    """Both files of the log."""
    return Path(f"{guest.log}.0").read_bytes() + guest.log.read_bytes()


async def _read(lab: Lab, trail: Trail, until: bytes, *, history: bool = True) -> bytes:
    """One attachment that ends with a cut right behind those bytes, or somewhere behind them."""
    async with await open_console(lab.client(), "default", "vm", "watch", history, trail) as stream:
        return (await Screen(stream, trail).shows(until)).output


async def test_cut_link_loses_and_repeats_nothing(lab: Lab, guest: ScriptedGuest) -> None:
    chance = random.Random(8)
    await _boot(lab, guest)
    trail, seen = Trail(), b""
    for number in range(40):
        guest.say(b"".join(chance.randbytes(chance.randrange(3000)) for _ in range(chance.randrange(3))))
        guest.say(b"<%d>" % number)
        seen += await _read(lab, trail, b"<%d>" % number)
        guest.say(chance.randbytes(chance.randrange(2000)))
    assert guest.log.read_bytes().startswith(seen)
    assert len(seen) > 40_000


async def test_restarted_controller_goes_on_where_the_client_was(tmp_path: Path, guest: ScriptedGuest) -> None:
    trail, seen, host = Trail(), b"", ScriptedHost(guest)
    guest.power_on()
    for number in range(4):
        guest.hang_up()
        guest.say(b"unread %d " % number)
        async with running(tmp_path, host) as lab:
            await lab.consoles.attach(UUID, str(guest.log))
            guest.say(b"<%d>" % number)
            seen += await _read(lab, trail, b"<%d>" % number)
            if number == 2:
                guest.log.rename(f"{guest.log}.0")
                guest.say(b"new file ")
    assert seen == _written(guest)


async def test_client_that_is_back_before_the_history_waits_for_it(tmp_path: Path, guest: ScriptedGuest) -> None:
    trail, host = Trail(), ScriptedHost(guest)
    guest.power_on()
    async with running(tmp_path, host) as lab:
        await lab.consoles.attach(UUID, str(guest.log))
        guest.say(b"one ")
        assert await _read(lab, trail, b"one ") == b"one "
    guest.hang_up()
    guest.say(b"two ")
    host.down = True
    async with running(tmp_path, host) as lab:
        async with await open_console(lab.client(), "default", "vm", trail=trail) as stream:
            screen = await Screen(stream, trail).says("libvirtd does not answer")
            host.down = False
            lab.consoles.wake()
            await screen.shows(b"two ")
        assert screen.output == b"two "


async def test_session_goes_on_over_a_reboot_during_the_cut(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest)
    trail = Trail()
    guest.say(b"first boot\r\n")
    assert await _read(lab, trail, b"boot\r\n") == b"first boot\r\n"
    guest.say(b"bye\r\n")
    guest.power_off()
    lab.consoles.wake()
    await _boot(lab, guest)
    guest.say(b"second boot\r\n")
    assert await _read(lab, trail, b"second boot\r\n") == b"bye\r\nsecond boot\r\n"


async def test_what_fell_out_meanwhile_is_counted(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest)
    trail = Trail()
    guest.say(b"start\r\n")
    await _read(lab, trail, b"start\r\n")
    guest.say(b"".join(b"line %06d\r\n" % number for number in range(40000)))
    await _read(lab, Trail(), b"line 039999\r\n")
    seen = await _read(lab, trail, b"line 039999\r\n")
    shown = seen[seen.index(b"line ") :]
    skipped = int(seen.split(b"[hypersdk: ")[1].split()[0])
    assert skipped + len(shown) == 40000 * len(b"line 000000\r\n")
    guest.say(b"end")
    assert await _read(lab, trail, b"end") == b"end"


async def test_place_that_nobody_knows_shows_everything_and_says_so(lab: Lab, guest: ScriptedGuest) -> None:
    await _boot(lab, guest)
    guest.say(b"all there is")
    await _read(lab, Trail(), b"there is")
    seen = await _read(lab, Trail(mark="0123456789abcdef.99.1.99"), b"there is")
    assert b"cannot be found again" in seen
    assert seen.endswith(b"all there is")


@pytest.mark.parametrize("since", ["x", "0123456789abcdef", "0123456789abcdef.1.2", "0123456789abcdef.-1", "é"])
async def test_senseless_place_is_refused(lab: Lab, since: str) -> None:
    with pytest.raises(Invalid, match="since must be"):
        await open_console(lab.client(), "default", "vm", trail=Trail(mark=since))


@pytest.mark.parametrize("place", [None, Place(7, 120), Place(7, -3)])
def test_mark_is_read_as_it_is_written(place: Place | None) -> None:
    mark = Mark("0123456789abcdef", 50, place)
    assert Mark.parse(str(mark)) == mark
    assert Mark.parse(f"{mark}+5") == mark.after(5)


async def test_virtio_console_is_a_second_one_with_a_history_of_its_own(
    tmp_path: Path, lab: Lab, guest: ScriptedGuest
) -> None:
    lab.host.virtio = virtio = ScriptedGuest(tmp_path / "console1.log")
    await _boot(lab, guest)
    virtio.power_on()
    guest.say(b"on the UART")
    virtio.say(b"before anybody looked ")
    assert await _read(lab, Trail(), b"UART") == b"on the UART"
    trail = Trail("console1")
    async with await open_console(lab.client(), "default", "vm", trail=trail) as stream:
        screen = await Screen(stream, trail).until(lambda screen: screen.state.connected and screen.state.writable)
        virtio.say(b"on hvc0 ")
        await screen.shows(b"hvc0 ")
        await stream.send(b"typed")
        await virtio.has_typed(b"typed")
    assert screen.output == b"before anybody looked on hvc0 "
    assert guest.typed == b""
    await virtio.let_go.wait()
    virtio.say(b"nobody looks ")
    assert await _read(lab, trail, b"looks ") == b"nobody looks "
