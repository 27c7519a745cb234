"""Layers of disks in memory, under the fake hypervisor's domains: what is written, frozen, merged can be looked at."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from controller.domain.layers import base_of
from controller.hypervisor.fake import FakeDomain, FakeHypervisor
from controller.hypervisor.layer_port import TAKEN_UP, Copying, DomainFiles, Taken
from controller.hypervisor.port import DomainState, Hardware
from controller.node.controller import NodeController
from controller.node.snapshots.chain import LayerFile, Tree
from controller.node.snapshots.names import written
from controller.node.snapshots.node import NodeSnapshots
from hypersdk.errors import Terminal, Transient
from tests.flow.world import World

JOB_S = 2.0


@dataclass
class FakeFile:
    """One disk's file: what stands in it itself, and what it stands on."""

    backing: str = ""
    holds: dict[str, str] = field(default_factory=dict)


@dataclass
class FakeLayers:
    """Both ports of layers; outlives every controller, as files and QEMU do."""

    hypervisor: FakeHypervisor
    disks: dict[str, FakeFile] = field(default_factory=dict)
    parts: dict[str, str] = field(default_factory=dict)
    """Saved memory by its path."""
    ram: dict[str, str] = field(default_factory=dict)
    """What each running guest has in its memory."""
    jobs: dict[tuple[str, str], tuple[str, str, float]] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)
    agent: str = ""
    """Why the agent does not freeze."""
    broken_memory: bool = False
    under_way: "asyncio.Future[Taken] | None" = None
    take_s: float = 0.3

    # What a guest does.

    def write(self, uuid: str, word: str) -> None:
        """The guest writes a word to each of its disks."""
        for tip in self._tips(uuid).values():
            self.disks.setdefault(tip, FakeFile()).holds["word"] = word

    def read(self, uuid: str) -> set[str]:
        """The words on its disks."""
        return {self._content(tip).get("word", "") for tip in self._tips(uuid).values()}

    def content(self, path: str) -> str:
        """The word that a file shows."""
        return self._content(path).get("word", "")

    # The hypervisor's part.

    async def take(
        self, uuid: str, layers: Mapping[str, str], *, memory: str = "", quiesce: bool = False, live: bool = True
    ) -> Taken:
        self._ask("take")
        # libvirt goes on with it, whatever becomes of who has asked.
        self.under_way = asyncio.ensure_future(self._take(uuid, layers, memory, quiesce))
        return await asyncio.shield(self.under_way)

    async def _take(self, uuid: str, layers: Mapping[str, str], memory: str, quiesce: bool) -> Taken:
        if quiesce and not memory and not self.agent:
            self.frozen.add(uuid)
        await asyncio.sleep(self.take_s)
        if memory:
            self.parts[memory] = self.ram.get(uuid, "")
        for dev, tip in self._tips(uuid).items():
            if layers[dev] in self.disks:
                raise Transient(f"{layers[dev]} is there already")
            self.disks.setdefault(tip, FakeFile())
            self.disks[layers[dev]] = FakeFile(tip)
        self._write_to(uuid, layers)
        self.frozen.discard(uuid)
        return Taken(0.3 if quiesce and not self.agent else 0.0, self.agent if quiesce else "it was not asked for")

    async def put(self, uuid: str, files: Mapping[str, str]) -> None:
        self._ask("put")
        if self._domain(uuid).observed.is_active:
            raise Transient("it runs")
        self._write_to(uuid, files)

    async def take_up(self, uuid: str, memory: str, files: Mapping[str, str]) -> None:
        self._ask("take_up")
        if self.broken_memory:
            raise Terminal(TAKEN_UP, "the memory cannot be read")
        if self._domain(uuid).observed.is_active:
            return
        await self.hypervisor.start(uuid)
        self.hypervisor.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="migration")
        self.ram[uuid] = self.parts[memory]

    async def commit(self, uuid: str, dev: str, top: str, base: str) -> None:
        self._ask("commit")
        if (uuid, dev) not in self.jobs and top in self._chain(self._tips(uuid)[dev]):
            self.jobs[uuid, dev] = (top, base, asyncio.get_running_loop().time() + JOB_S)

    async def merging(self, uuid: str, dev: str) -> Copying | None:
        job = self.jobs.get((uuid, dev))
        if job is None:
            return None
        top, base, done_at = job
        is_done, is_tip = asyncio.get_running_loop().time() >= done_at, self._tips(uuid)[dev] == top
        if is_done and not is_tip:
            self._merge(top, base)
            self._restack(top, base)
            del self.jobs[uuid, dev]
            return None
        return Copying(1 if is_done else 0, 1, is_ready=is_done)

    async def pivot(self, uuid: str, dev: str) -> None:
        self._ask("pivot")
        if (job := self.jobs.pop((uuid, dev), None)) is not None:
            self._merge(job[0], job[1])
            self._write_to(uuid, {dev: job[1]})

    async def abort(self, uuid: str, dev: str = "") -> None:
        self._ask("abort")
        self.jobs.pop((uuid, dev), None)

    async def saving(self, uuid: str) -> Copying | None:
        return None

    async def files(self, uuid: str) -> DomainFiles:
        if not self._domain(uuid).observed.is_active:
            return DomainFiles()
        return DomainFiles(chains={dev: tuple(self._chain(tip)) for dev, tip in self._tips(uuid).items()})

    async def is_frozen(self, uuid: str) -> bool:
        return uuid in self.frozen

    async def thaw(self, uuid: str) -> None:
        self.frozen.discard(uuid)

    async def settled(self, uuid: str) -> None:
        if self.under_way is not None:
            await asyncio.wait({self.under_way})

    async def close(self) -> None:
        """Nothing to let go of."""

    def _domain(self, uuid: str) -> FakeDomain:
        return self.hypervisor.domains_by_uuid[uuid]

    def _tips(self, uuid: str) -> dict[str, str]:
        disks = self._domain(uuid).observed.hardware.disks or self._domain(uuid).defined_hardware.disks
        return {disk.dev: written(disk) for disk in disks if disk.device == "disk"}

    def _write_to(self, uuid: str, files: Mapping[str, str]) -> None:
        domain = self._domain(uuid)
        domain.defined_hardware = _with(domain.defined_hardware, files)
        domain.observed = replace(domain.observed, hardware=_with(domain.observed.hardware, files))

    def _chain(self, path: str) -> list[str]:
        found = [path]
        while below := self.disks.get(found[-1], FakeFile()).backing:
            found.append(below)
        return found

    def _content(self, path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in reversed(self._chain(path)):
            found |= self.disks.get(one, FakeFile()).holds
        return found

    def _merge(self, top: str, base: str) -> None:
        self.disks[base].holds |= self.disks[top].holds

    def _restack(self, top: str, base: str) -> None:
        for file in self.disks.values():
            if file.backing == top:
                file.backing = base

    def _ask(self, call: str) -> None:
        self.hypervisor.before_change(call)
        self.hypervisor.calls.append(call)


@dataclass
class FakeFiles:
    """The files' part."""

    all: FakeLayers

    async def tree(self, uid: str = "") -> Tree:
        for uuid, domain in self.all.hypervisor.domains_by_uuid.items():
            for disk in domain.defined_hardware.disks:
                if disk.device == "disk" and disk.path.startswith("/") and uuid in disk.path:
                    self.all.disks.setdefault(disk.path, FakeFile())
        return {path: LayerFile(path, file.backing, 65536) for path, file in self.all.disks.items() if uid in path}

    async def over(self, path: str, backing: str) -> None:
        self._ask("over")
        self.all.disks.setdefault(backing, FakeFile())
        self.all.disks[path] = FakeFile(backing)

    async def commit(self, top: str, into: str) -> None:
        self._ask("qemu-img commit")
        await asyncio.sleep(JOB_S)
        self.all._merge(top, into)

    async def rebase(self, path: str, backing: str) -> None:
        self._ask("rebase")
        self.all.disks[path].backing = backing

    async def copy(self, source: str, target: str) -> bool:
        return False

    async def remove(self, paths: Iterable[str]) -> None:
        self._ask("remove")
        for path in paths:
            self.all.disks.pop(path, None)
            self.all.parts.pop(path, None)

    async def allocated(self, paths: Sequence[str]) -> dict[str, int]:
        return {path: 65536 for path in paths if path in self.all.disks or path in self.all.parts}

    def _ask(self, call: str) -> None:
        self.all.hypervisor.before_change(call)


def _with(hardware: Hardware, files: Mapping[str, str]) -> Hardware:
    disks = (
        replace(disk, layer="" if files[disk.dev] == base_of(files[disk.dev]) else files[disk.dev])
        if disk.dev in files
        else disk
        for disk in hardware.disks
    )
    return replace(hardware, disks=tuple(disks))


@asynccontextmanager
async def snapshotting(world: World, layers: FakeLayers) -> AsyncIterator[NodeController]:
    """A controller process that can take snapshots; leaving the block is as sudden as kill -9."""
    async with world.controller() as controller:
        snapshots = NodeSnapshots(controller, layers, FakeFiles(layers))
        controller.works.update(snapshots.works())
        task = asyncio.ensure_future(snapshots.run())
        try:
            yield controller
        finally:
            task.cancel()
            await asyncio.wait([task])
