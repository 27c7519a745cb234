"""One VM that operations are tried on: what its disks hold, and whether its guest has gone on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import Phase
from tests.campaign.work import layers
from tests.campaign.work.shop import WITHIN_S, Shop
from tests.nodes.counting import numbers

MARKS = 255
DISKS: list[JsonValue] = [{"name": "root", "size": "10Mi"}, {"name": "data", "size": "8Mi"}]


@dataclass
class Guest:
    """A guest that counts on its serial port."""

    shop: Shop
    name: str
    mark: int = 0
    """On its disks now."""
    pid: int | None = None
    """Its QEMU when it was looked at last; None while it is off."""
    counted: int = 0
    """The numbers that it had said by then."""
    spec: JsonObject = field(default_factory=dict)
    spots: layers.Spots = layers.SPOTS

    @property
    def uid(self) -> str:
        """Its VM's."""
        return self.shop.bench.vm(self.name).metadata.uid

    @property
    def log(self) -> Path:
        """What it has said."""
        return self.shop.node(self.name)[0].state / "consoles" / self.uid / "serial.log"

    async def create(self) -> None:
        """Have it made, and see it count."""
        disks: JsonObject = {"disks": DISKS, "guestAgent": {"enabled": False}, "memory": "32Mi"}
        await self.shop.bench.create(self.name, f"file://{self.shop.image}", **(disks | self.spec))
        await self.power(on=True)

    async def power(self, *, on: bool) -> None:
        """Switch it on or off where its spec says otherwise, and see that it is."""
        if on != self.shop.bench.vm(self.name).spec.running:
            await self.shop.operate(self.name, "start" if on else "stop", force=not on)
        # A status is a moment behind: the host is asked as well.
        host = self.shop.node(self.name)[1]
        async with asyncio.timeout(WITHIN_S):
            while on != await host.is_running(self.uid) or not self._is(Phase.RUNNING if on else Phase.STOPPED):
                # Asking it is pause enough.
                pass
        if on:
            await self.counts()

    async def tips(self) -> list[Path]:
        """The files that are written to."""
        return await self.shop.node(self.name)[1].tips(self.uid)

    async def write(self) -> int:
        """Put a new mark on its disks, as the guest would, and look at how it is."""
        self.mark = self.mark % MARKS + 1
        if await self.shop.node(self.name)[1].is_running(self.uid):
            spots = [(self.mark, str(spot or "")) for spot in self.spots]
            await self.shop.node(self.name)[1].write(self.uid, spots)
        else:
            await layers.write(await self.tips(), self.mark)
        self.look()
        return self.mark

    def look(self) -> None:
        """Remember which QEMU it is, and how far it has counted."""
        vm = self.shop.bench.vm(self.name)
        self.pid = vm.status.qemu_pid if vm.phase is Phase.RUNNING else None
        self.counted = len(numbers(self.log))

    async def counts(self, more: int = 2) -> list[int]:
        """All that it has said, with so many more numbers; asking libvirt in between is pause enough."""
        before, host = len(await asyncio.to_thread(numbers, self.log)), self.shop.node(self.name)[1]
        async with asyncio.timeout(WITHIN_S):
            while len(said := await asyncio.to_thread(numbers, self.log)) < before + more:
                await host.tips(self.uid)
        return said

    async def assert_untouched(self) -> None:
        """The same QEMU goes on without having stood still, or it is off as it was."""
        phase = Phase.STOPPED if self.pid is None else Phase.RUNNING
        await self.shop.until(self.shop.bench.vms, lambda: self._is(phase))
        pid = self.shop.bench.vm(self.name).status.qemu_pid if self.pid is not None else None
        assert pid == self.pid, f"{self.name} has QEMU {pid}, it was {self.pid}"
        if self.pid is not None:
            said = (await self.counts())[max(self.counted - 1, 0) :]
            assert all(after == before + 1 for before, after in pairwise(said)), f"{self.name} has not gone on: {said}"

    async def last_run(self) -> list[int]:
        """The numbers since it was started or taken up the last time."""
        said = (await self.counts())[self.counted :]
        breaks = [at + 1 for at, (before, after) in enumerate(pairwise(said)) if after != before + 1]
        return said[breaks[-1] :] if breaks else said

    async def assert_whole(self, mark: int | None = None) -> None:
        """Its disks have the mark and its image's content, nothing works on it, its chain is well-formed."""
        tips, running = await self.tips(), await self.shop.node(self.name)[1].is_running(self.uid)
        if running:
            # What QEMU keeps in its memory of the files' tables is written out.
            await self.shop.node(self.name)[1].write(self.uid, [(0, "") for _ in tips])
        await layers.assert_marked(tips, self.mark if mark is None else mark, self.spots)
        if self.spots[0] is not None:
            await layers.assert_content(tips[0], self.shop.image)
        for tip in tips:
            for layer in (await layers.chain(tip))[running:]:
                if layer.suffix == ".qcow2":
                    await layers.assert_well_formed(layer)
        remains = await self.shop.node(self.name)[1].remains(self.uid)
        assert not remains, f"{self.name} has {remains} left"

    async def files(self, more: Sequence[str] = ()) -> set[Path]:
        """What of it lies among disks, and has to; `more` are files of its snapshots."""
        found: set[Path] = {Path(path) for path in more}
        for tip in [*await self.tips(), *(path for path in found if path.suffix == ".qcow2")]:
            found |= {*await layers.chain(tip)}
        return found

    def _is(self, phase: Phase) -> bool:
        vm = self.shop.the(self.shop.bench.vms, self.name)
        return vm is not None and vm.phase is phase and (phase is not Phase.RUNNING or vm.status.qemu_pid is not None)
