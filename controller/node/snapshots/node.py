"""The snapshots of one node as a whole: its parts put together, its watch, its worker."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.hypervisor.layer_port import LayerHost, Taken
from controller.node.controller import NodeController
from controller.node.errands import Errands
from controller.node.objects import Objects
from controller.node.operations.work import Work
from controller.node.snapshots.drawing import Drawing
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.guard import Guard
from controller.node.snapshots.keeper import SnapshotKeeper, of_operation
from controller.node.snapshots.merging import Merger, MergeWork
from controller.node.snapshots.restoring import RestoreWork
from controller.node.snapshots.store import SnapshotStore
from controller.node.snapshots.taking import SnapshotWork
from controller.node.snapshots.thawing import Thawing
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Worker
from hypersdk.kube.cache import Cache, Key
from hypersdk.kube.watch import Watch
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.vmsnapshot import VMSnapshot


@dataclass
class NodeSnapshots:
    """Snapshots of the VMs of one controller."""

    controller: NodeController
    layers: LayerHost
    files: LayerFiles
    cache: Cache[VMSnapshot] = field(default_factory=Cache)

    def __post_init__(self) -> None:
        near = self.controller.with_
        self.store = SnapshotStore(Objects(near.client, VM_SNAPSHOTS, self.cache), near.now)
        guard = Guard(self.controller.places, self.files, self.cache)
        self.controller.reconciler.preparation.guard = self.controller.reconciler.removal.guard = guard
        self.drawing = Drawing(near.hypervisor, self.files, guard, self.controller.vm_cache, self.cache)
        self.merger = Merger(self.layers, self.files, self.store)
        self.taking = Errands[Taken]()

    def works(self) -> dict[str, Work]:
        """What does the operations on snapshots, by their names."""
        controller, places = self.controller, self.controller.places
        node, near = controller.settings.node, controller.with_
        return {
            "snapshot": SnapshotWork(self.layers, self.files, places, self.merger, self.store, node, self.taking),
            "restore": RestoreWork(near.hypervisor, self.layers, self.files, places, self.store, controller.vms),
            "merge": MergeWork(self.merger),
        }

    async def run(self) -> None:
        """Work until cancelled."""
        controller, queue = self.controller, KeyQueue[Key]()
        near, settings = controller.with_, controller.settings
        keeper = SnapshotKeeper(
            settings.node,
            self.store,
            controller.vms,
            controller.operations,
            near.hypervisor,
            self.files,
            self.merger,
            near.now,
        )
        stops = [
            on_change(self.cache, queue, self._of_snapshot),
            on_change(controller.operation_cache, queue, self._of_operation),
            on_change(controller.vm_cache, queue, self._of_machine),
        ]
        try:
            async with self.taking, self.merger.errands, asyncio.TaskGroup() as group:
                group.create_task(Watch(near.client, VM_SNAPSHOTS, self.cache, settings.namespace).run())
                group.create_task(on_clock(settings.pace.resync, queue, lambda: [one.key for one in self.cache]))
                group.create_task(Thawing(near.hypervisor, self.layers).run())
                group.create_task(Worker(queue, keeper, concurrency=2).run())
        finally:
            for stop in stops:
                stop()
            queue.close()

    def _of_snapshot(self, key: Key) -> Iterable[Key]:
        """With it, those that may have waited for it to go."""
        return [key, *(one.key for one in self.cache if one.metadata.deletion_timestamp is not None)]

    def _of_operation(self, key: Key) -> Iterable[Key]:
        op = self.controller.operation_cache.get(*key)
        return of_operation(op, list(self.cache)) if op is not None else []

    def _of_machine(self, machine: Key) -> Iterable[Key]:
        vm = self.controller.vm_cache.get(*machine)
        mine = (one for one in self.cache if one.machine == machine)
        # Only what changes for a snapshot: that its VM has come to this node, or goes.
        return [one.key for one in mine if vm is None or one.status.phase in {None, "Pending"}]
