"""Snapshots: taken, gone back to, merged."""

import random
from functools import partial
from pathlib import Path

from pydantic import JsonValue

from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from tests.campaign.work import layers
from tests.campaign.work.guest import Guest
from tests.campaign.work.shop import Shop
from tests.campaign.work.trial import Look, OperationTrial, Trial, step_of

MOST = 3
OFF = 0.25


async def take(guest: Guest, *, memory: bool = False) -> VMSnapshot:
    """A snapshot that nobody disturbs."""
    name = guest.shop.name(f"{guest.name}-kept")
    await guest.shop.operate(guest.name, "snapshot", snapshotSpec={"name": name, "includeMemory": memory})
    found = await guest.shop.fresh(VM_SNAPSHOTS, name)
    assert found is not None
    return found


async def drop_all(guest: Guest) -> None:
    """None of the guest's snapshots is left."""
    for name in [one.metadata.name for one in of_guest(guest)]:
        await guest.shop.gone(guest.shop.snapshots, VM_SNAPSHOTS, name)


def of_guest(guest: Guest) -> list[VMSnapshot]:
    """The guest's snapshots, the newest first: that is the order in which they can go."""
    found = [one for one in guest.shop.snapshots if one.spec.vm_ref.name == guest.name]
    return sorted(found, key=lambda one: one.metadata.creation_timestamp, reverse=True)  # type: ignore[arg-type, return-value]


def disks(snapshot: VMSnapshot) -> list[Path]:
    """Its frozen files, the root disk's first."""
    return sorted((Path(path) for path in snapshot.status.backing_files or [] if path.endswith(".qcow2")), key=_order)


def _order(path: Path) -> bool:
    return "-root" not in path.name


async def assert_kept(snapshot: VMSnapshot, mark: int, spots: layers.Spots = layers.SPOTS) -> None:
    """It is Ready, and its files are there with what was on the disks then."""
    assert snapshot.status.phase == "Ready", snapshot.status.wire()
    await layers.assert_marked(disks(snapshot), mark, spots)
    for path in disks(snapshot):
        await layers.assert_well_formed(path)
    for path in map(Path, snapshot.status.backing_files or []):
        assert path.stat().st_size, f"{path} is empty"


class Taking(OperationTrial):
    """Of the disks alone; in a part of the rounds of a VM that is off."""

    title = "snapshot of the disks"
    operation = "snapshot"
    memory = False

    async def prepare(self) -> None:
        await super().prepare()
        if len(of_guest(self.guest)) >= MOST:
            await drop_all(self.guest)
        await self.guest.power(on=self.memory or self.rng.random() >= OFF)
        await self.guest.write()

    def wanted(self) -> JsonObject:
        self.snapshot = self.shop.name(f"{self.guest.name}-s")
        quiesce = self.rng.random() < 0.5
        return {"snapshotSpec": {"name": self.snapshot, "includeMemory": self.memory, "quiesce": quiesce}}

    async def verify(self, look: Look) -> None:
        found = await self.shop.fresh(VM_SNAPSHOTS, self.snapshot)
        if look.is_done:
            assert found is not None
            mark = self.guest.mark
            await assert_kept(found, mark, self.guest.spots)
            kept = any(path.endswith(".save") for path in found.status.backing_files or [])
            assert kept == self.memory
            await self.guest.assert_untouched()
            await self.guest.write()
            await assert_kept(found, mark, self.guest.spots)
        elif found is not None:
            assert found.status.phase == "Failed", found.status.wire()
            await self.shop.gone(self.shop.snapshots, VM_SNAPSHOTS, self.snapshot)
        await self.guest.assert_untouched()
        await self.guest.assert_whole()


class TakingMemory(Taking):
    """With the memory."""

    title = "snapshot with memory"
    memory = True


class TakingQuiesced(Taking):
    """Of a Linux guest whose agent holds the file systems; they must not stay held."""

    title = "snapshot quiesced by the agent"

    def new_guest(self) -> Guest:
        return LinuxGuest(self.shop, self.shop.name("quiesced"))

    async def prepare(self) -> None:
        await Trial.prepare(self)
        if len(of_guest(self.guest)) >= MOST:
            await drop_all(self.guest)
        await self.guest.write()

    def wanted(self) -> JsonObject:
        self.snapshot = self.shop.name(f"{self.guest.name}-s")
        return {"snapshotSpec": {"name": self.snapshot, "quiesce": True}}


