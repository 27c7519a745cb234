"""What does a log file say, as plain text: its last lines, and what is written to it from now on?"""

import asyncio
import os
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, Final

from controller.gateway.serial_log import Place
from hypersdk.plaintext import plain

TAIL_BYTES: Final = 1 << 20
"""The last lines are looked for in as many bytes."""
PIECE: Final = 256 * 1024
LONGEST_LINE: Final = 64 * 1024
POLL_S: Final = 0.5
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")


def readable(line: str) -> str:
    """A line without escape sequences, and without anything else that steers a terminal."""
    return plain(_SEQUENCE.sub("", line).replace("\r", "").replace("\x08", ""))


def last_lines(path: str, lines: int) -> tuple[str, Place | None]:
    """The log's last lines, and the place behind them; nothing where there is no log. Blocks."""
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(size - TAIL_BYTES, 0))
            data = file.read(TAIL_BYTES)
            place = Place(os.fstat(file.fileno()).st_ino, size)
    except OSError:
        return "", None
    whole = data.decode(errors="replace").split("\n")
    unended = whole.pop()
    first = max(len(whole) - lines + bool(unended), 0)
    text = "".join(readable(line) + "\n" for line in whole[first:])
    return text + readable(unended), place


def added(path: str, place: Place | None) -> tuple[bytes, Place | None]:
    """What was written after a place, over one rotation of the file, and the place behind it. Blocks."""
    try:
        with Path(path).open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if place is None:
                place = Place(inode, 0)
            elif place.inode != inode:
                return _rest_of_rotated(path, place, inode)
            return _from(file, place)
    except OSError:
        return b"", place


def _rest_of_rotated(path: str, place: Place, inode: int) -> tuple[bytes, Place]:
    try:
        with Path(f"{path}.0").open("rb") as file:
            if os.fstat(file.fileno()).st_ino == place.inode:
                data, place = _from(file, place)
                if data:
                    return data, place
    except OSError:
        pass
    return b"", Place(inode, 0)


def _from(file: BinaryIO, place: Place) -> tuple[bytes, Place]:
    size = os.fstat(file.fileno()).st_size
    start = place.offset if place.offset <= size else 0  # emptied in between
    file.seek(start)
    data = file.read(PIECE)
    return data, Place(place.inode, start + len(data))


async def follow(path: str, lines: int) -> AsyncGenerator[str, None]:
    """The last lines at once, and then each line when it is whole, or when nothing has come to end it."""
    text, place = await asyncio.to_thread(last_lines, path, lines)
    yield text
    rest = b""
    while True:
        before = place
        data, place = await asyncio.to_thread(added, path, place)
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if newline:
            yield "".join(readable(line) + "\n" for line in whole.decode(errors="replace").split("\n"))
        if rest and (not data or len(rest) > LONGEST_LINE):
            yield readable(rest.decode(errors="replace"))  # such as a prompt
            rest = b""
        if place == before:
            await asyncio.sleep(POLL_S)
