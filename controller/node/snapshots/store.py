"""The VMSnapshot objects of one VM as works read and write them."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.node.objects import Objects
from controller.node.snapshots.chain import Points
from controller.node.snapshots.status import files_of
from hypersdk.errors import Conflict, NotFound
from hypersdk.model.marks import SNAPSHOT_FINALIZER
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot, VMSnapshotStatus


@dataclass
class SnapshotStore:
    """Every VMSnapshot that this node knows."""

    objects: Objects[VMSnapshot]
    now: Callable[[], datetime]

    async def of(self, vm: VirtualMachine) -> list[VMSnapshot]:
        """Those of a VM, by name: asked of the API, for what is decided by them cannot be taken back."""
        every = await self.objects.client.list(self.objects.kind, vm.key[0])
        mine = [one for one in every if one.machine == vm.key and one.status.vm_uid in {None, vm.metadata.uid}]
        return sorted(mine, key=lambda one: one.metadata.name)

    async def points(self, vm: VirtualMachine, *, without: str = "") -> Points:
        """The files that each of them needs; those of one that is let go are left out."""
        return {one.metadata.name: files_of(one) for one in await self.of(vm) if one.metadata.name != without}

    async def fresh(self, namespace: str, name: str) -> VMSnapshot | None:
        """The object as the API has it now, which the cache may not have seen yet."""
        try:
            return await self.objects.client.get(self.objects.kind, namespace, name)
        except NotFound:
            return None

    async def write(self, snapshot: VMSnapshot, status: VMSnapshotStatus) -> VMSnapshot:
        """Write its status where that differs; of one that is gone there is nothing to say."""
        with contextlib.suppress(NotFound):
            return await self.objects.write_status(snapshot, snapshot.status.wire(), status.wire())
        return snapshot

    async def say(self, snapshot: VMSnapshot, status: VMSnapshotStatus) -> None:
        """Write its status unless somebody has written the object since it was looked at, whose word is newer."""
        with contextlib.suppress(Conflict):
            await self.objects.write_status(snapshot, snapshot.status.wire(), status.wire(), only_this=True)

    async def hold(self, snapshot: VMSnapshot) -> VMSnapshot:
        """Keep the object until its files are gone."""
        return await self.objects.hold(snapshot, SNAPSHOT_FINALIZER)

    async def release(self, snapshot: VMSnapshot) -> None:
        """Let the object go."""
        await self.objects.release(snapshot, SNAPSHOT_FINALIZER)

    async def move(self, vm: VirtualMachine, old: str, new: str) -> None:
        """A file of theirs has another name by now, with the same content."""
        for one in await self.of(vm):
            files = files_of(one)
            if old in files:
                moved = sorted({new if path == old else path for path in files})
                await self.write(one, one.status.but(backing_files=moved))
