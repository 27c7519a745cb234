"""A real guest's screen in a viewer that is not ours, by way of the gateway and of the user's own host."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncvnc
import pytest

from controller.domain.desired import DesiredDomain, DiskFile
from controller.gateway.consoles import Consoles
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, UnixListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from controller.hypervisor.libvirt_host import LibvirtHost
from hyperctl.k8s.session import Session
from hyperctl.k8s.vnc import LOOPBACK, Screen, on_port, on_socket
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint
from hypersdk.kube.streams import Mode
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, removed, small_guest
from tests.libvirt.keysector import READY, WRITTEN, until_said, write_key_disk
from tests.unit.gateway.loopback import NODE, FrontProxy, Rights, background

# asyncvnc takes DES from where cryptography is giving it up.
pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore:.*TripleDES")]

PASSWORD = "k3Jd9sXa"


@pytest.fixture
async def guest(host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """A guest that waits for keys, on its screen the firmware's words."""
    guest = small_guest(guest_folder)
    disk = DiskFile("root", str(write_key_disk(guest_folder / "keys.raw")), "raw", boot_order=1)
    guest = replace(guest, disks=(disk,))
    await defined(host, guest)
    try:
        await host.start(guest.uid)
        await host.resume(guest.uid)
        await until_said(libvirtd.uri, guest.uid, Path(guest.console_log), READY)
        yield guest
    finally:
        await removed(host, guest.uid)


@pytest.fixture
async def session(host: LibvirtHost, guest: DesiredDomain, guest_folder: Path) -> AsyncIterator[Session]:
    """A user of the API behind which the guest's gateway is."""
    consoles, sampler = Consoles(host), Sampler(host)
    streams = Streams(NODE, lambda *_: Target(guest.uid, NODE), host, consoles, sampler, Rights())
    gateway = Gateway(streams, [UnixListener(guest_folder / "gateway.sock")])
    async with background(consoles.run, sampler.run, gateway.run):
        await gateway.ready.wait()
        client = Client(FrontProxy(guest_folder / "gateway.sock", "alice"))
        yield Session(client, "test", Endpoint())
        await client.close()


def _screen(session: Session, guest: DesiredDomain, mode: Mode = "write") -> Screen:
    return Screen(session, guest.name, mode, PASSWORD)


@asynccontextmanager
async def _viewer(where: int | Path, password: str | None = None) -> AsyncIterator[asyncvnc.Client]:
    """A viewer at a port or a socket; asyncvnc leaves the connection open when it is refused."""
    opened = await (
        asyncio.open_connection(LOOPBACK, where) if isinstance(where, int) else asyncio.open_unix_connection(where)
    )

    async def opener(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return opened

    try:
        async with asyncvnc.connect("", password=password, opener=opener) as viewer:
            yield viewer
    finally:
        opened[1].close()


async def test_viewers_see_the_screen_and_only_a_writer_types(
    session: Session, libvirtd: Libvirtd, guest: DesiredDomain
) -> None:
    log = Path(guest.console_log)
    async with (
        on_port(_screen(session, guest), 0) as port,
        on_port(_screen(session, guest, "watch"), 0) as watching,
        _viewer(port, PASSWORD) as writer,
        _viewer(watching, PASSWORD) as watcher,
    ):
        seen = await watcher.screenshot()
        assert seen.shape[:2] == (writer.video.height, writer.video.width)
        assert seen[..., :3].any()  # the firmware has written something
        assert not seen[..., :3].all()
        watcher.keyboard.press("o")  # which would power it off
        await watcher.screenshot()  # by now it would have
        writer.keyboard.press("d")
        await until_said(libvirtd.uri, guest.uid, log, WRITTEN)
        assert (await writer.screenshot()).shape == seen.shape


async def test_only_who_knows_the_password_sees_anything(session: Session, guest: DesiredDomain) -> None:
    screen = _screen(session, guest)
    async with on_port(screen, 0) as port:
        for guess in ("", "k3Jd9sXb"):
            with pytest.raises(PermissionError, match="Auth failed"):
                async with _viewer(port, guess):
                    pass
        screen.wrong = 10
        with pytest.raises(ValueError, match="not a VNC server"):
            async with _viewer(port, PASSWORD):
                pass


async def test_socket_file_is_its_users_alone(session: Session, guest: DesiredDomain, guest_folder: Path) -> None:
    path = guest_folder / "screen.sock"
    async with on_socket(Screen(session, guest.name, "write"), path):
        assert (await asyncio.to_thread(os.stat, path)).st_mode & 0o777 == 0o600
        async with asyncvnc.connect("", opener=lambda host, port: asyncio.open_unix_connection(str(path))) as viewer:
            assert (await viewer.screenshot())[..., :3].any()
    assert not await asyncio.to_thread(path.exists)
