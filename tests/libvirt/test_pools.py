"""Folders of disks are storage pools of a real libvirt, which tells what lies in them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from hyperctl.stack.virsh import virsh
from hypersdk.errors import Terminal, Transient
from tests.libvirt.conftest import Libvirtd

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(60)]


@pytest.fixture
async def host(libvirtd: Libvirtd) -> AsyncIterator[LibvirtHost]:
    """The host; no pool of the test is left."""
    made = await open_host(libvirtd.uri, virt_type="qemu")
    before = {pool.name for pool in await made.pools()}
    yield made
    for pool in await made.pools():
        if pool.name not in before:
            if pool.active:
                virsh(libvirtd.uri, "pool-destroy", pool.name)
            virsh(libvirtd.uri, "pool-undefine", pool.name)
    await made.close()


async def test_folder_becomes_a_pool_that_lists_its_disks(
    host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    made = await asyncio.gather(*(host.ensure_pool("fast", str(guest_folder)) for _ in range(3)))
    assert {pool.name for pool in made} == {"hypersdk-fast"}
    assert made[0].available_bytes > 0
    assert made[0].capacity_bytes >= made[0].available_bytes
    (guest_folder / "one.raw").write_bytes(bytes(512))
    await host.refresh_pool("hypersdk-fast")
    assert "one.raw" in virsh(libvirtd.uri, "vol-list", "hypersdk-fast")
    assert "yes" in virsh(libvirtd.uri, "pool-list", "--autostart")
    await host.refresh_pool("nobody's")


async def test_two_folders_of_one_name_are_two_pools(host: LibvirtHost, guest_folder: Path) -> None:
    folders = [guest_folder / "a", guest_folder / "b"]
    for folder in folders:
        folder.mkdir()
    first, second = [await host.ensure_pool("fast", str(folder)) for folder in folders]
    assert first.name == "hypersdk-fast"
    assert second.name.startswith("hypersdk-fast-")
    assert [pool.path for pool in (first, second)] == [str(folder) for folder in folders]


async def test_name_of_a_folder_that_is_gone_is_free_again(host: LibvirtHost, guest_folder: Path) -> None:
    folders = [guest_folder / "a", guest_folder / "b"]
    folders[0].mkdir()
    await host.ensure_pool("fast", str(folders[0]))
    folders[0].rename(folders[1])
    found = await host.ensure_pool("fast", str(folders[1]))
    assert (found.name, found.path) == ("hypersdk-fast", str(folders[1]))


async def test_pool_of_the_host_is_started_and_never_made(
    host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    with pytest.raises(Terminal, match="pool-list") as missing:
        await host.ensure_pool("theirs")
    assert missing.value.reason == "PoolNotFound"
    virsh(libvirtd.uri, "pool-define-as", "theirs", "dir", "--target", str(guest_folder))
    found = await host.ensure_pool("theirs")
    assert (found.name, found.path, found.active) == ("theirs", str(guest_folder), True)
    # A folder that is somebody's pool already is used through it: libvirt takes a folder only once.
    assert (await host.ensure_pool("fast", str(guest_folder))).name == "theirs"


async def test_pool_that_cannot_hold_files_or_cannot_start_is_said(
    host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    virsh(libvirtd.uri, "pool-define-as", "lost", "dir", "--target", str(guest_folder / "gone"))
    with pytest.raises(Transient, match="cannot start the storage pool lost"):
        await host.ensure_pool("lost")
    assert not next(pool for pool in await host.pools() if pool.name == "lost").active
