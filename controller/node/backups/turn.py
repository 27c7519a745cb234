"""Whose turn is it: what does a backup or restore of a VM wait for? Pure."""

from collections.abc import Iterable

from hypersdk.kube.cache import Key
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.marks import is_filled
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation


def backup_waits(
    job: BackupJob, vm: VirtualMachine, jobs: Iterable[BackupJob], operations: Iterable[VMOperation], free_slots: int
) -> str:
    """What a backup has to wait for, in words; empty when it may begin."""
    if (op := operation_of(vm.key, operations)) is not None:
        return f"waits for {op.spec.operation} ({op.metadata.name})"
    if is_filled(vm):
        return "waits until the VM's disks are filled"
    mine = sorted((one for one in jobs if one.machine == vm.key and not one.is_over), key=_order)
    if mine and mine[0].key != job.key and _order(mine[0]) < _order(job):
        return f"waits for the backup {mine[0].metadata.name} of the same VM"
    return "" if free_slots > 0 else "waits for other backups on this node"


def operation_of(machine: Key, operations: Iterable[VMOperation]) -> VMOperation | None:
    """An operation on the VM that is not over."""
    return next((op for op in operations if op.machine == machine and not op.phase.is_over), None)


def _order(job: BackupJob) -> tuple[bool, float, str]:
    made = job.metadata.creation_timestamp
    return (job.status.phase != "Running", made.timestamp() if made else 0.0, job.metadata.name)
