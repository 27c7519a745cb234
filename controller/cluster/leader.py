"""The leader's work: places VMs, answers for operations that no node answers for, and clears old ones away."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.cluster.placement import Refusal, place, words
from controller.cluster.retention import expired
from controller.node.objects import Objects
from controller.node.operations.outcome import failed, pending, stamped
from controller.node.operations.turn import refusal
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Done, Later, Outcome, Worker
from controller.settings import Pace
from hypersdk.errors import ApiError, NotFound, Unreachable
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.kube.watch import Watch
from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS
from hypersdk.model.virtualmachine import ConditionType, Phase, VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation, VMOperationStatus

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

    async def run(self) -> None:
        """Lead until cancelled."""
        machines: KeyQueue[Key] = KeyQueue()
        operations: KeyQueue[Key] = KeyQueue()
        stops = [
            on_change(self.vms.cache, machines, lambda key: [key]),
            on_change(self.nodes, machines, lambda _: self._unplaced()),
            on_change(self.operations.cache, operations, lambda key: [key]),
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
        if vm is None or vm.status.node_name or vm.metadata.deletion_timestamp is not None:
            return Done()
        others = [self.vms.newest(other) for other in self.vms.cache]
        found = place(vm, sorted(self.nodes, key=lambda node: node.key), others, self.now())
        if isinstance(found, str):
            await self._assign(vm, found)
        else:
            await self._refuse(vm, found)
        return Done()

    async def answer(self, key: Key) -> Outcome:
        """Fail an operation whose VM does not exist, or that cannot be one; a node does all others."""
        op = self.operations.get(*key)
        if op is None or op.phase.is_over:
            return Done()
        status = refusal(op) or await self._of_machine(op)
        if status is None:
            return Done()
        new = stamped(op.status, status, self.now())
        await self.operations.write_status(op, op.status.wire(), new.wire())
        return Done() if new.phase is not None and new.phase.is_over else Later(5.0)

    async def _of_machine(self, op: VMOperation) -> VMOperationStatus | None:
        namespace, name = op.key[0], op.spec.vm_ref.name
        vm = self.vms.get(namespace, name)
        if vm is None:
            try:
                # The two watches are not in step: only the API itself can say that there is no such VM.
                vm = await self.client.get(VIRTUAL_MACHINES, namespace, name)
            except NotFound:
                return failed(op, "VMNotFound", f"there is no VM {name} in namespace {namespace}")
        return None if vm.status.node_name else pending(op, "waits until the VM has a node")

    async def _assign(self, vm: VirtualMachine, node: str) -> None:
        message = f"placed on node {node}"
        await self._write(vm, SCHEDULED, message, node)
        namespace, name = vm.key
        log.info("vm=%s/%s %s", namespace, name, message)
        await self.recorder.record(vm, "Normal", SCHEDULED, message)

    async def _refuse(self, vm: VirtualMachine, refusals: list[Refusal]) -> None:
        message = words(refusals)
        before = next((c for c in vm.status.conditions or [] if c.type == ConditionType.READY), None)
        if before is not None and (before.reason, before.message) == (UNSCHEDULABLE, message):
            return
        await self._write(vm, UNSCHEDULABLE, message, None)
        await self.recorder.record(vm, "Warning", "FailedScheduling", message)

    async def _write(self, vm: VirtualMachine, reason: str, message: str, node: str | None) -> None:
        ready = Condition(type=ConditionType.READY, status="False", reason=reason, message=message)
        conditions = with_condition(vm.status.conditions, ready, self.now())
        status: JsonObject = {"phase": Phase.PENDING.value, "conditions": [one.wire() for one in conditions]}
        if node is not None:
            status["nodeName"] = node
        version: JsonObject = {"resourceVersion": vm.metadata.resource_version}
        await self.vms.write(vm, {"metadata": version, "status": status}, subresource="status")

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
