"""Whether the serial and the virtio console of a real guest are read whole, by one reader, from the first byte."""

import asyncio
from pathlib import Path

import pytest

from controller.domain.desired import DesiredDomain
from controller.hypervisor import console as console_module
from controller.hypervisor.libvirt_host import LibvirtHost
from controller.hypervisor.port import DomainState
from hyperctl.stack.virsh import virsh
from hypersdk.errors import Transient
from tests.libvirt.bootsector import GREETING
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import booted, defined, read_until, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]


async def test_console_has_the_first_byte(host: LibvirtHost, guest: DesiredDomain) -> None:
    uid = await defined(host, guest)
    await host.start(uid)
    paused = await there(host, uid)
    assert (paused.state, paused.reason) == (DomainState.PAUSED, "user")

    console = await host.open_console(uid)
    await host.resume(uid)
    assert (await read_until(console, GREETING)).endswith(GREETING)
    await console.write(b"echo this")
    assert await read_until(console, b"echo this") == b"echo this"
    assert (await there(host, uid)).state is DomainState.RUNNING
    await console.close()


async def test_virtio_console_is_open_beside_the_serial_port(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    virtio = await host.open_console(guest.uid, "console1")
    with pytest.raises(Transient, match="Active console session exists"):
        await host.open_console(guest.uid, "console1")
    await console.write(b"still here")
    await read_until(console, b"still here")
    assert await asyncio.to_thread(Path(guest.virtio_log).exists)

    await virtio.close()
    await (await host.open_console(guest.uid, "console1")).close()
    await console.close()


async def test_console_has_one_reader_and_can_be_opened_again(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    with pytest.raises(Transient, match="Active console session exists"):
        await host.open_console(guest.uid)

    await console.close()
    await console.close()
    assert await console.read() == b""
    with pytest.raises(Transient):
        await console.write(b"late")

    again = await host.open_console(guest.uid)
    await again.write(b"still here")
    await read_until(again, b"still here")
    await again.close()


async def test_console_ends_when_the_power_is_cut(host: LibvirtHost, guest: DesiredDomain) -> None:
    console = await booted(host, guest)
    await host.destroy(guest.uid)

    async with asyncio.timeout(10):
        assert await console.read() == b""
    await console.close()
    with pytest.raises(Transient, match="not running"):
        await host.open_console(guest.uid)


async def test_reader_that_falls_behind_loses_nothing(
    host: LibvirtHost, guest: DesiredDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console_module, "ROOM_BYTES", 512)
    console = await booted(host, guest)
    sent = b"".join(b"line %05d\n" % number for number in range(400))
    await console.write(sent)

    assert (await read_until(console, sent[-11:])) == sent
    await console.close()


async def test_guest_that_takes_nothing_holds_up_its_writer_alone(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain
) -> None:
    console = await booted(host, guest)
    virsh(libvirtd.uri, "suspend", guest.uid)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await console.write(b"x" * 1_000_000)

    async with asyncio.timeout(5):
        assert (await there(host, guest.uid)).state is DomainState.PAUSED
        await host.resume(guest.uid)
        await console.close()


async def test_serial_log_has_the_boot(host: LibvirtHost, guest: DesiredDomain) -> None:
    await (await booted(host, guest)).close()
    await host.destroy(guest.uid)

    assert GREETING.strip() in await asyncio.to_thread(Path(guest.console_log).read_bytes)
