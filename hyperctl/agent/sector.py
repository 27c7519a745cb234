"""The smallest guest with manners: a boot sector that greets, echoes what it gets, and powers off when it is asked.

It boots in well under a second where a Linux guest takes several, and sleeps between two ticks of its clock.
"""

import os
from pathlib import Path

GREETING = b"boot sector here\r\n"
_TEXT_AT = 0x4F
_CODE = bytes.fromhex(
    "31c0 8ed8"  # ds = 0
    "be4f7c"  # si = the text
    "ac 08c0 7405 e82f00 ebf6"  # print it up to its zero byte
    "ba0206 b80001 ef fb"  # ACPI: tell me of the power button; let the clock tick
    "f4"  # sleep until it does
    "ba0006 ed f6c401 7511"  # the button was pressed: off
    "bafd03 ec a801 74ee"  # nothing was typed: sleep
    "baf803 ec e80c00 ebe5"  # read it, print it, sleep
    "ba0406 b80020 ef f4 ebfd"  # off (ACPI S5), for good
    "88c4 bafd03 ec a820 74fb baf803 88e0 ee c3"  # print: wait for the transmitter, send
)


def sector_disk(padding: int = 0) -> bytes:
    """A raw disk of 1 MiB that boots the sector; each of those with `padding` random bytes is an image of its own."""
    assert len(_CODE) == _TEXT_AT
    sector = (_CODE + GREETING + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    disk = sector + os.urandom(padding)
    return disk.ljust(max(1 << 20, -(-len(disk) // 512) * 512), b"\0")


def write_sector_disk(path: Path, padding: int = 0) -> Path:
    """The disk as a file."""
    path.write_bytes(sector_disk(padding))
    return path
