"""How does work end without its effect? What is to be said then is written down before it is undone. Pure."""

from collections.abc import Iterable
from datetime import datetime

from controller.node.operations.outcome import cancelled, failed
from controller.node.operations.power import DEADLINE, deadline
from controller.node.operations.turn import asks_for_cancel, overtakes
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation, VMOperationStatus

ENDING = "ending"
"""In `status.result`: the reason and the words of an end that waits until all is undone."""
CANCELLED = "Cancelled"


def note(reason: str, message: str) -> JsonObject:
    """What is written down of an end."""
    return {"reason": reason, "message": message}


def noted(op: VMOperation) -> tuple[str, str] | None:
    """Reason and words of the end that was written down; None while it goes on."""
    found = (op.status.result or {}).get(ENDING)
    if not isinstance(found, dict):
        return None
    return str(found.get("reason", "")), str(found.get("message", ""))


def due(op: VMOperation, vm: VirtualMachine, others: Iterable[VMOperation], now: datetime) -> tuple[str, str] | None:
    """Why it is to end now; None when it may go on."""
    if asks_for_cancel(op):
        return CANCELLED, "it was cancelled"
    if vm.metadata.deletion_timestamp is not None:
        return CANCELLED, f"{vm.metadata.name} is being deleted"
    if (force := next((other for other in others if overtakes(other)), None)) is not None:
        return CANCELLED, f"overtaken by a stop by force ({force.metadata.name})"
    if now >= deadline(op, now):
        return DEADLINE, f"not done within {op.spec.timeout}: {op.status.message or 'it had not begun'}"
    return None


def ended(op: VMOperation, reason: str, message: str) -> VMOperationStatus:
    """The status of its end, all being undone."""
    return cancelled(op, message) if reason == CANCELLED else failed(op, reason, message)
