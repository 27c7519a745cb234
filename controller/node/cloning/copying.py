"""How do the disks of a VM become another one's? Copied whole, as of one moment, in its power or out of it."""

import asyncio
import errno
import os
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.hypervisor.backup_port import CopyHost, DiskCopy
from controller.node.cloning.pairs import Pair, check_seen, content_bytes
from controller.node.convert import convert, settle
from controller.node.errands import Progress, unbroken
from controller.node.places import NodePlaces, files_of
from controller.node.room import check_room
from hypersdk.errors import Transient

FIRST_LOOK_S = 0.05
LONGEST_LOOK_S = 1.0
CONSISTENCY = "consistency"
OFF = "the source was off"
_PRIVATE = 0o600
"""libvirt hands each file to QEMU's user when the guest starts."""


class Convert(Protocol):
    """Copies one disk that nobody writes to."""

    def __call__(self, source: Path, target: Path, tell: Callable[[float], None]) -> Awaitable[None]: ...


@dataclass
class Copying:
    """Fills a clone's disks with whole copies, which stand alone."""

    places: NodePlaces
    backups: CopyHost
    convert: Convert = convert

    async def of_running(
        self, source: str, target: str, found: Sequence[Pair], quiesce: bool, progress: Progress
    ) -> None:
        """Copy the disks of a running domain as of one moment; `source` and `target` are uids."""
        discs = [pair for pair in found if pair.is_disc]
        disks = [pair for pair in found if not pair.is_disc and pair.dev]
        await asyncio.to_thread(check_seen, [pair for pair in found if not pair.dev])
        await asyncio.to_thread(self._prepare, target, disks, progress)
        if disks:
            await self._frozen(source, target, disks, quiesce, progress)
        await unbroken(asyncio.to_thread(finish, target, disks, discs))

    async def of_stopped(self, target: str, found: Sequence[Pair], progress: Progress, how: str = OFF) -> None:
        """Copy files that nobody writes to; those that are not made yet will be made as for a new VM."""
        there = [pair for pair in found if await asyncio.to_thread(pair.source.exists)]
        disks = [pair for pair in there if not pair.is_disc]
        sizes = await asyncio.to_thread(self._prepare, target, disks, progress)
        before = 0
        for pair in disks:
            size, start = sizes[pair.source], before

            def tell(part: float, size: int = size, start: int = start) -> None:
                progress.done = start + int(size * part)

            await self.convert(pair.source, pair.fresh(target), tell)
            before += size
        progress.found[CONSISTENCY] = how
        await unbroken(asyncio.to_thread(finish, target, disks, [pair for pair in there if pair.is_disc]))

    async def give_up(self, source: str, target: str) -> None:
        """End what QEMU still copies for the clone, begun by whomever, and remove what is there of its files."""
        if await asyncio.to_thread(self._is_begun, target):
            await self.backups.thaw(source)
            await self.backups.abort(source)
        await asyncio.to_thread(self._sweep, target)

    async def _frozen(self, source: str, target: str, disks: Sequence[Pair], quiesce: bool, progress: Progress) -> None:
        copies = [DiskCopy(pair.dev, str(pair.fresh(target))) for pair in disks]
        # Whoever ends this ends the backup next, and has to find it begun.
        begun = await unbroken(self.backups.begin(source, copies, quiesce=quiesce))
        progress.found[CONSISTENCY] = (
            f"crash-consistent: {begun.why_not}" if begun.why_not else f"filesystem-frozen, for {begun.frozen_s:.2f} s"
        )
        pause = FIRST_LOOK_S
        while not (state := await self.backups.state(source)).ended:
            progress.done, progress.total = state.done_bytes, state.total_bytes or progress.total
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_LOOK_S)
        if state.error:
            raise Transient(f"QEMU has not copied the disks: {state.error}")
        for pair in disks:
            await asyncio.to_thread(settle, pair.fresh(target))

    def _prepare(self, target: str, disks: Sequence[Pair], progress: Progress) -> dict[Path, int]:
        self._sweep(target)
        sizes = content_bytes(disks)
        progress.total = sum(sizes.values())
        for folder in {pair.target.parent for pair in disks}:
            here = sum(sizes[pair.source] for pair in disks if pair.target.parent == folder)
            check_room(folder, here, "the clone")
        return sizes

    def _is_begun(self, target: str) -> bool:
        return any(path.name.startswith(".") for root in self.places.roots() for path in files_of(root, target))

    def _sweep(self, target: str) -> None:
        for root in (*self.places.roots(), self.places.links):
            for path in files_of(root, target):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.places.machine(target), ignore_errors=True)


def finish(target: str, disks: Sequence[Pair], discs: Sequence[Pair]) -> None:
    """Give the files, which are whole, their names. Blocks."""
    for pair in discs:
        if pair.source.exists():
            link_or_copy(pair.source, pair.target)
    for pair in disks:
        fresh = pair.fresh(target)
        fresh.chmod(_PRIVATE)
        fresh.rename(pair.target)
    for folder in {pair.target.parent for pair in disks}:
        settle(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """Another name for a file that nobody writes to, or a copy where there cannot be one. Blocks."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EMLINK, errno.EPERM}:
            raise
        shutil.copyfile(source, target)
        target.chmod(0o444)