class LinuxGuest(Guest):
    """A guest with an agent, which is asked instead of its count; what its root disk holds is its own business."""

    async def create(self) -> None:
        shop, self.spots = self.shop, (None, layers.DATA)
        disks: list[JsonValue] = [{"name": "root", "size": "256Mi"}, {"name": "data", "size": "8Mi"}]
        await shop.bench.create(self.name, f"file://{shop.linux}", disks=disks, memory="192Mi")
        await shop.until(shop.bench.vms, lambda: shop.bench.reason(self.name, "LivenessProbe") == "AgentAnswers")

    def look(self) -> None:
        self.pid = self.shop.bench.vm(self.name).status.qemu_pid

    async def assert_untouched(self) -> None:
        assert self.shop.bench.vm(self.name).status.qemu_pid == self.pid
        assert await self.shop.node(self.name)[1].is_thawed(self.uid), f"{self.name} is still frozen"


class Restoring(OperationTrial):
    """To a snapshot with memory or without, of a guest that runs or is off."""

    title = "restore of a snapshot"
    operation = "restore"
    with_memory = False

    async def equip(self) -> None:
        await self.guest.write()
        self.kept_mark, self.counted = self.guest.mark, len(await self.guest.counts())
        self.snapshot = await take(self.guest, memory=self.with_memory)
        self.counted_at = (await self.guest.counts(0))[-1]

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.power(on=self.rng.random() >= OFF)
        await self.guest.write()

    def wanted(self) -> JsonObject:
        return {"restoreSpec": {"snapshotName": self.snapshot.metadata.name}}

    async def verify(self, look: Look) -> None:
        is_on = self.guest.pid is not None or (look.is_done and self.with_memory)
        await self.guest.power(on=is_on)
        if look.is_done:
            self.guest.mark = self.kept_mark
        if look.is_done and is_on:
            first, most = (await self.guest.last_run())[0], self.counted_at + 1 if self.with_memory else 1
            least = self.counted if self.with_memory else 1
            assert least <= first <= most, f"the guest goes on at {first}, not from {least} to {most}"
        await self.guest.assert_whole()
        found = await self.shop.fresh(VM_SNAPSHOTS, self.snapshot.metadata.name)
        assert found is not None
        await assert_kept(found, self.kept_mark)


class RestoringMemory(Restoring):
    """With the memory, from which the guest goes on."""

    title = "restore of a snapshot with memory"
    with_memory = True


class Merging(Trial):
    """A snapshot is deleted, the older or the newer one of two, of a guest that runs or is off."""

    title = "delete of a snapshot"
    can_be_cancelled = False

    def __init__(self, shop: Shop, rng: random.Random) -> None:
        super().__init__(shop, rng)
        self.marks: dict[str, int] = {}
        self.snapshot = ""

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.snapshots  # type: ignore[return-value]

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.power(on=self.rng.random() >= OFF)
        while len(of_guest(self.guest)) < 2:
            mark = await self.guest.write()
            name = (await take(self.guest)).metadata.name
            await self.shop.until(self.shop.snapshots, partial(self._is_seen, name))
            self.marks[name] = mark
        await self.guest.write()

    def _is_seen(self, name: str) -> bool:
        return self.shop.the(self.shop.snapshots, name) is not None

    async def ask(self) -> None:
        self.snapshot = self.rng.choice(of_guest(self.guest)).metadata.name
        await self.shop.drop(VM_SNAPSHOTS, self.snapshot)

    async def look(self) -> Look:
        found, op = await self.shop.fresh(VM_SNAPSHOTS, self.snapshot), self._merge()
        fresh = await self.shop.fresh(VM_OPERATIONS, op.metadata.name) if op is not None else None
        words = (fresh.status.message if fresh is not None else None) or ""
        return Look(found is None, step_of(words), found is None, words)

    def version(self) -> str:
        op = self._merge()
        return "" if op is None else op.metadata.resource_version or ""

    def seems_over(self) -> bool:
        return self.shop.the(self.shop.snapshots, self.snapshot) is None

    def _merge(self) -> VMOperation | None:
        """The operation that the controller has made for it."""
        for op in self.shop.bench.operations:
            spec = op.spec.snapshot_spec
            if op.spec.operation == "merge" and spec is not None and spec.name == self.snapshot:
                return op
        return None

    async def verify(self, look: Look) -> None:
        assert look.is_done
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        for one in of_guest(self.guest):
            if one.metadata.name != self.snapshot:
                found = await self.shop.fresh(VM_SNAPSHOTS, one.metadata.name)
                assert found is not None
                await assert_kept(found, self.marks[one.metadata.name])
