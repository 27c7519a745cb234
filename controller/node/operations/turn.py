"""Whose turn is it among the operations on one VM: one at a time, the oldest first. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.node.operations.deletion import deletes, going_on, is_deletion
from controller.node.operations.outcome import arrival, cancelled, failed, pending
from controller.node.operations.work import is_work
from hypersdk.model.base import Resource
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation, VMOperationStatus

Settled = tuple[VMOperation, VMOperationStatus]


@dataclass(frozen=True)
class Turn:
    """The operation that goes on now, and what is said at once of the others."""

    current: VMOperation | None = None
    settled: tuple[Settled, ...] = ()


def of_machine(operations: Iterable[VMOperation], vm: VirtualMachine) -> list[VMOperation]:
    """The unfinished operations that name the VM, in their order; the one that runs already is the first."""
    mine = [op for op in operations if op.machine == vm.key]
    return sorted((op for op in mine if not op.phase.is_over), key=_order)


def turn(operations: Iterable[VMOperation], vm: VirtualMachine, now: datetime) -> Turn:
    """Choose the current one; refuse, cancel or make wait the others."""
    settled: list[Settled] = []
    current: VMOperation | None = None
    mine = of_machine(operations, vm)
    force = next((op for op in mine if overtakes(op)), None)
    for op in mine:
        if (end := _end(op, vm, now) or _overtaken(op, force)) is not None:
            settled.append((op, end))
        elif current is None:
            current = op
        else:
            settled.append((op, pending(op, f"waits for {current.spec.operation} ({current.metadata.name})")))
    return Turn(current, tuple(settled))


def refusal(op: VMOperation) -> VMOperationStatus | None:
    """Why an operation cannot be done at all, whatever its VM is like; None when it can."""
    other = op.spec.vm_ref.namespace
    if other is not None and other != op.metadata.namespace:
        words = f"vmRef names a VM of namespace {other}; an operation acts in its own namespace only"
        return failed(op, "CrossNamespaceReference", words)
    return None


def asks_for_cancel(op: Resource) -> bool:
    """Whether somebody wants the operation to end."""
    return op.metadata.deletion_timestamp is not None or CANCEL in (op.metadata.annotations or {})


def _end(op: VMOperation, vm: VirtualMachine, now: datetime) -> VMOperationStatus | None:
    if (refused := refusal(op)) is not None:
        return refused
    if is_deletion(op) and vm.metadata.deletion_timestamp is not None and (deletes(op) or not asks_for_cancel(op)):
        # From here on nobody can take it back, and only the VM's absence ends it.
        return going_on(op, vm, now)
    if is_work(op) and op.phase is OperationPhase.RUNNING:
        # It is undone before it is over.
        return None
    if asks_for_cancel(op):
        return cancelled(op, "it was cancelled")
    if vm.metadata.deletion_timestamp is not None:
        return cancelled(op, f"{vm.metadata.name} is being deleted")
    return None


def overtakes(op: VMOperation) -> bool:
    """Whether it is the one operation that waits for no other: a person who cuts the power wants it cut now."""
    is_fit = refusal(op) is None and not asks_for_cancel(op)
    return is_fit and op.spec.operation == "stop" and op.spec.force


def _overtaken(op: VMOperation, force: VMOperation | None) -> VMOperationStatus | None:
    is_on = op.phase is OperationPhase.RUNNING
    if force is None or op is force or not is_on or overtakes(op) or deletes(op) or is_work(op):
        return None
    return cancelled(op, f"overtaken by a stop by force ({force.metadata.name})")


def _order(op: VMOperation) -> tuple[bool, float, int, str]:
    made = op.metadata.creation_timestamp
    return (op.phase is not OperationPhase.RUNNING, made.timestamp() if made else 0.0, arrival(op), op.metadata.name)
