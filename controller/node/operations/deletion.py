"""delete as an operation: it outlives its VM, so that its end can be told. Pure."""

from datetime import datetime

from controller.node.operations.outcome import failed, running, succeeded
from controller.node.operations.power import deadline
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation, VMOperationStatus

DELETES = "deletes"
"""In `status.result`: the uid of the VM, written before anything is deleted."""


def is_deletion(op: VMOperation) -> bool:
    """Whether it is one."""
    return op.spec.operation == "delete"


def deletes(op: VMOperation) -> str:
    """The uid of the VM whose deletion was begun; empty before that."""
    uid = (op.status.result or {}).get(DELETES)
    return uid if isinstance(uid, str) else ""


def begun(op: VMOperation, vm: VirtualMachine, now: datetime) -> VMOperationStatus:
    """The deletion begins."""
    if deletes(op):
        return op.status
    status = running(op, 10, f"{vm.metadata.name} is being deleted")
    return status.but(start_time=now, result={DELETES: vm.metadata.uid})


def going_on(op: VMOperation, vm: VirtualMachine, now: datetime) -> VMOperationStatus:
    """The VM is marked as deleted and still there."""
    op = op.but(status=begun(op, vm, now))
    held = ", ".join(vm.metadata.finalizers or [])
    if now >= deadline(op, now):
        return failed(op, "DeadlineExceeded", f"not gone within {op.spec.timeout}, and cannot be taken back ({held})")
    return running(op, 50, f"waiting for what has to be cleared away first ({held})")


def without_machine(op: VMOperation) -> VMOperationStatus:
    """There is no such VM, or it is another one by now."""
    namespace, name = op.machine
    if deletes(op):
        return succeeded(op, f"{name} is deleted")
    return failed(op, "VMNotFound", f"there is no VM {name} in namespace {namespace}")
