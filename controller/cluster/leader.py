"""The leader's work: places VMs, answers for operations without a node, clears old ones away, tells of silent nodes."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.cluster.backups import BackupLeader
from controller.cluster.placement import Refusal, place, words
from controller.cluster.retention import expired
from controller.cluster.silence import Silence
from controller.cluster.snapshots import SnapshotRetention
from controller.cluster.templates.merging import merged, wants_template
from controller.cluster.templates.merging import refusal as refusal_of_template
from controller.node.objects import Objects
from controller.node.operations.conduct import Conductor
from controller.node.operations.deletion import deletes, is_deletion, without_machine
from controller.node.operations.outcome import pending, stamped
from controller.node.operations.turn import asks_for_cancel, refusal
from controller.node.taken import taken
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Done, Later, Outcome, Worker
from controller.settings import Pace
from hypersdk.errors import ApiError, Invalid, NotFound, Terminal, Unreachable
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.kube.watch import Watch
from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS
from hypersdk.model.marks import is_filled
from hypersdk.model.virtualmachine import ConditionType, Phase, VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation, VMOperationStatus
from hypersdk.model.vmtemplate import VMTemplate

log = logging.getLogger(__name__)
CLEAR_EVERY_S = 60.0
SCHEDULED = "Scheduled"
UNSCHEDULABLE = "Unschedulable"


@dataclass
class Leader:
    """The cluster part; runs only while the lease is held."""

    client: Client
    vms: Objects[VirtualMachine]
    operations: Objects[VMOperation]
    recorder: Recorder
    pace: Pace
    now: Callable[[], datetime]
    nodes: Cache[VMNode] = field(default_factory=Cache)
    templates: Cache[VMTemplate] = field(default_factory=Cache)
    """Watched by whoever looks at templates."""
    namespace: str = ""
    """The only namespace whose backups and snapshots are looked after; all when empty."""

    def __post_init__(self) -> None:
        self.conductor = Conductor(self.operations, self.vms, self.now)

    async def run(self) -> None:
        """Lead until cancelled."""
        machines: KeyQueue[Key] = KeyQueue()
        operations: KeyQueue[Key] = KeyQueue()
        stops = [
            on_change(self.vms.cache, machines, lambda key: [key]),
            on_change(self.nodes, machines, lambda _: self._unplaced()),
            on_change(self.templates, machines, lambda _: self._unplaced()),
            on_change(self.operations.cache, operations, lambda key: [key]),
            on_change(self.vms.cache, operations, self._of_gone),
        ]
        for key in self._unplaced():
            machines.add(key)
        for op in self.operations.cache:
            operations.add(op.key)
        try:
            async with asyncio.TaskGroup() as group:
                # One at a time: each placement has to see the one before.
                group.create_task(Worker(machines, self.schedule, Backoff(), concurrency=1).run())
                group.create_task(Worker(operations, self.answer, Backoff(), concurrency=2).run())
                group.create_task(Watch(self.client, VM_NODES, self.nodes).run())
                group.create_task(on_clock(self.pace.resync, machines, self._unplaced))
                group.create_task(self._clear())
                ttl = timedelta(seconds=self.pace.operation_ttl)
                group.create_task(SnapshotRetention(self.client, self.now, ttl, self.namespace).run())
                group.create_task(self._backups().run())
                group.create_task(Silence(self.client, self.nodes, self.vms, self.recorder, self.now).run())
        finally:
            for stop in stops:
                stop()
            machines.close()
            operations.close()

    async def schedule(self, key: Key) -> Outcome:
        """Give the VM a node if it has none."""
        if self.nodes.health is not Health.LIVE or self.vms.cache.health is not Health.LIVE:
            return Later(2.0)
        vm = self.vms.get(*key)
        if vm is None or vm.status.node_name or vm.metadata.deletion_timestamp is not None or is_filled(vm):
            return Done()
        try:
            if wants_template(vm):
                return await self._take_template(vm)
            only = part.node if (part := taken(vm)) is not None else ""
        except Terminal as error:
            await self._hold_back(vm, error.reason, str(error))
            return Done()
        others = [self.vms.newest(other) for other in self.vms.cache]
        nodes = sorted((node for node in self.nodes if only in {"", node.metadata.name}), key=lambda node: node.key)
        found = place(vm, nodes, others, self.now())
        if isinstance(found, list) and only:
            found = [*found, Refusal("any other", f"the image of its template is on {only} alone")]
        if isinstance(found, str):
            await self._assign(vm, found)
        else:
            await self._refuse(vm, found)
        return Done()

    async def answer(self, key: Key) -> Outcome:
        """Fail an operation whose VM does not exist, or that cannot be one; a node does all others."""
        op = self.operations.get(*key)
        if op is None:
            return Done()
        if op.phase.is_over:
            # The VM's node lets it go; of a VM that is gone nobody else does.
            if self.vms.get(*op.machine) is None:
                await self.conductor.release(op)
            return Done()
        status = refusal(op) or await self._of_machine(op)
        if status is None:
            return Done()
        new = stamped(op.status, status, self.now())
        op = await self.operations.write_status(op, op.status.wire(), new.wire())
        if op.phase.is_over:
            await self.conductor.release(op)
        return Done() if new.phase is not None and new.phase.is_over else Later(5.0)

    async def _of_machine(self, op: VMOperation) -> VMOperationStatus | None:
        namespace, name = op.machine
        vm = self.vms.get(namespace, name)
        if vm is None:
            try:
                # The two watches are not in step: only the API itself can say that there is no such VM.
                vm = await self.client.get(VIRTUAL_MACHINES, namespace, name)
            except NotFound:
                return without_machine(op)
        if deletes(op) not in {"", vm.metadata.uid}:
            return without_machine(op)
        if vm.status.node_name:
            return None
        if is_deletion(op) and not asks_for_cancel(op):
            await self.conductor.delete(op, vm)
            return None
        return pending(op, "waits until the VM has a node")

    async def _assign(self, vm: VirtualMachine, node: str) -> None:
        message = f"placed on node {node}"
        await self._write(vm, SCHEDULED, message, node)
        namespace, name = vm.key
        log.info("vm=%s/%s %s", namespace, name, message)
        await self.recorder.record(vm, "Normal", SCHEDULED, message)

    async def _take_template(self, vm: VirtualMachine) -> Outcome:
        """Write what its template says into the VM's spec, where it is seen, and stays when the template changes."""
        if self.templates.health is not Health.LIVE:
            return Later(2.0)
        name = vm.spec.image.template_ref.name if vm.spec.image and vm.spec.image.template_ref else None
        template = self.templates.get(vm.key[0], name or "")
        if (refused := refusal_of_template(vm, template)) is not None or template is None:
            await self._hold_back(vm, *(refused or (UNSCHEDULABLE, "")))
            return Done()
        try:
            await self.vms.write(vm, merged(vm, template))
        except Invalid as error:
            await self._hold_back(vm, "TemplateRefused", f"the template {name} does not fit this VM: {error}")
            return Done()
        return Later(0.0)

    async def _refuse(self, vm: VirtualMachine, refusals: list[Refusal]) -> None:
        await self._hold_back(vm, UNSCHEDULABLE, words(refusals))

    async def _hold_back(self, vm: VirtualMachine, reason: str, message: str) -> None:
        """Say why it gets no node, once."""
        before = next((c for c in vm.status.conditions or [] if c.type == ConditionType.READY), None)
        if before is not None and (before.reason, before.message) == (reason, message):
            return
        await self._write(vm, reason, message, None)
        await self.recorder.record(vm, "Warning", "FailedScheduling", message)

    async def _write(self, vm: VirtualMachine, reason: str, message: str, node: str | None) -> None:
        ready = Condition(type=ConditionType.READY, status="False", reason=reason, message=message)
        conditions = with_condition(vm.status.conditions, ready, self.now())
        status: JsonObject = {"phase": Phase.PENDING.value, "conditions": [one.wire() for one in conditions]}
        if node is not None:
            status["nodeName"] = node
        version: JsonObject = {"resourceVersion": vm.metadata.resource_version}
        await self.vms.write(vm, {"metadata": version, "status": status}, subresource="status")

    def _of_gone(self, machine: Key) -> list[Key]:
        """The operations of a VM that is gone: nobody but the leader answers for them."""
        if self.vms.cache.get(*machine) is not None:
            return []
        return [op.key for op in self.operations.cache if op.machine == machine]

    def _backups(self) -> BackupLeader:
        return BackupLeader(self.client, self.vms, self.nodes, self.recorder, self.now, self.namespace)

    def _unplaced(self) -> list[Key]:
        return [vm.key for vm in self.vms.cache if not vm.status.node_name]

    async def _clear(self) -> None:
        ttl = timedelta(seconds=self.pace.operation_ttl)
        while True:
            await asyncio.sleep(CLEAR_EVERY_S)
            if self.vms.cache.health is not Health.LIVE:
                continue
            for op in expired(self.operations.cache, set(self.vms.cache.objects), ttl, self.now()):
                await self._delete(op)

    async def _delete(self, op: VMOperation) -> None:
        namespace, name = op.key
        try:
            await self.client.delete(VM_OPERATIONS, namespace, name, uid=op.metadata.uid)
        except (ApiError, Unreachable) as error:
            log.info("operation %s/%s was not cleared away: %s", namespace, name, error)
