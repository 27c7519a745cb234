"""Whether a real Linux guest is seen as it is: its agent, its addresses, and how it goes off."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import DomainEvent, SerialConsole
from hyperctl.guest.image import build
from hypersdk.settings import places
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import Watch, defined, read_until, removed, small_guest, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(180)]

_MAC = "52:54:00:77:00:01"
_PROMPT = b"# "
_BOOT_S = 90.0


@pytest.fixture
async def host(libvirtd: Libvirtd, private_network: None) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd, with a network."""
    host = await open_host(libvirtd.uri, virt_type="qemu", log_folder=str(libvirtd.root / "log/qemu"))
    await host.ensure_network("default")
    yield host
    await host.close()


@pytest.fixture
async def guest(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """The product's own guest image with an agent, on the NAT network."""
    disk = guest_folder / "root.qcow2"
    await asyncio.to_thread(shutil.copyfile, await asyncio.to_thread(_image), disk)
    guest = replace(
        small_guest(guest_folder),
        memory_bytes=256 << 20,
        disks=(DiskFile("root", str(disk), "qcow2", boot_order=1),),
        interfaces=(Interface("default", "network", _MAC, "default"),),
    )
    yield guest
    await removed(host, guest.uid)


@pytest.fixture
async def console(host: LibvirtHost, guest: DesiredDomain) -> AsyncIterator[SerialConsole]:
    """The guest's console, at a shell prompt, with the agent connected."""
    watch = Watch(host, host.events())
    uid = await defined(host, guest)
    await host.start(uid)
    console = await host.open_console(uid)
    await host.resume(uid)
    await read_until(console, _PROMPT, _BOOT_S)
    await watch.until(uid, lambda domain: domain.agent_connected)
    yield console
    await console.close()


async def test_agent_is_heard_given_up_and_obeyed(
    host: LibvirtHost, guest: DesiredDomain, console: SerialConsole
) -> None:
    await _run(console, "hostname named-by-test; until ip -4 -o addr show dev eth0 | grep -q inet; do sleep 0.1; done")
    facts = await host.guest(guest.uid)
    leases = await host.addresses(guest.uid)

    assert (facts.connected, facts.hostname, facts.version) == (True, "named-by-test", "7.2.22")
    told = [address for address in facts.addresses if ":" not in address.ip]
    assert [(address.mac, address.source, address.interface) for address in told] == [(_MAC, "agent", "eth0")]
    assert [(address.ip, address.mac, address.source) for address in leases] == [(told[0].ip, _MAC, "lease")]

    await _run(console, "kill -STOP $(pidof qemu-ga)")
    async with asyncio.timeout(6):
        assert not (await host.guest(guest.uid)).connected
    assert (await host.stats())[guest.uid].memory_used_bytes > 0

    await _run(console, "kill -CONT $(pidof qemu-ga)")
    watch = Watch(host, host.events())
    await host.shutdown(guest.uid, "agent")
    assert (await watch.until(guest.uid, lambda domain: not domain.is_active)).reason == "shutdown"
    while await console.read():
        pass


async def test_guest_reboots_in_place_and_obeys_its_power_button(
    host: LibvirtHost, guest: DesiredDomain, console: SerialConsole
) -> None:
    watch = Watch(host, host.events())
    before = await there(host, guest.uid)
    await console.write(b"reboot -f\n")
    await watch.event(DomainEvent(guest.uid, "reboot"))
    await read_until(console, _PROMPT, _BOOT_S)
    after = await there(host, guest.uid)
    assert (after.pid, after.started_at) == (before.pid, before.started_at)

    await host.shutdown(guest.uid, "acpi")
    assert (await watch.until(guest.uid, lambda domain: not domain.is_active)).reason == "shutdown"


async def _run(console: SerialConsole, line: str) -> bytes:
    """Run a line in the guest's shell and wait for its end."""
    await console.write(f"{line}; echo it was ru''n\n".encode())
    return await read_until(console, b"it was run", 60)


def _image() -> Path:
    return build(places(os.environ).cache, lambda _: None)
