"""Does our own libvirtd leave QEMU alone, though /dev/kvm is there and may be useless? Counted, not timed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, removed, small_guest

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]


@pytest.fixture
async def host(libvirtd: Libvirtd) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd."""
    host = await open_host(libvirtd.uri)
    yield host
    await host.close()


def probes(libvirtd: Libvirtd) -> dict[str, tuple[int, int]]:
    """What libvirtd remembers of each QEMU binary: written anew, as another file, with each probe."""
    cache = libvirtd.root / "cache/qemu/capabilities"
    return {file.name: _version(file) for file in cache.glob("*.xml")}


def _version(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_ino, facts.st_mtime_ns


async def test_qemu_is_probed_once_however_much_is_asked_of_it(
    libvirtd: Libvirtd, host: LibvirtHost, guest_folder: Path
) -> None:
    await host.facts()
    guest = small_guest(guest_folder)
    await defined(host, guest)
    before = probes(libvirtd)
    assert before
    for _ in range(5):
        await defined(host, guest)
        await host.facts()
    await host.start(guest.uid)
    await removed(host, guest.uid)
    assert probes(libvirtd) == before
