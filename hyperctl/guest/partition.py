"""How is the disk divided: which bytes does a master boot record hold?

An MBR rather than a GPT: BIOS and UEFI both boot from it, and the guest can make its last partition larger by
writing four bytes, without a second table at the end of the disk to move.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

SECTOR = 512
TABLE_OFFSET = 446
CODE_LIMIT = 440


@dataclass(frozen=True)
class Partition:
    """One primary partition, in sectors."""

    start: int
    sectors: int
    kind: int
    is_active: bool = False

    @property
    def end(self) -> int:
        """The first sector after it."""
        return self.start + self.sectors


EFI_SYSTEM = 0xEF
LINUX = 0x83


def master_boot_record(code: bytes, partitions: Sequence[Partition], signature: int) -> bytes:
    """Return the disk's first sector: boot code, disk signature, up to four partitions."""
    if len(code) > CODE_LIMIT:
        raise ValueError(f"boot code of {len(code)} bytes does not fit in {CODE_LIMIT}")
    if len(partitions) > 4:
        raise ValueError("an MBR holds four partitions")
    table = b"".join(_entry(partition) for partition in partitions)
    return struct.pack("<440sIH64sH", code, signature, 0, table, 0xAA55)


def _entry(partition: Partition) -> bytes:
    # Cylinders, heads and sectors say "beyond what can be said": everything reads the sector numbers after them.
    beyond = b"\xfe\xff\xff"
    status = 0x80 if partition.is_active else 0
    return struct.pack("<B3sB3sII", status, beyond, partition.kind, beyond, partition.start, partition.sectors)
