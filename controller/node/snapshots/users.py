"""Which operations need a snapshot until they are over? Pure."""

from collections.abc import Iterable

from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot


def user_of(snapshot: VMSnapshot, operations: Iterable[VMOperation]) -> VMOperation | None:
    """One that goes back to it or clones it, or waits for its turn to do so; the snapshot stays for that long."""
    mine = (op for op in operations if op.machine == snapshot.machine and not op.phase.is_over)
    return next((op for op in mine if _named(op) == snapshot.metadata.name), None)


def _named(op: VMOperation) -> str | None:
    restored, cloned = op.spec.restore_spec, op.spec.clone_spec
    if op.spec.operation == "restore":
        return restored.snapshot_name if restored is not None else None
    if op.spec.operation == "clone" and cloned is not None and cloned.snapshot_ref is not None:
        return cloned.snapshot_ref.name
    return None
