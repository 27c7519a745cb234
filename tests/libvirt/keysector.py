"""A guest that does what single keys tell it: a boot sector that says `k` on its serial port and reads its keyboard.

r resets the machine, p reports a panic, o powers off, w arms the watchdog and feeds it no more, d writes to its disk
until that fails or holds it, and then says `d`. It knows nothing of ACPI's power button, so only force stops it.
"""

import asyncio
from pathlib import Path

from hyperctl.stack.virsh import virsh

READY, WRITTEN = b"k", b"d"
_CODE = bytes.fromhex(
    "31c0 8ed8 8ed0 bc007c fb"  # a stack below the code; interrupts on, for the keyboard
    "b06b e86e00"  # tell k
    "b400 cd16"  # 0f: wait for a key
    "3c72 7412 3c70 7417 3c6f 741b 3c77 7420 3c64 745b ebe6"  # r, p, o, w, d; else the next one
    "baf90c b006 ee f4 ebfd"  # reset: the chip set's reset register
    "ba0505 b001 ee ebd5"  # panic: the pvpanic port
    "ba0406 b80020 ef ebcc"  # power off: sleep state 5 by the power management's control register
    "66bb00000080 e82600 66ed 663d8680ab25 7409 6681c300080000 ebea"  # watchdog: look for the 6300ESB on the PCI buses
    "b360 e80e00 b80400 ef"  # its clock at 1 MHz, so that it runs out after two seconds
    "b368 e80500 b002 ee eb9d"  # and go
    "baf80c 6689d8 66ef b2fc c3"  # 72: select the PCI register in ebx
    "baf803 ee c3"  # 7d: tell
    "b80043 b280 be9e7c cd13 7208"  # disk: write 4 KiB
    "8106a67c8000 73ec"  # 64 KiB further on, up to 32 MiB
    "b064 e8e2ff e971ff"  # tell d
    "1000 0800 0000 0010 00080000 00000000"  # 9e: eight sectors from 1000:0 to sector 2048
)


def write_key_disk(path: Path) -> Path:
    """A raw disk of 1 MiB that boots the sector."""
    sector = _CODE.ljust(510, b"\0") + b"\x55\xaa"
    path.write_bytes(sector.ljust(1 << 20, b"\0"))
    return path


async def press(uri: str, uid: str, key: str) -> None:
    """Press one key of the guest's keyboard."""
    await asyncio.to_thread(virsh, uri, "send-key", uid, f"KEY_{key.upper()}")


async def until_said(uri: str, uid: str, log: Path, text: bytes, times: int = 1) -> None:
    """Wait until the guest has said that so often; asking libvirt in between is pause enough."""
    async with asyncio.timeout(60):
        while (await asyncio.to_thread(log.read_bytes)).count(text) < times:
            await asyncio.to_thread(virsh, uri, "domstate", uid)
