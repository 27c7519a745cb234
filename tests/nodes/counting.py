"""A guest that counts: it says a number on its serial port some nine times a second, and keeps it on disk.

Whoever reads `0000002a` and a line feed knows that the guest's memory has gone on from `00000029`; sector 2048 has the
number too, written before the next one is said.
"""

import os
import re
from itertools import pairwise
from pathlib import Path

FILLED = 3 << 20
"""Bytes behind the counter that are never written to, and never the same twice."""
_COUNTER_AT = 2048 * 512
_START = 0x7C00
_CODE = (
    "31c0 8ed8 8ed0 bc007c fb 66c706007e00000000"  # a stack, interrupts for the timer, and nothing counted yet
    "66ff06007e b9{ticks}00 f4 49 75fc {write}"  # 13: count, and sleep for some ticks of the timer
    "668b1e007e b90800 66c1c304 88d8 240f 0430 3c39 7602 0427 e81c00 49 75ea"  # say it in eight digits
    "b00a e81400"  # and a line feed
    "b443 b000 b280 be{block} cd13 73{again}"  # write it to the disk, and go on
    "b021 e80200 eb{on}"  # or say ! where that failed
    "50 52 bafd03 ec a820 74fb 5a 58 52 baf803 ee 5a c3"  # say one byte
    "1000 0100 007e0000 0008000000000000"  # 69: one sector from 0:7e00 to sector 2048
    "0f00 {table} 0000 0000 ffff0000 0092cf00"  # 79: a table of segments, whose first entry says where it is
)
_WRITE = (
    "fc fa 0f0116{table} 0f20c0 0c01 0f22c0 bb0800 8ec3 24fe 0f22c0"  # let es reach all of the memory
    "66a1007e 66bf00002000 66b900003000 f36766ab 31db 8ec3 fb"  # and write the number all over 2 MiB to 14 MiB
)
_NUMBER = re.compile(rb"([0-9a-f]{8})\n")


def write_counting_disk(path: Path, ticks: int = 2, *, restless: bool = False) -> Path:
    """A raw disk that boots the sector, with content that must not be lost; it sleeps so many 18ths of a second.

    A restless one writes 12 MiB of its memory with each number: more than a slow wire carries.
    """
    sector = _code(ticks, _WRITE if restless else "").ljust(510, b"\0") + b"\x55\xaa"
    path.write_bytes(sector.ljust(_COUNTER_AT + 512, b"\0") + os.urandom(FILLED))
    return path


def _code(ticks: int, write: str) -> bytes:
    longer = len(bytes.fromhex(write.format(table="0000")))
    table = (_START + 0x79 + longer).to_bytes(2, "little").hex()
    places = {
        "write": write.format(table=table),
        "block": (_START + 0x69 + longer).to_bytes(2, "little").hex(),
        "table": table,
        "again": f"{0xC4 - longer:02x}",
        "on": f"{0xBD - longer:02x}",
    }
    return bytes.fromhex(_CODE.format(ticks=f"{ticks:02x}", **places))


def content(disk: bytes) -> bytes:
    """What is on a disk besides the number."""
    return disk[:_COUNTER_AT] + disk[_COUNTER_AT + 512 :]


def numbers(log: Path) -> list[int]:
    """What it has said so far."""
    return said_in(log.read_bytes()) if log.exists() else []


def said_in(output: bytes) -> list[int]:
    """The whole numbers in what it has said."""
    return [int(found, 16) for found in _NUMBER.findall(output)]


def has_gone_on(said: list[int]) -> bool:
    """Whether each number follows the one before."""
    return all(after == before + 1 for before, after in pairwise(said))
