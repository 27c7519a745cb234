"""Whether UEFI guests start for real, with Secure Boot too, and leave nothing of their variables behind."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from controller.domain.desired import DesiredDomain, DiskFile
from controller.hypervisor.libvirt_host import LibvirtHost
from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.settings import places
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, read_until, removed, small_guest, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(240)]

_FIRMWARE_SPEAKS_S = 60.0
_SIGNED_BOOT_S = 150.0


async def test_uefi_speaks_and_leaves_no_variables(host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path) -> None:
    guest = replace(small_guest(guest_folder), uefi=True, memory_bytes=128 << 20)
    await defined(host, guest)
    try:
        await host.start(guest.uid)
        console = await host.open_console(guest.uid)
        await host.resume(guest.uid)
        async with asyncio.timeout(_FIRMWARE_SPEAKS_S):
            assert await console.read()
        await console.close()
        variables = Path(fromstring(virsh(libvirtd.uri, "dumpxml", guest.uid)).findtext("os/nvram", ""))
        # libvirtd has its folders in a place of its own.
        nvram = libvirtd.root / "lib" / variables.relative_to("/var/lib/libvirt")
        assert await asyncio.to_thread(nvram.is_file)
    finally:
        await removed(host, guest.uid)
    assert not await asyncio.to_thread(nvram.exists)


async def test_secure_boot_starts_with_smm_and_enrolled_keys(
    host: LibvirtHost, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    guest = replace(small_guest(guest_folder), uefi=True, secure_boot=True, memory_bytes=128 << 20)
    await defined(host, guest)
    try:
        await host.start(guest.uid)
        pid = (await there(host, guest.uid)).pid
        command = (await asyncio.to_thread(Path(f"/proc/{pid}/cmdline").read_text)).split("\0")
        assert any("smm=on" in word for word in command)
        assert any("pflash" in word and "secure" in word for word in command)
        firmware = fromstring(virsh(libvirtd.uri, "dumpxml", guest.uid)).find("os/nvram")
        assert firmware is not None
        assert "ms.fd" in firmware.get("template", "")
    finally:
        await removed(host, guest.uid)


@pytest.fixture
async def signed(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """The product's own image, whose shim, GRUB and kernel are signed, with Secure Boot and a TPM."""
    image = await asyncio.to_thread(build, places(os.environ).cache, print)
    disk = await asyncio.to_thread(shutil.copyfile, image, guest_folder / "root.qcow2")
    root = DiskFile("root", str(disk), "qcow2", boot_order=1)
    # With less than 512 MiB this firmware resets in a loop once GRUB has the kernel.
    guest = replace(small_guest(guest_folder), memory_bytes=512 << 20, uefi=True, secure_boot=True, tpm=True)
    guest = replace(guest, disks=(root,))
    await defined(host, guest)
    yield guest
    await removed(host, guest.uid)


async def test_signed_chain_boots_and_the_guest_has_its_tpm(host: LibvirtHost, signed: DesiredDomain) -> None:
    await host.start(signed.uid)
    console = await host.open_console(signed.uid)
    await host.resume(signed.uid)
    await read_until(console, b":~# ", _SIGNED_BOOT_S)
    await console.write(b"dmesg | grep -i 'secure boot\\|secureboot'; echo SEC''URE\n")
    told = await read_until(console, b"SECURE", 60)
    assert b"Secure boot enabled" in told
    assert b"locked down from EFI Secure Boot" in told
    await console.write(b"echo TPM-$(cat /sys/class/tpm/tpm0/tpm_version_major)-$(ls -d /dev/tpm0)\n")
    assert await read_until(console, b"TPM-2-/dev/tpm0", 60)
    await console.close()
