"""start, stop, restart, pause and resume: what each wants of the VM, and when its effect is there. Pure.

What has to outlive a controller that is killed stands in `status.result` before anything is done.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from controller.hypervisor.port import DomainState, ObservedDomain
from controller.node.intent import Intent, Run, Wanted
from controller.node.operations.holding import (
    HELD_BY_DISK,
    in_the_way,
    is_held,
    is_held_by_disk,
    let_run_at,
    runs_on,
    watched_until,
)
from controller.node.operations.obstacle import Obstacle
from controller.node.operations.outcome import DONE, failed, running, succeeded
from controller.node.operations.work import is_work
from controller.node.paused import paused
from controller.node.plan import is_half_started, run_of
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.quantity import to_seconds
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation, VMOperationStatus

OLD_RUN_ENDED = "oldRunEnded"
DEADLINE = "DeadlineExceeded"


def taken_up(
    op: VMOperation,
    vm: VirtualMachine,
    observed: ObservedDomain | None,
    now: datetime,
    notes: JsonObject | None = None,
) -> VMOperationStatus:
    """The status that says that work begins, with what was found at the beginning."""
    if op.phase is OperationPhase.RUNNING and op.status.start_time is not None:
        return op.status
    there = observed if observed is not None and observed.is_active else None
    found: JsonObject = {"runningBefore": vm.spec.running}
    if there is not None:
        found |= {"qemuPidBefore": there.pid, "qemuStartBefore": there.started_at}
    if is_held_by_disk(there):
        found |= {HELD_BY_DISK: True}
    return running(op, 10, f"{op.spec.operation} begins").but(start_time=now, result=found | (notes or {}))


def wanted_running(op: VMOperation) -> bool | None:
    """What the operation makes of `spec.running`; None when it leaves it as it is."""
    if op.spec.operation in {"pause", "resume"} or is_work(op):
        return None
    return op.spec.operation != "stop"


def running_before(op: VMOperation) -> bool | None:
    """What `spec.running` was before the operation began; None when it never began."""
    before = (op.status.result or {}).get("runningBefore")
    return before if isinstance(before, bool) else None


def as_intent(op: VMOperation, base: Intent) -> Intent:
    """What the operation wants of the power, over what the spec wants."""
    if op.spec.operation == "stop":
        return replace(base, wanted=Wanted.OFF, force=op.spec.force)
    if op.spec.operation == "pause":
        return replace(base, hold=True)
    let_run = op.spec.operation in {"start", "resume"} and let_run_at(op) is None
    if op.spec.operation == "resume":
        return replace(base, let_run=let_run)
    ending = _run_before(op) if op.spec.operation == "restart" and not has_ended(op) else None
    force = op.spec.force and ending is not None
    return replace(base, wanted=Wanted.ON, explicit=True, force=force, ending=ending, let_run=let_run)


def has_ended(op: VMOperation) -> bool:
    """Whether a restart has seen the end of the run that it began with."""
    return (op.status.result or {}).get(OLD_RUN_ENDED) is True


def ends_now(op: VMOperation, observed: ObservedDomain | None) -> bool:
    """Whether a restart sees that end now; written down before another run begins, so that there is only one."""
    if op.spec.operation != "restart" or has_ended(op):
        return False
    return observed is None or not observed.is_active or run_of(observed) != _run_before(op)


def judged(
    op: VMOperation,
    observed: ObservedDomain | None,
    obstacle: Obstacle | None,
    now: datetime,
    *,
    is_to_run: bool = True,
) -> VMOperationStatus:
    """The operation after a pass: over when its effect was seen, when it failed, or when its time is up."""
    if _is_effective(op, observed, now):
        return succeeded(op, _past(op, observed))
    obstacle = in_the_way(op, observed, is_to_run=is_to_run) or obstacle
    if obstacle is not None and obstacle.final:
        return failed(op, obstacle.reason, obstacle.message)
    words = obstacle.message if obstacle is not None else _going_on(op, observed)
    if now >= deadline(op, now):
        return overdue(op, words)
    return running(op, 50 if _is_halfway(op, observed) else 20, words)


def hindered(op: VMOperation, obstacle: Obstacle, now: datetime) -> VMOperationStatus:
    """The operation after a pass that came to nothing."""
    if obstacle.final:
        return failed(op, obstacle.reason, obstacle.message)
    return overdue(op, obstacle.message) if now >= deadline(op, now) else running(op, 10, obstacle.message)


def overdue(op: VMOperation, words: str) -> VMOperationStatus:
    """Its time is up; says what becomes of what was begun."""
    return failed(op, DEADLINE, f"not done within {op.spec.timeout}: {words}{_left_over(op)}")


def is_overdue(status: VMOperationStatus) -> bool:
    """Whether its time was up."""
    found = condition(status.conditions, DONE)
    return found is not None and found.reason == DEADLINE


def deadline(op: VMOperation, now: datetime) -> datetime:
    """When its time is up."""
    return (op.status.start_time or now) + timedelta(seconds=to_seconds(op.spec.timeout))


def _is_effective(op: VMOperation, observed: ObservedDomain | None, now: datetime) -> bool:
    match op.spec.operation:
        case "stop":
            return observed is None or not observed.is_active
        case "pause":
            return is_held(observed)
        case "restart":
            return runs_on(op, observed, now) and not _is_old_run(op, observed)
    return runs_on(op, observed, now)


def _is_old_run(op: VMOperation, observed: ObservedDomain | None) -> bool:
    return not has_ended(op) and observed is not None and observed.is_active and run_of(observed) == _run_before(op)


def _is_halfway(op: VMOperation, observed: ObservedDomain | None) -> bool:
    return op.spec.operation == "restart" and not _is_old_run(op, observed)


def _run_before(op: VMOperation) -> Run | None:
    found = op.status.result or {}
    pid, started_at = found.get("qemuPidBefore"), found.get("qemuStartBefore")
    if isinstance(pid, int) and isinstance(started_at, int | float):
        return Run(pid, float(started_at))
    return None


def _past(op: VMOperation, observed: ObservedDomain | None) -> str:
    if op.spec.operation == "stop":
        return "the VM is off"
    if op.spec.operation == "pause":
        return "the VM is paused"
    return f"the VM runs (QEMU pid {observed.pid})" if observed else "the VM runs"


def _going_on(op: VMOperation, observed: ObservedDomain | None) -> str:
    if op.spec.operation == "pause":
        return "pausing"
    if op.spec.operation == "stop" or (op.spec.operation == "restart" and _is_old_run(op, observed)):
        return "waiting for the guest to power off"
    if observed is not None and observed.state is DomainState.PAUSED and not is_half_started(observed):
        return f"the VM is paused: {paused(observed).message}"
    return "watching whether it runs on" if watched_until(op) is not None else "starting"


def _left_over(op: VMOperation) -> str:
    match op.spec.operation:
        case "stop" | "restart" if running_before(op):
            return "; it is to run on, and is started again should it still power off"
        case "start" if running_before(op) is False:
            return "; it is not to run, as before"
    return ""
