"""Copies go into the store: piece by piece, a few at a time; what is stored already is not stored again."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from controller.node.backups.journal import CopiedFile, Scratch
from controller.node.backups.manifest import PART_BYTES, Part, StoredDisk
from controller.node.backups.pieces import Compression, name_of, packed
from controller.node.backups.store import Place
from hypersdk.background import leaf

AT_ONCE = 4
"""Pieces in work: one is read and packed while others travel. Each holds its size in memory, twice."""


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
    part_bytes: int = PART_BYTES
    done: int = 0

    async def all(self, files: list[CopiedFile]) -> list[StoredDisk]:
        """Store every file."""
        there = await asyncio.to_thread(self.scratch.parts)
        return [await self._file(file, there) for file in files]

    async def _file(self, file: CopiedFile, there: dict[tuple[str, int], Part]) -> StoredDisk:
        compression: Compression = "zstd" if self.level else ""
        count = -(-file.bytes // self.part_bytes)
        lanes = asyncio.Semaphore(AT_ONCE)

        async def piece(number: int) -> Part:
            async with lanes:
                return await self._piece(file, number, compression, there)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(piece(number)) for number in range(count)]
        except BaseExceptionGroup as errors:
            raise leaf(errors) from None
        parts = [task.result() for task in tasks]
        return StoredDisk(
            name=file.name,
            format="raw" if file.format == "raw" else "qcow2",
            virtual_bytes=file.virtual_bytes,
            compression=compression,
            parts=parts,
        )

    async def _piece(
        self, file: CopiedFile, number: int, compression: Compression, there: dict[tuple[str, int], Part]
    ) -> Part:
        part = there.get((file.name, number)) or await self._stored(file, number, compression)
        self.done += part.bytes
        self.tell(self.done)
        return part

    async def _stored(self, file: CopiedFile, number: int, compression: Compression) -> Part:
        path, at = Path(self.scratch.folder / file.file), number * self.part_bytes
        key = name_of(file.name, file.format, compression, number)
        part, data = await asyncio.to_thread(packed, path, at, self.part_bytes, key, self.level)
        if part.key:
            await self.place.store.put(self.place.key(self.folder, part.key), data)
        await asyncio.to_thread(self.scratch.stored, file.name, number, part)
        return part

    async def clear(self, files: list[CopiedFile]) -> None:
        """Remove whatever was stored, also what was on its way when the controller was killed."""
        there = await asyncio.to_thread(self.scratch.parts)
        for file in files:
            known = [number for name, number in there if name == file.name]
            most = min(max(known, default=-1) + 1 + AT_ONCE, -(-file.bytes // self.part_bytes))
            for number in range(most):
                key = name_of(file.name, file.format, "zstd" if self.level else "", number)
                await self.place.store.delete(self.place.key(self.folder, key))
