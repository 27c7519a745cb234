"""Consoles of real guests: whole from the first byte, over restarts of the controller, of libvirtd and of the guest."""

import asyncio
import os
import random
import shutil
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pytest

from controller.domain.desired import DesiredDomain, DiskFile
from controller.gateway.consoles import Consoles
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, UnixListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from hyperctl.guest.image import build
from hyperctl.stack.supervisor import lock_holder
from hypersdk.kube.client import Client
from hypersdk.kube.streams import Stream, Trail, log_text, open_console, open_stream, screenshot
from hypersdk.model.metrics import Sample
from hypersdk.settings import places
from tests.libvirt.bootsector import GREETING
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, removed, small_guest
from tests.unit.gateway.loopback import NODE, FrontProxy, Rights, Screen, background

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120)]

LINES = [b"word %05d " % number for number in range(80)]
"""Words that are like each other, and like themselves."""
"""The small guest echoes some hundred bytes a second: it is at this for a while, and reads no more than that."""


@dataclass(frozen=True)
class Controller:
    """What of a controller serves streams."""

    consoles: Consoles
    sampler: Sampler
    client: Client


@asynccontextmanager
async def _controller(host: LibvirtHost, guest: DesiredDomain, folder: Path) -> AsyncIterator[Controller]:
    logs = {"serial0": guest.console_log, "console1": guest.virtio_log}
    consoles, sampler = Consoles(host, log_of=lambda uuid, device: logs[device]), Sampler(host, interval_s=0.5)
    target = Target(guest.uid, NODE)
    streams = Streams(NODE, lambda *_: target, host, consoles, sampler, Rights())
    gateway = Gateway(streams, [UnixListener(folder / "gateway.sock")])
    async with background(consoles.run, sampler.run, gateway.run):
        await gateway.ready.wait()
        client = Client(FrontProxy(folder / "gateway.sock", "alice"))
        try:
            yield Controller(consoles, sampler, client)
        finally:
            await client.close()


