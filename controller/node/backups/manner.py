"""What does a BackupJob ask for, and can it be had? Pure; a Terminal says what to write instead."""

from dataclasses import dataclass

from controller.node.backups.pieces import LEVEL
from hypersdk.errors import Terminal
from hypersdk.model.backupjob import BackupJob

_LEVELS = {1: 1, 2: 2, 3: 3, 4: 5, 5: 7, 6: 9, 7: 12, 8: 15, 9: 19}
"""gzip's nine levels, which the field is meant for, on zstd's scale."""


@dataclass(frozen=True)
class Manner:
    """How the backup is made."""

    raw: bool = False
    level: int = LEVEL
    """Of zstd; 0 for no compression."""
    incremental: bool = False
    base: str = ""


def manner_of(job: BackupJob) -> Manner:
    """How it is made; Terminal for what this system does not do."""
    spec = job.spec
    other = spec.source.namespace
    if other is not None and other != job.metadata.namespace:
        words = f"source.namespace is {other}; a BackupJob is about a VM of its own namespace"
        raise Terminal("CrossNamespaceReference", words)
    if not spec.source.vm_name:
        raise Terminal("ValidationFailed", "source.vmName is missing: write the name of a VirtualMachine")
    incremental = spec.incremental is not None and spec.incremental.enabled
    base = (spec.incremental.base_backup_ref if spec.incremental else None) or ""
    if spec.format is None:
        return Manner(incremental=incremental, base=base)
    kind = spec.format.type
    if kind not in {"qcow2", "raw"}:
        raise Terminal("Unsupported", f"format.type {kind} is not written: set it to qcow2 or raw")
    if kind == "raw" and incremental:
        raise Terminal("Unsupported", "an incremental backup is qcow2: set format.type to qcow2")
    level = _LEVELS[spec.format.compression_level] if spec.format.compression else 0
    return Manner(kind == "raw", level, incremental, base)
