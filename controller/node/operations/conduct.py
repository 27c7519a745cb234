"""Takes operations up, keeps their status, and leaves `spec.running` as they want it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.hypervisor.port import ObservedDomain
from controller.node.objects import Objects
from controller.node.operations.outcome import stamped
from controller.node.operations.power import (
    OLD_RUN_ENDED,
    Obstacle,
    ends_now,
    judged,
    running_before,
    taken_up,
    wanted_running,
)
from controller.node.operations.turn import turn
from hypersdk.errors import NotFound
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
        mine = turn((self.operations.newest(op) for op in self.operations.cache), vm)
        for op, status in mine.settled:
            if status.phase is OperationPhase.CANCELLED:
                # First, for once it is over nobody comes back to it.
                vm = await self._take_back(op, vm)
            await self._write(op, status)
        return vm, mine.current

    async def begin(
        self, op: VMOperation, vm: VirtualMachine, observed: ObservedDomain | None
    ) -> tuple[VirtualMachine, VMOperation]:
        """Write down that it begins, and from where; only then is anything done."""
        op = await self._write(op, taken_up(op, vm, observed, self.now()))
        result = op.status.result or {}
        if result.get(SPEC_WRITTEN):
            return vm, op
        if vm.spec.running != wanted_running(op):
            vm = await self.vms.write(vm, {"spec": {"running": wanted_running(op)}})
        return vm, await self._write(op, op.status.but(result=result | {SPEC_WRITTEN: True}))

    async def see_end(self, op: VMOperation, observed: ObservedDomain | None) -> VMOperation:
        """Write down that a restart's old run is over, before there is a new one."""
        if not ends_now(op, observed):
            return op
        return await self._write(op, op.status.but(result=(op.status.result or {}) | {OLD_RUN_ENDED: True}))

    async def judge(self, op: VMOperation, observed: ObservedDomain | None, obstacle: Obstacle | None) -> VMOperation:
        """Write what the pass did for it."""
        return await self._write(op, judged(op, observed, obstacle, self.now()))

    async def _take_back(self, op: VMOperation, vm: VirtualMachine) -> VirtualMachine:
        before = running_before(op)
        if before is None or before == vm.spec.running or vm.metadata.deletion_timestamp is not None:
            return vm
        return await self.vms.write(vm, {"spec": {"running": before}})

    async def _write(self, op: VMOperation, status: VMOperationStatus) -> VMOperation:
        new = stamped(op.status, status, self.now())
        if new.phase is not op.status.phase:
            namespace, name = op.key
            log.info("vm=%s/%s op=%s phase=%s %s", namespace, op.spec.vm_ref.name, name, new.phase, new.message)
        try:
            return await self.operations.write_status(op, op.status.wire(), new.wire())
        except NotFound:
            # Deleted meanwhile: nobody asks any more.
            return op.but(status=new)
