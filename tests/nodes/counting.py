"""A guest that counts: it says a number on its serial port some nine times a second, and keeps it on disk.

Whoever reads `0000002a` and a line feed knows that the guest's memory has gone on from `00000029`; sector 2048 has the
number too, written before the next one is said.
"""

import os
import re
from itertools import pairwise
from pathlib import Path

FILLED = 8 << 20
"""Bytes behind the counter that are never written to, and never the same twice."""
_COUNTER_AT = 2048 * 512
_CODE = bytes.fromhex(
    "31c0 8ed8 8ed0 bc007c fb 66c706007e00000000"  # a stack, interrupts for the timer, and nothing counted yet
    "66ff06007e b90200 f4 49 75fc"  # 13: count, and sleep for two ticks of the timer
    "668b1e007e b90800 66c1c304 88d8 240f 0430 3c39 7602 0427 e81c00 49 75ea"  # say it in eight digits
    "b00a e81400"  # and a line feed
    "b443 b000 b280 be697c cd13 73c4"  # write it to the disk, and go on
    "b021 e80200 ebbd"  # or say ! where that failed
    "50 52 bafd03 ec a820 74fb 5a 58 52 baf803 ee 5a c3"  # 56: say one byte
    "1000 0100 007e0000 0008000000000000"  # 69: one sector from 0:7e00 to sector 2048
)
_SLEEP = bytes.fromhex("b90200 f4")
_NUMBER = re.compile(rb"([0-9a-f]{8})\n")


def write_counting_disk(path: Path, ticks: int = 2) -> Path:
    """A raw disk that boots the sector, with content that must not be lost; it sleeps so many 18ths of a second."""
    sector = _CODE.replace(_SLEEP, _SLEEP[:1] + bytes([ticks]) + _SLEEP[2:]).ljust(510, b"\0") + b"\x55\xaa"
    path.write_bytes(sector.ljust(_COUNTER_AT + 512, b"\0") + os.urandom(FILLED))
    return path


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
