"""Guests for tests against a real libvirt: how they are described, and how to wait for what happens to them."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.hypervisor.libvirt_host import LibvirtHost
from controller.hypervisor.port import DomainEvent, ObservedDomain, Power, SerialConsole
from tests.libvirt.bootsector import GREETING, write_echo_disk

DEADLINE_S = 20.0


def small_guest(folder: Path) -> DesiredDomain:
    """A VM of 32 MiB that greets and echoes on its serial port."""
    uid = str(uuid.uuid4())
    return DesiredDomain(
        uid=uid,
        namespace="test",
        name=f"guest-{uid[:8]}",
        cpus=1,
        memory_bytes=32 << 20,
        virt_type="qemu",
        disks=(DiskFile("root", str(write_echo_disk(folder / f"{uid}.raw")), "raw", boot_order=1),),
        interfaces=(Interface("default", "user", "52:54:00:12:34:56"),),
        console_log=str(folder / f"{uid}.log"),
        virtio_log=str(folder / f"{uid}.console1.log"),
    )


async def defined(host: LibvirtHost, guest: DesiredDomain, power: Power = Power.ON) -> str:
    """Define the guest; its UUID."""
    await host.define(domain_xml(guest, power))
    return guest.uid


async def booted(host: LibvirtHost, guest: DesiredDomain) -> SerialConsole:
    """Define, start and resume the guest; its console, after the greeting."""
    uid = await defined(host, guest)
    await host.start(uid)
    console = await host.open_console(uid)
    await host.resume(uid)
    await read_until(console, GREETING)
    return console


async def removed(host: LibvirtHost, uid: str) -> None:
    """Leave nothing of the guest."""
    await host.destroy(uid)
    await host.undefine(uid)


async def read_until(console: SerialConsole, text: bytes, timeout_s: float = DEADLINE_S) -> bytes:
    """Everything read up to the text."""
    read = bytearray()
    async with asyncio.timeout(timeout_s):
        while text not in read:
            data = await console.read()
            assert data, f"the console ended after {bytes(read)!r}"
            read += data
    return bytes(read)


async def there(host: LibvirtHost, uid: str) -> ObservedDomain:
    """The domain as libvirt has it; it must be there."""
    domain = await host.observe(uid)
    assert domain is not None
    return domain


@dataclass
class Watch:
    """Waits for a domain by its events, as the controller does."""

    host: LibvirtHost
    events: AsyncIterator[DomainEvent]

    async def until(self, uid: str, reached: Callable[[ObservedDomain], bool]) -> ObservedDomain:
        """The domain once it is as wanted; looks again after every event."""
        async with asyncio.timeout(DEADLINE_S):
            while not reached(domain := await there(self.host, uid)):
                await anext(self.events)
        return domain

    async def event(self, wanted: DomainEvent) -> None:
        """Wait for an event, past all others."""
        async with asyncio.timeout(DEADLINE_S):
            while await anext(self.events) != wanted:
                pass


def with_more_memory(guest: DesiredDomain) -> DesiredDomain:
    """The same VM after its spec was changed."""
    return replace(guest, memory_bytes=guest.memory_bytes * 2)
