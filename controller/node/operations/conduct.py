"""Takes operations up, keeps their status, and leaves `spec.running` as they want it."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.hypervisor.port import ObservedDomain
from controller.node.objects import Objects
from controller.node.operations.deletion import begun
from controller.node.operations.holding import LET_RUN_AT
from controller.node.operations.obstacle import Obstacle
from controller.node.operations.outcome import pending, stamped
from controller.node.operations.power import (
    OLD_RUN_ENDED,
    ends_now,
    hindered,
    is_overdue,
    judged,
    running_before,
    taken_up,
    wanted_running,
)
from controller.node.operations.turn import of_machine, turn
from hypersdk.errors import NotFound
from hypersdk.model.base import JsonObject, rfc3339_micro
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.marks import KEEP_DISKS, OPERATION_FINALIZER
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation, VMOperationStatus

log = logging.getLogger(__name__)
SPEC_WRITTEN = "specWritten"
"""In `status.result` once `spec.running` is what the operation wants: a later change of it is somebody else's."""


@dataclass
class Conductor:
    """The operations of this node's VMs."""

    operations: Objects[VMOperation]
    vms: Objects[VirtualMachine]
    now: Callable[[], datetime]

    async def settle(self, vm: VirtualMachine) -> tuple[VirtualMachine, VMOperation | None]:
        """Say what is to be said of those that are not on; the one that is."""
        known = [self.operations.newest(op) for op in self.operations.cache]
        mine = turn(known, vm, self.now())
        for op, status in mine.settled:
            if status.phase is OperationPhase.CANCELLED:
                # First, for once it is over nobody comes back to it.
                vm = await self._take_back(op, vm)
            if status.phase is OperationPhase.RUNNING:
                op = await self.hold(op)
            await self.write(op, status)
        for op in known:
            if op.phase.is_over and op.machine == vm.key:
                await self.release(op)
        return vm, mine.current

    async def hold(self, op: VMOperation) -> VMOperation:
        """Keep the object until it is over."""
        return await self.operations.hold(op, OPERATION_FINALIZER)

    async def begin(
        self, op: VMOperation, vm: VirtualMachine, observed: ObservedDomain | None, notes: JsonObject | None = None
    ) -> tuple[VirtualMachine, VMOperation]:
        """Write down that it begins, from where, and with what notes; only then is anything done."""
        op = await self.write(await self.hold(op), taken_up(op, vm, observed, self.now(), notes))
        result, wanted = op.status.result or {}, wanted_running(op)
        if wanted is None or result.get(SPEC_WRITTEN):
            return vm, op
        if vm.spec.running != wanted:
            vm = await self.vms.write(vm, {"spec": {"running": wanted}})
        return vm, await self.write(op, op.status.but(result=result | {SPEC_WRITTEN: True}))

    async def see_end(self, op: VMOperation, observed: ObservedDomain | None) -> VMOperation:
        """Write down that a restart's old run is over, before there is a new one."""
        if not ends_now(op, observed):
            return op
        return await self.write(op, op.status.but(result=(op.status.result or {}) | {OLD_RUN_ENDED: True}))

    async def let_run(self, op: VMOperation) -> VMOperation:
        """Write down that the guest was let run: if it is held again, that has another cause."""
        moment = rfc3339_micro(self.now())
        return await self.write(op, op.status.but(result=(op.status.result or {}) | {LET_RUN_AT: moment}))

    async def judge(
        self, op: VMOperation, vm: VirtualMachine, observed: ObservedDomain | None, obstacle: Obstacle | None
    ) -> tuple[VirtualMachine, VMOperation]:
        """Write what the pass did for it."""
        status = judged(op, observed, obstacle, self.now(), is_to_run=vm.spec.running)
        return await self._judged(op, vm, status)

    async def hinder(self, op: VMOperation, vm: VirtualMachine, obstacle: Obstacle) -> None:
        """Write that the pass came to nothing, and why."""
        if op.phase is OperationPhase.RUNNING:
            await self._judged(op, vm, hindered(op, obstacle, self.now()))
        else:
            await self.write(op, pending(op, obstacle.message))

    async def delete(self, op: VMOperation, vm: VirtualMachine) -> None:
        """Delete the VM for it; the operation goes on until the VM is gone."""
        op = await self.hold(op)
        await self.write(op, begun(op, vm, self.now()))
        if KEEP_DISKS in (op.metadata.annotations or {}):
            vm = await self.vms.write(vm, {"metadata": {"annotations": {KEEP_DISKS: "true"}}})
        namespace, name = vm.key
        with contextlib.suppress(NotFound):
            await self.vms.client.delete(VIRTUAL_MACHINES, namespace, name, uid=vm.metadata.uid)

    def is_waited_for(self, vm: VirtualMachine) -> bool:
        """Whether an operation of the VM goes on."""
        return any(of_machine((self.operations.newest(op) for op in self.operations.cache), vm))

    async def release(self, op: VMOperation) -> VMOperation:
        """Let the object go once it is over."""
        return await self.operations.release(op, OPERATION_FINALIZER)

    async def _judged(
        self, op: VMOperation, vm: VirtualMachine, status: VMOperationStatus
    ) -> tuple[VirtualMachine, VMOperation]:
        if is_overdue(status):
            vm = await self._take_back(op, vm)
        return vm, await self.write(op, status)

    async def _take_back(self, op: VMOperation, vm: VirtualMachine) -> VirtualMachine:
        before = running_before(op)
        if before is None or before == vm.spec.running or vm.metadata.deletion_timestamp is not None:
            return vm
        return await self.vms.write(vm, {"spec": {"running": before}})

    async def write(self, op: VMOperation, status: VMOperationStatus) -> VMOperation:
        """Write its status where that differs; one that is over is let go."""
        new = stamped(op.status, status, self.now())
        if new.phase is not op.status.phase:
            namespace, name = op.key
            log.info("vm=%s/%s op=%s phase=%s %s", namespace, op.spec.vm_ref.name, name, new.phase, new.message)
        try:
            op = await self.operations.write_status(op, op.status.wire(), new.wire())
        except NotFound:
            # Deleted meanwhile: nobody asks any more.
            return op.but(status=new)
        return await self.release(op) if op.phase.is_over else op
