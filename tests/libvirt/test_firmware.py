"""Whether UEFI guests start for real, with Secure Boot too, and leave nothing of their variables behind."""

import asyncio
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from controller.hypervisor.libvirt_host import LibvirtHost
from hyperctl.stack.virsh import virsh
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.guests import defined, removed, small_guest, there

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(120)]

_FIRMWARE_SPEAKS_S = 60.0


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
