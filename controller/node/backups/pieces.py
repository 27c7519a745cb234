"""How does a disk's file become objects, and objects a file again? Piece by piece, compressed and hashed alone."""

import hashlib
from pathlib import Path
from typing import Literal

import zstandard

from controller.node.backups.manifest import INVALID, Part, StoredDisk
from hypersdk.errors import Terminal

LEVEL = 3
"""Of zstd where none is asked for: as fast as a disk."""
_GLANCE = 4096
Compression = Literal["", "zstd"]


def name_of(disk: str, file_format: str, compression: Compression, number: int) -> str:
    """The key of one piece: `cat` of them all in order is the file, or with compression a zstd stream of it."""
    return f"{disk}.{file_format}{'.zst' if compression else ''}.{number:05d}"


def packed(path: Path, offset: int, size: int, key: str, level: int) -> tuple[Part, bytes]:
    """One piece of the file, as it is stored; level 0 compresses nothing. Blocks."""
    with path.open("rb") as file:
        file.seek(offset)
        piece = file.read(size)
    if is_zero(piece):
        return Part(bytes=len(piece)), b""
    data = zstandard.ZstdCompressor(level=level).compress(piece) if level else piece
    return Part(key=key, bytes=len(piece), stored=len(data), sha256=hashlib.sha256(data).hexdigest()), data


def is_zero(piece: bytes) -> bool:
    """Whether it holds nothing but zeros; most that hold more show it at once."""
    return not any(piece[:_GLANCE]) and piece.count(0) == len(piece)


def unpacked(part: Part, data: bytes, compression: Compression, words: str) -> bytes:
    """The piece of the file again; Terminal with the reason `BackupInvalid` when it is not what was stored. Blocks."""
    if len(data) != part.stored:
        size = f"has {len(data)} bytes" if len(data) < part.stored else "is larger"
        raise Terminal(INVALID, f"{words} is damaged: it {size}, and {part.stored} were written")
    if hashlib.sha256(data).hexdigest() != part.sha256:
        raise Terminal(INVALID, f"{words} is damaged: its sha256 is not that of what was written")
    if not compression:
        piece = data
    else:
        try:
            piece = _unzip(data, part.bytes)
        except zstandard.ZstdError as error:
            raise Terminal(INVALID, f"{words} cannot be unpacked: {error}") from error
    if len(piece) != part.bytes:
        raise Terminal(INVALID, f"{words} holds {len(piece)} bytes, and {part.bytes} should be")
    return piece


def _unzip(data: bytes, most: int) -> bytes:
    """Unpack, and no more than a little beyond what is expected."""
    with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(data) as reader:
        return reader.read(most + 1)


def offsets(disk: StoredDisk) -> list[tuple[int, Part]]:
    """Each piece with its place in the file."""
    placed, at = [], 0
    for part in disk.parts:
        placed.append((at, part))
        at += part.bytes
    return placed
