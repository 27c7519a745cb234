"""How does a disk's file become objects, and objects a file again? Piece by piece, compressed and hashed alone."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Literal

import zstandard

from controller.node.backups.layout import Layout, Span
from controller.node.backups.manifest import INVALID, Part, StoredDisk
from controller.node.backups.store import Content
from hypersdk.errors import Terminal

LEVEL = 3
"""Of zstd where none is asked for: as fast as a disk."""
_GLANCE = 4096
_STEP = 1 << 18
ReadInto = Callable[[int, memoryview], None]
"""Fills a view with what is on the disk from a byte on."""
Compression = Literal["", "zstd"]


def name_of(disk: str, file_format: str, compression: Compression, number: int) -> str:
    """The key of one piece: `cat` of them all in order is the file, or with compression a zstd stream of it."""
    return f"{disk}.{file_format}{'.zst' if compression else ''}.{number:05d}"


def room_for(size: int) -> bytearray:
    """Space for a piece as it is stored; what cannot be packed gets a little larger."""
    return bytearray(size + size // 64 + 4096)


def packed(
    layout: Layout, place: tuple[int, int], read_into: ReadInto, key: str, level: int, room: bytearray
) -> tuple[Part, Content]:
    """One piece of the file, by where it begins and ends, as it is stored; level 0 compresses nothing. Blocks.

    What comes back may lie in `room`, which is of `room_for` a piece.
    """
    start, end = place
    spans = list(layout.spans(start, end - start))
    if all(span.disk is None and span.content is None for span in spans):
        return Part(bytes=end - start), b""
    view, digest = memoryview(room), hashlib.sha256()
    if not level:
        stored = 0
        for step in _steps(spans, read_into, view[: end - start], gather=True):
            digest.update(step)
            stored += len(step)
        if is_zero(view[:stored]):
            return Part(bytes=stored), b""
    else:
        stored = _packed(spans, read_into, zstandard.ZstdCompressor(level=level), view)
        digest.update(view[:stored])
    return Part(key=key, bytes=end - start, stored=stored, sha256=digest.hexdigest()), view[:stored]


def _packed(spans: list[Span], read_into: ReadInto, packer: zstandard.ZstdCompressor, view: memoryview) -> int:
    """Fill the view with the piece's zstd frame; its size."""
    work, stored = packer.compressobj(size=sum(span.size for span in spans)), 0
    with memoryview(bytearray(_STEP)) as step_room:
        for step in _steps(spans, read_into, step_room):
            stored = _appended(view, stored, work.compress(step))
    return _appended(view, stored, work.flush())


def _appended(view: memoryview, at: int, data: bytes) -> int:
    view[at : at + len(data)] = data
    return at + len(data)


def _steps(spans: list[Span], read_into: ReadInto, view: memoryview, *, gather: bool = False) -> Iterator[memoryview]:
    """The piece by steps that the processor's caches hold: one after the other, or each at the view's beginning."""
    at = 0
    for span in spans:
        for done in range(0, span.size, _STEP):
            step = view[at : at + min(_STEP, span.size - done)]
            if span.disk is not None:
                read_into(span.disk + done, step)
            else:
                step[:] = span.content[done : done + len(step)] if span.content else bytes(len(step))
            yield step
            at += len(step) if gather else 0


def whole(key: str, content: bytes) -> tuple[Part, bytes]:
    """A small file as one object. Blocks."""
    data = zstandard.ZstdCompressor(level=LEVEL).compress(content)
    return Part(key=key, bytes=len(content), stored=len(data), sha256=hashlib.sha256(data).hexdigest()), data


def is_zero(piece: Content) -> bool:
    """Whether it holds nothing but zeros; most that hold more show it at once."""
    return not any(piece[:_GLANCE]) and bytes(piece).count(0) == len(piece)


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
