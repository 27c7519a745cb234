"""Disks go into the store: piece by piece, a few at a time; what is stored already is neither read nor stored again."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from controller.node.backups.journal import Scratch, TakenDisk
from controller.node.backups.manifest import PIECE_BYTES, Part, StoredDisk
from controller.node.backups.pieces import Compression, name_of, packed, room_for
from controller.node.backups.reading import Reading
from controller.node.backups.store import Place
from hypersdk.background import leaf

AT_ONCE = 4
"""Pieces in work: some are read, hashed and packed while others travel. Each holds its size in memory."""
Opened = Callable[[TakenDisk], AbstractAsyncContextManager[Reading]]


@dataclass
class Upload:
    """One backup's way into the store."""

    place: Place
    folder: str
    scratch: Scratch
    level: int
    """Of the compression; 0 for none."""
    tell: Callable[[int], None]
    """Told of the bytes of files that are done."""
    part_bytes: int = PIECE_BYTES
    done: int = 0
    _rooms: list[bytearray] = field(default_factory=list)

    async def all(self, disks: list[TakenDisk], opened: Opened) -> list[StoredDisk]:
        """Store every disk."""
        there = await asyncio.to_thread(self.scratch.parts)
        return [await self._disk(disk, opened, there) for disk in disks]

    async def _disk(self, disk: TakenDisk, opened: Opened, there: dict[tuple[str, int], Part]) -> StoredDisk:
        numbers = range(self._count(disk))
        parts = {number: there[(disk.name, number)] for number in numbers if (disk.name, number) in there}
        for part in parts.values():
            self._tell(part)
        if left := [number for number in numbers if number not in parts]:
            async with opened(disk) as reading:
                parts |= await self._pieces(disk, left, reading)
        return StoredDisk(
            name=disk.name,
            format=disk.format,
            virtual_bytes=disk.virtual_bytes,
            compression=self._compression,
            parts=[parts[number] for number in numbers],
        )

    async def _pieces(self, disk: TakenDisk, numbers: list[int], reading: Reading) -> dict[int, Part]:
        lanes = asyncio.Semaphore(AT_ONCE)

        async def piece(number: int) -> Part:
            async with lanes:
                part = await self._piece(disk, number, reading)
            self._tell(part)
            return part

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {number: group.create_task(piece(number)) for number in numbers}
        except BaseExceptionGroup as errors:
            raise leaf(errors) from None
        return {number: task.result() for number, task in tasks.items()}

    async def _piece(self, disk: TakenDisk, number: int, reading: Reading) -> Part:
        start = number * self.part_bytes
        place = (start, min(start + self.part_bytes, disk.layout.size))
        key = name_of(disk.name, disk.format, self._compression, number)
        room = self._rooms.pop() if self._rooms else room_for(self.part_bytes)
        part, data = await asyncio.to_thread(packed, disk.layout, place, reading.read_into, key, self.level, room)
        if part.key:
            await self.place.store.put(self.place.key(self.folder, part.key), data)
        # Not after an error or a cancellation: somebody may write into it still.
        self._rooms.append(room)
        await asyncio.to_thread(self.scratch.stored, disk.name, number, part)
        return part

    def _tell(self, part: Part) -> None:
        self.done += part.bytes
        self.tell(self.done)

    def _count(self, disk: TakenDisk) -> int:
        return -(-disk.layout.size // self.part_bytes)

    @property
    def _compression(self) -> Compression:
        return "zstd" if self.level else ""

    async def clear(self, disks: list[TakenDisk]) -> None:
        """Remove whatever was stored, also what was on its way when the controller was killed."""
        there = await asyncio.to_thread(self.scratch.parts)
        for disk in disks:
            known = [number for name, number in there if name == disk.name]
            for number in range(min(max(known, default=-1) + 1 + AT_ONCE, self._count(disk))):
                key = name_of(disk.name, disk.format, self._compression, number)
                await self.place.store.delete(self.place.key(self.folder, key))
