"""The status of an operation at each of its turns: pure; times are stamped when it is written."""

from datetime import datetime

from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.vmoperation import OperationPhase, VMOperation, VMOperationStatus
from hypersdk.plaintext import plain

ARRIVAL = "arrival"
"""In `status.result` of one that waits: its version when it was first seen, for every writing makes a new one."""
DONE = "Succeeded"
"""The condition that carries the reason of an end."""


def pending(op: VMOperation, message: str) -> VMOperationStatus:
    """It has to wait, and keeps its place."""
    noted: JsonObject = {ARRIVAL: op.metadata.resource_version}
    return op.status.but(phase=OperationPhase.PENDING, message=message, result=noted | (op.status.result or {}))


def arrival(op: VMOperation) -> int:
    """Grows from one operation to the next, as the API took them; creation times are whole seconds."""
    noted = (op.status.result or {}).get(ARRIVAL)
    version = noted if isinstance(noted, str) else op.metadata.resource_version
    return int(version) if version.isdecimal() else 0


def running(op: VMOperation, progress: int, message: str) -> VMOperationStatus:
    """It goes on; progress never falls."""
    further = max(progress, op.status.progress or 0)
    return op.status.but(phase=OperationPhase.RUNNING, progress=further, message=message)


def succeeded(op: VMOperation, message: str) -> VMOperationStatus:
    """Its effect was observed."""
    return _end(op, OperationPhase.SUCCEEDED, "EffectObserved", message).but(progress=100)


def failed(op: VMOperation, reason: str, message: str) -> VMOperationStatus:
    """It will have no effect."""
    return _end(op, OperationPhase.FAILED, reason, message)


def cancelled(op: VMOperation, message: str) -> VMOperationStatus:
    """Somebody ended it."""
    return _end(op, OperationPhase.CANCELLED, "Cancelled", message)


def stamped(old: VMOperationStatus, new: VMOperationStatus, now: datetime) -> VMOperationStatus:
    """With the times that go with its phase, and without what could steer a terminal."""
    if new.message is not None:
        new = new.but(message=plain(new.message))
    if new.phase is not None and new.phase.is_over:
        new = new.but(completion_time=old.completion_time or now)
    conditions = new.conditions
    for condition in new.conditions or []:
        conditions = with_condition(old.conditions, condition, now)
    return new.but(conditions=conditions)


def _end(op: VMOperation, phase: OperationPhase, reason: str, message: str) -> VMOperationStatus:
    verdict = "True" if phase is OperationPhase.SUCCEEDED else "False"
    condition = Condition(type=DONE, status=verdict, reason=reason, message=plain(message))
    return op.status.but(phase=phase, message=message, conditions=[condition])
