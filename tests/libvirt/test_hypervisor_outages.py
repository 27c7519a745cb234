"""Whether guests and the port outlive a real libvirtd that dies, hangs or is not there."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from controller.domain.desired import DesiredDomain
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import DomainEvent, DomainState, Power
from hyperctl.stack.supervisor import lock_holder
from hypersdk.errors import Terminal, Transient
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import Watch, booted, read_until, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]


async def test_power_outlives_libvirtd(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, watch: Watch
) -> None:
    console = await booted(host, guest)
    before = await there(host, guest.uid)
    await host.set_power(guest.uid, Power.GUEST_OFF)
    await _kill_libvirtd(libvirtd, watch)
    after = await there(host, guest.uid)

    assert (after.pid, after.started_at, after.state) == (before.pid, before.started_at, DomainState.RUNNING)
    assert after.owner is not None
    assert after.owner.power is Power.GUEST_OFF
    assert await console.read() == b""
    await console.close()


async def test_everything_works_again_after_libvirtd_died(
    host: LibvirtHost, libvirtd: Libvirtd, guest: DesiredDomain, watch: Watch
) -> None:
    await (await booted(host, guest)).close()
    await _kill_libvirtd(libvirtd, watch)

    console = await host.open_console(guest.uid)
    await console.write(b"after")
    await read_until(console, b"after")
    await console.close()
    assert guest.uid in await host.stats()
    await host.destroy(guest.uid)
    await watch.event(DomainEvent(guest.uid, "lifecycle"))


async def test_unreachable_libvirt_is_transient_and_never_none(tmp_path: Path) -> None:
    host = await open_host(f"qemu+unix:///system?socket={tmp_path}/none")
    try:
        for ask in (host.observe("x"), host.domains(), host.facts(), host.stats(), host.define("<domain/>")):
            with pytest.raises((Transient, Terminal)):
                await ask
        with pytest.raises(Transient, match="start libvirtd"):
            await host.start("x")
        with pytest.raises(Transient, match="start libvirtd"):
            await host.open_console("x")
    finally:
        await host.close()


async def test_stopped_libvirtd_does_not_hold_the_loop(host: LibvirtHost, libvirtd: Libvirtd) -> None:
    pid = lock_holder(libvirtd.root / "run/libvirtd.pid")
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await host.domains()
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(await host.domains(), list)


async def _kill_libvirtd(libvirtd: Libvirtd, watch: Watch) -> None:
    os.kill(lock_holder(libvirtd.root / "run/libvirtd.pid"), signal.SIGKILL)
    await watch.event(DomainEvent(what="reconnected"))
