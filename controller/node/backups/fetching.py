"""Files come back from the store: each piece checked, the whole looked at before QEMU sees it, chains put together."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from controller.node.backups.chain import Link, read_part, stored_disk
from controller.node.backups.manifest import INVALID, StoredDisk
from controller.node.backups.pieces import is_zero, offsets
from controller.node.backups.store import Place
from controller.node.convert import settle
from controller.node.qemu_img import HEAD, QCOW2_MAGIC, inspect, qemu_img
from controller.node.room import check_room
from hypersdk.errors import Terminal


@dataclass(frozen=True)
class Fetched:
    """The file of one disk with everything that it stands on below it."""

    path: Path
    format: str
    is_alone: bool
    """Whether there is nothing below it."""

    def became(self, place: Path) -> bool:
        """Whether it is the disk's file at that place now, which saves a copy; only where it can be one. Blocks."""
        if self.format != "qcow2" or not self.is_alone:
            return False
        place.unlink(missing_ok=True)
        try:
            # Under both names: whoever comes after a kill finds it fetched.
            place.hardlink_to(self.path)
        except OSError:
            return False  # on another file system, or on one that cannot do that
        settle(place)
        return True


@dataclass
class Fetching:
    """The files of one restore. What is there of an earlier try is gone on with."""

    place: Place
    folder: Path
    largest: int
    """No disk may be larger."""
    tell: Callable[[int], None]
    """Told of the bytes that are there."""
    done: int = 0

    async def disk(self, name: str, chain: list[Link]) -> Fetched:
        """One disk as the newest backup of the chain has it."""
        files: list[Path] = []
        for number, link in enumerate(chain):
            stored = stored_disk(self.place, name, link, len(chain))
            path = self.folder / f"{name}.{number}.{stored.format}"
            await self._file(path, link.folder, stored)
            if files:
                below = ("-F", "qcow2", "-b", str(files[-1]))
                await qemu_img("rebase", "-q", "-u", "-f", "qcow2", *below, "--", str(path))
            files.append(path)
        return Fetched(files[-1], stored.format, len(files) == 1)

    async def _file(self, path: Path, folder: str, disk: StoredDisk) -> None:
        seen = path.with_name(f"{path.name}.seen")
        if await asyncio.to_thread(seen.exists):
            self._tell_of(disk.bytes)
            return
        await asyncio.to_thread(check_room, self.folder, disk.bytes, f"a copy of disk {disk.name}")
        there = await asyncio.to_thread(_size, path)
        missing = [(at, part) for at, part in offsets(disk) if at + part.bytes > there]
        self._tell_of(disk.bytes - sum(part.bytes for _, part in missing))
        reads = (read_part(self.place, folder, part, disk.compression) for _, part in missing)
        async with aclosing(one_ahead(reads)) as pieces:
            where = iter(missing)
            async for piece in pieces:
                at, part = next(where)
                await asyncio.to_thread(_write, path, at, piece)
                self._tell_of(part.bytes)
        words = self.place.words(folder, disk.name)
        if disk.format == "qcow2":
            if not await asyncio.to_thread(_is_qcow2, path):
                raise Terminal(INVALID, f"{words} is no qcow2 file")
            try:
                await inspect(path, words, self.largest)
            except Terminal as error:
                raise Terminal(INVALID, str(error)) from error
        elif disk.bytes > self.largest:
            raise Terminal(INVALID, f"{words} is larger than a disk may be")
        # Before anything is changed in it: what is checked now is not checked again.
        await asyncio.to_thread(seen.touch)

    def _tell_of(self, more: int) -> None:
        self.done += more
        self.tell(self.done)


async def one_ahead(reads: Iterable[Coroutine[None, None, bytes]]) -> AsyncGenerator[bytes, None]:
    """What each of them reads, in their order; while the caller has one, the next is read already.

    Close it, and what was being read ahead is over: two pieces are held at most.
    """
    under_way: asyncio.Task[bytes] | None = None
    try:
        for read in reads:
            before, under_way = under_way, asyncio.create_task(read)
            if before is not None:
                yield await before
        if under_way is not None:
            yield await under_way
    finally:
        if under_way is not None:
            under_way.cancel()
            await asyncio.gather(under_way, return_exceptions=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write(path: Path, at: int, piece: bytes) -> None:
    with path.open("r+b" if path.exists() else "w+b") as file:
        file.truncate(at)
        if is_zero(piece):
            file.truncate(at + len(piece))
            return
        file.seek(at)
        file.write(piece)


def _is_qcow2(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(HEAD)
    return head.startswith(QCOW2_MAGIC) and len(head) > struct.calcsize(">IQ")
