"""Keeps the VMSnapshot objects of this node's VMs true: has them taken and merged by operations, one at a time per VM.

A snapshot that kubectl makes becomes an operation like any other, so it waits for its turn, is told of, can be
cancelled, and outlives the controller in the same way.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.hypervisor.port import Hypervisor
from controller.node.objects import Objects
from controller.node.snapshots.chain import ancestors, parents
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.merging import Merger
from controller.node.snapshots.status import creating, deleting, failed, files_of, waiting
from controller.node.snapshots.store import SnapshotStore
from controller.node.snapshots.users import user_of
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.errors import AlreadyExists, NotFound
from hypersdk.kube.cache import Health, Key
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import MADE_BY, MADE_FOR, SNAPSHOT_FINALIZER
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationName, OperationPhase, VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot

RETRY_S = 30.0
"""After a merge that came to nothing."""
TOLD_AFTER_S = 1.0
"""Most are taken in a tenth of that, and what is written meanwhile holds them up."""
TIMEOUT = "6h"
LONGEST_NAME = 200


@dataclass
class SnapshotKeeper:
    """One pass over one VMSnapshot."""

    node: str
    store: SnapshotStore
    vms: Objects[VirtualMachine]
    operations: Objects[VMOperation]
    hypervisor: Hypervisor
    files: LayerFiles
    merger: Merger
    now: Callable[[], datetime]

    async def __call__(self, key: Key) -> Outcome:
        """See what it waits for, and ask for what is to be done next."""
        caches = (self.store.objects.cache, self.vms.cache, self.operations.cache)
        if any(cache.health is not Health.LIVE for cache in caches):
            return Later(2.0)
        snapshot = self.store.objects.get(*key)
        vm = self.vms.get(*snapshot.machine) if snapshot is not None else None
        if snapshot is None or vm is None or vm.status.node_name != self.node:
            return Done()  # the leader answers for those without a VM
        if snapshot.status.vm_uid not in {None, vm.metadata.uid}:
            return Done()
        if snapshot.metadata.deletion_timestamp is not None:
            return await self._end(snapshot, vm)
        if snapshot.status.phase in {None, "Pending", "Creating"}:
            return await self._begin(snapshot, vm)
        if snapshot.status.phase == "Ready" and _unfinished(self._taking(snapshot)) is None:
            await self._trace(snapshot, vm)
        return Done()

    async def _begin(self, snapshot: VMSnapshot, vm: VirtualMachine) -> Outcome:
        ours, is_its_own = self._taking(snapshot), _maker(snapshot) is not None
        if going := _unfinished(ours):
            return await self._tell(snapshot, going, is_its_own=is_its_own)
        if ours and all(op.phase.is_over for op in ours):
            return await self._fail(snapshot, ours[-1])
        if is_its_own:
            # Its operation is not seen yet, or was cleared away before it could say anything.
            return Later(RETRY_S)
        snapshot = await self.store.hold(snapshot)
        spec: JsonObject = {
            "name": snapshot.metadata.name,
            "includeMemory": snapshot.spec.include_memory,
            "quiesce": snapshot.spec.quiesce,
        }
        await self._ask("snapshot", snapshot, {"snapshotSpec": spec}, "1h")
        return Later(RETRY_S)

    async def _tell(self, snapshot: VMSnapshot, op: VMOperation, *, is_its_own: bool) -> Outcome:
        """Say how far its taking is; one that its operation has made itself does not wait any more."""
        if op.phase is OperationPhase.RUNNING:
            if (early_s := TOLD_AFTER_S - self._since(op.status.start_time)) > 0:
                return Later(early_s)
            await self.store.say(snapshot, creating(snapshot.status, "it is being taken", self.now()))
        elif not is_its_own:
            words = op.status.message or "waits for its turn"
            await self.store.say(snapshot, waiting(snapshot.status, "Waiting", words, self.now()))
        return Done()

    async def _fail(self, snapshot: VMSnapshot, op: VMOperation) -> Outcome:
        found = condition(op.status.conditions, "Succeeded")
        reason = (found.reason if found else None) or "SnapshotFailed"
        if op.phase is OperationPhase.SUCCEEDED:
            return Later(RETRY_S)  # the object's own status is on its way
        await self.store.write(snapshot, failed(snapshot.status, reason, op.status.message or "", self.now()))
        return Done()

    async def _end(self, snapshot: VMSnapshot, vm: VirtualMachine) -> Outcome:
        if SNAPSHOT_FINALIZER not in (snapshot.metadata.finalizers or []):
            return Done()
        if going := _unfinished(self._taking(snapshot)):
            if going.phase is OperationPhase.PENDING:
                namespace, name = going.key
                with contextlib.suppress(NotFound):
                    await self.vms.client.delete(VM_OPERATIONS, namespace, name, uid=going.metadata.uid)
            return Later(2.0)
        if user_of(snapshot, map(self.operations.newest, self.operations.cache)) is not None:
            return Later(2.0)
        if not files_of(snapshot):
            await self.store.release(snapshot)
            return Done()
        merges = self._operations_for(snapshot, "merge")
        if going := _unfinished(merges):
            words = going.status.message or "waits for its turn"
            await self.store.write(snapshot, deleting(snapshot.status, "Merging", words, self.now()))
            return Done()
        if merges and (wait_s := self._since(merges[-1].status.completion_time)) < RETRY_S:
            await self.store.write(snapshot, deleting(snapshot.status, "Retrying", _why(merges[-1]), self.now()))
            return Later(RETRY_S - wait_s)
        observed = await self.hypervisor.observe(vm.metadata.uid)
        if words := await self.merger.obstacle(snapshot, vm, observed):
            await self.store.write(snapshot, deleting(snapshot.status, "LayerInUse", words, self.now()))
            return Later(RETRY_S)
        spec: JsonObject = {"snapshotSpec": {"name": snapshot.metadata.name}}
        again = f"-{int(self.now().timestamp())}" if merges else ""
        await self._ask("merge", snapshot, spec, TIMEOUT, again)
        return Later(RETRY_S)

    async def _trace(self, snapshot: VMSnapshot, vm: VirtualMachine) -> None:
        """Say which one it was taken on top of."""
        points = await self.store.points(vm)
        parent = parents(points, await self.files.tree())
        name = snapshot.metadata.name
        chain = ancestors(name, parent)
        status = snapshot.status.but(parent_snapshot=parent.get(name) or None, snapshot_chain=chain)
        await self.store.write(snapshot, status)

    async def _ask(
        self, operation: OperationName, snapshot: VMSnapshot, extra: JsonObject, timeout: str, again: str = ""
    ) -> None:
        namespace, name = snapshot.key
        meta: JsonObject = {
            "name": f"{name[:LONGEST_NAME]}-{operation}-{snapshot.metadata.uid[:8]}{again}",
            "annotations": {MADE_FOR: snapshot.metadata.uid},
            "labels": {"vm": snapshot.spec.vm_ref.name[:63]},
        }
        spec: JsonObject = {"vmRef": {"name": snapshot.spec.vm_ref.name}, "operation": operation, "timeout": timeout}
        with contextlib.suppress(AlreadyExists):
            await self.vms.client.create(VM_OPERATIONS, namespace, {"metadata": meta, "spec": spec | extra})

    def _taking(self, snapshot: VMSnapshot) -> list[VMOperation]:
        """Those that take it: the one that made it, or those that were made for it."""
        if (maker := _maker(snapshot)) is None:
            return self._operations_for(snapshot, "snapshot")
        return [self.operations.newest(op) for op in self.operations.cache if op.metadata.uid == maker]

    def _operations_for(self, snapshot: VMSnapshot, operation: OperationName) -> list[VMOperation]:
        """Those that were made for its sake, the newest last."""
        newest = (self.operations.newest(op) for op in self.operations.cache)
        mine = [op for op in newest if op.spec.operation == operation and _is_for(op, snapshot)]
        return sorted(mine, key=lambda op: op.metadata.name)

    def _since(self, moment: datetime | None) -> float:
        return (self.now() - moment).total_seconds() if moment is not None else 0.0


def of_operation(op: VMOperation, snapshots: list[VMSnapshot]) -> list[Key]:
    """The snapshots that wait for an operation."""
    uid = (op.metadata.annotations or {}).get(MADE_FOR)
    made_by = [one.key for one in snapshots if _maker(one) == op.metadata.uid]
    return [*made_by, *(one.key for one in snapshots if one.metadata.uid == uid)]


def _maker(snapshot: VMSnapshot) -> str | None:
    """The uid of the operation that made the object."""
    return (snapshot.metadata.annotations or {}).get(MADE_BY)


def _unfinished(operations: list[VMOperation]) -> VMOperation | None:
    return next((op for op in operations if not op.phase.is_over), None)


def _is_for(op: VMOperation, snapshot: VMSnapshot) -> bool:
    return (op.metadata.annotations or {}).get(MADE_FOR) == snapshot.metadata.uid


def _why(op: VMOperation) -> str:
    return op.status.message or f"{op.metadata.name} is {op.phase}"
