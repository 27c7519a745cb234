"""pause and resume, and a start of a guest that is held: when is it done, and what is in its way? Pure."""

from datetime import datetime, timedelta

from controller.hypervisor.port import DomainState, ObservedDomain, Power
from controller.node.operations.obstacle import Obstacle
from controller.node.paused import paused
from hypersdk.model.vmoperation import VMOperation

LET_RUN_AT = "letRunAt"
"""In `status.result` once the guest was let run: what holds it after that has another cause than before."""
HELD_BY_DISK = "heldByDisk"
WATCHED = timedelta(seconds=1)
"""A guest that was held by a disk tries its request again at once, and is held again if that fails."""


def let_run_at(op: VMOperation) -> datetime | None:
    """When the guest was let run for this operation."""
    moment = (op.status.result or {}).get(LET_RUN_AT)
    return datetime.fromisoformat(moment) if isinstance(moment, str) else None


def watched_until(op: VMOperation) -> datetime | None:
    """Until when a guest that was held by a disk is watched before it counts as running."""
    moment = let_run_at(op)
    return moment + WATCHED if moment and (op.status.result or {}).get(HELD_BY_DISK) is True else None


def is_held_by_disk(observed: ObservedDomain | None) -> bool:
    """Whether a disk holds the guest."""
    return observed is not None and (observed.reason == "ioerror" or bool(observed.disk_errors))


def is_held(observed: ObservedDomain | None) -> bool:
    """Whether the guest is held because it was asked for."""
    if observed is None or observed.owner is None:
        return False
    return observed.state is DomainState.PAUSED and observed.owner.power is Power.PAUSED


def runs_on(op: VMOperation, observed: ObservedDomain | None, now: datetime) -> bool:
    """Whether the guest runs, and does so for long enough to be believed."""
    if observed is None or observed.state is not DomainState.RUNNING:
        return False
    until = watched_until(op)
    return until is None or now >= until


def in_the_way(op: VMOperation, observed: ObservedDomain | None, *, is_to_run: bool) -> Obstacle | None:
    """Why the guest can be neither held nor let run, or is held again."""
    name = op.spec.vm_ref.name
    if op.spec.operation in {"pause", "resume"} and not (observed is not None and observed.is_active and is_to_run):
        tip = "start it instead" if op.spec.operation == "resume" else "there is nothing to pause"
        return Obstacle("NotRunning", f"{name} is off, or about to be: {tip}")
    if observed is not None and observed.state is DomainState.PAUSED and let_run_at(op) is not None:
        found = paused(observed)
        return Obstacle(found.reason, f"it ran, and is held again: {found.message}")
    return None