@pytest.fixture
async def host(libvirtd: Libvirtd) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd."""
    host = await open_host(libvirtd.uri, virt_type="qemu", log_folder=str(libvirtd.root / "log/qemu"))
    yield host
    await host.close()


@pytest.fixture
async def guest(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """A small guest that greets and echoes, defined, and gone afterwards."""
    guest = small_guest(guest_folder)
    await defined(host, guest)
    yield guest
    await removed(host, guest.uid)


@pytest.fixture
async def linux(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """The Linux guest of the demo, defined, and gone afterwards."""
    image = await asyncio.to_thread(build, places(os.environ).cache, print)
    disk = await asyncio.to_thread(shutil.copyfile, image, guest_folder / "root.qcow2")
    root = DiskFile("root", str(disk), "qcow2", boot_order=1)
    guest = replace(small_guest(guest_folder), memory_bytes=192 << 20, disks=(root,))
    await defined(host, guest)
    yield guest
    await removed(host, guest.uid)


async def _power_on(host: LibvirtHost, consoles: Consoles, guest: DesiredDomain) -> None:
    """As the reconciler does it."""
    await host.start(guest.uid)
    await consoles.attach(guest.uid, guest.console_log)
    await host.resume(guest.uid)


async def _log(host: LibvirtHost, guest: DesiredDomain, length: int) -> bytes:
    """The whole log, once virtlogd has written as much as was seen; asking libvirt in between is pause enough."""
    path = Path(guest.console_log)
    async with asyncio.timeout(10):
        while len(written := await asyncio.to_thread(path.read_bytes)) < length:
            await host.observe(guest.uid)
    return written


async def test_linux_is_read_from_its_first_byte_and_typed_into(
    host: LibvirtHost, linux: DesiredDomain, guest_folder: Path
) -> None:
    async with _controller(host, linux, guest_folder) as controller:
        await _power_on(host, controller.consoles, linux)
        async with await open_console(controller.client, "test", linux.name) as stream:
            screen = await Screen(stream).shows(b":~# ", 90)
            await stream.send(b"echo $((6 * 7))\n")
            await screen.shows(b"\n42\r\n", 20)
            await _use_virtio_console(controller, linux, screen)
            await _look_from_outside(controller, linux)
            await stream.send(b"poweroff\n")
            await screen.says("VM is stopped", 30)
            await screen.shows(b"Power down")
    assert b"Linux version" in screen.output
    assert screen.output == await _log(host, linux, len(screen.output))


async def _use_virtio_console(controller: Controller, guest: DesiredDomain, serial: Screen) -> None:
    """hvc0 has what was written before anybody looked, takes keys, and does not mix with ttyS0."""
    trail = Trail("console1")
    async with await open_console(controller.client, "test", guest.name, trail=trail) as stream:
        virtio = await Screen(stream, trail).shows(b":~# ", 20)
        await virtio.until(lambda screen: screen.state.connected and screen.state.writable, 20)
        await stream.send(b"echo virtio $((6 * 7))\n")
        await virtio.shows(b"\nvirtio 42\r\n", 20)
    assert b"virtio 42" not in serial.output
    async with await open_console(controller.client, "test", guest.name, trail=trail) as stream:
        again = await Screen(stream, trail).until(lambda screen: screen.state.connected and screen.state.writable, 20)
        await stream.send(b"echo again $((6 * 7))\n")
        await again.shows(b"\nagain 42\r\n", 20)
    seen = virtio.output + again.output
    written = await asyncio.to_thread(Path(guest.virtio_log).read_bytes)  # which may lag a little
    assert len(written) >= len(virtio.output)
    assert seen[: len(written)] == written[: len(seen)]


async def _look_from_outside(controller: Controller, guest: DesiredDomain) -> None:
    """Both logs, and the screen as a picture."""
    assert "-uuid" in await log_text(controller.client, "test", guest.name)
    assert "Linux version" in await log_text(controller.client, "test", guest.name, "serial0", 5000)
    picture = await screenshot(controller.client, "test", guest.name)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert picture.endswith(b"IEND\xaeB`\x82")


async def test_session_sees_every_boot(host: LibvirtHost, guest: DesiredDomain, guest_folder: Path) -> None:
    async with (
        _controller(host, guest, guest_folder) as controller,
        await open_console(controller.client, "test", guest.name) as stream,
    ):
        screen = await Screen(stream).says("VM is stopped")
        for boot in (1, 2):
            await _power_on(host, controller.consoles, guest)
            await screen.shows(GREETING * boot, 30)
            await screen.until(lambda screen: screen.state.connected and not screen.state.reason, 30)
            await host.destroy(guest.uid)
            controller.consoles.wake(guest.uid)
            await screen.says("VM is stopped", 30)
    assert screen.output == await _log(host, guest, len(screen.output))


async def test_restarted_controller_goes_on_without_a_gap(
    host: LibvirtHost, guest: DesiredDomain, guest_folder: Path
) -> None:
    async with _controller(host, guest, guest_folder) as controller:
        await _power_on(host, controller.consoles, guest)
        async with await open_console(controller.client, "test", guest.name) as stream:
            screen = await Screen(stream).shows(GREETING, 30)
            await stream.send(b"".join(LINES))
            await screen.shows(LINES[5], 30)
    # The guest still echoes what it got, and nobody reads it.
    async with _controller(host, guest, guest_folder) as controller:
        await controller.consoles.attach(guest.uid, guest.console_log)
        async with await open_console(controller.client, "test", guest.name) as stream:
            screen = await Screen(stream).shows(LINES[6], 30)
            await stream.send(b"THE END")
            await screen.shows(b"THE END", 60)
    assert screen.output.startswith(GREETING + LINES[0])
    assert screen.output == await _log(host, guest, len(screen.output))


async def test_killed_libvirtd_costs_no_output(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, guest_folder: Path
) -> None:
    async with _controller(host, guest, guest_folder) as controller:
        await _power_on(host, controller.consoles, guest)
        async with await open_console(controller.client, "test", guest.name) as stream:
            screen = await Screen(stream).shows(GREETING, 30)
            await stream.send(b"".join(LINES))
            await screen.shows(LINES[5], 30)
            os.kill(lock_holder(libvirtd.root / "run/libvirtd.pid"), signal.SIGKILL)
            await screen.until(lambda screen: not screen.state.connected, 30)
            await screen.until(lambda screen: screen.state.connected, 60)
            await stream.send(b"THE END")
            await screen.shows(b"THE END", 60)
    assert screen.output == await _log(host, guest, len(screen.output))


async def test_killed_virtlogd_costs_no_output(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, guest_folder: Path
) -> None:
    async with _controller(host, guest, guest_folder) as controller:
        await _power_on(host, controller.consoles, guest)
        async with await open_console(controller.client, "test", guest.name) as stream:
            screen = await Screen(stream).shows(GREETING, 30)
            await stream.send(b"".join(LINES))
            await screen.shows(LINES[30], 60)
            os.kill(lock_holder(libvirtd.root / "run/virtlogd.pid"), signal.SIGKILL)
            await screen.shows(LINES[-1].rstrip(), 60)
    assert screen.output.rstrip() == (GREETING + b"".join(LINES)).rstrip()
    async with asyncio.timeout(30):
        while not _listens(libvirtd.root / "run/virtlogd-sock"):
            await host.domains()  # pause enough; the next guest cannot start without it


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(str(path)) == 0


async def _read_and_cut(stream: Stream, trail: Trail, wanted: int) -> bytes:
    """Read so many bytes, or some more; then break the link as a network does, with no goodbye."""
    screen = await Screen(stream, trail).until(lambda screen: len(screen.output) >= wanted, 30)
    stream.socket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    return screen.output


async def test_cut_links_and_restarted_controllers_lose_and_repeat_nothing(
    host: LibvirtHost, guest: DesiredDomain, guest_folder: Path
) -> None:
    chance, trail, seen = random.Random(2026), Trail(), b""
    lines = iter(LINES)
    for life in range(3):
        async with _controller(host, guest, guest_folder) as controller:
            if life == 0:
                await _power_on(host, controller.consoles, guest)
            else:
                await controller.consoles.attach(guest.uid, guest.console_log)
            async with await open_console(controller.client, "test", guest.name, history=False) as keyboard:
                await Screen(keyboard).until(lambda screen: screen.state.writable and screen.state.connected, 30)
                for _ in range(5):
                    stream = await open_console(controller.client, "test", guest.name, "watch", trail=trail)
                    await keyboard.send(b"".join(islice(lines, 5)))
                    seen += await _read_and_cut(stream, trail, chance.randrange(1, 50))
    async with _controller(host, guest, guest_folder) as controller:
        await controller.consoles.attach(guest.uid, guest.console_log)
        async with await open_console(controller.client, "test", guest.name, trail=trail) as stream:
            screen = await Screen(stream, trail).until(lambda screen: screen.state.connected, 30)
            await stream.send(b"THE END")
            seen += (await screen.shows(b"THE END", 60)).output
    assert seen.startswith(GREETING + LINES[0])
    assert seen == await _log(host, guest, len(seen))


async def test_samples_of_a_real_guest(host: LibvirtHost, guest: DesiredDomain, guest_folder: Path) -> None:
    async with _controller(host, guest, guest_folder) as controller:
        await _power_on(host, controller.consoles, guest)
        controller.sampler.moved()
        async with await open_stream(controller.client, "test", guest.name, "metrics") as stream:
            messages = stream.messages()
            samples = [Sample.model_validate_json(await anext(messages)) for _ in range(3)]
        # Nobody looks any more: now it is the kernel alone that tells.
        count = len(controller.sampler.history(guest.uid))
        async with asyncio.timeout(30):
            while len(controller.sampler.history(guest.uid)) < count + 3:
                await host.observe(guest.uid)
        samples += controller.sampler.history(guest.uid)[-2:]
    assert all(sample.memory_used_bytes > 1 << 20 for sample in samples)
    assert all(0 <= sample.cpu_percent <= 100 for sample in samples)
    assert samples[-1].cpu_percent > 0
    assert samples[0].time < samples[1].time < samples[2].time < samples[3].time
