"""VMSnapshot: a VM's disks, and its memory if asked, at one moment."""

from typing import Annotated, Literal

from pydantic import Field

from hypersdk.model.base import Condition, Model, Resource, Time
from hypersdk.model.rules import rules, unchanging
from hypersdk.model.virtualmachine import NamespacedRef

Positive = Annotated[int, Field(ge=1)]


class SnapshotRetention(Model):
    """How long the snapshot is kept."""

    keep_days: Positive | None = None
    keep_count: Positive | None = None
    auto_delete: bool = True
    expires_at: Time | None = None


class SnapshotDestination(Model):
    """Where the snapshot's data goes."""

    storage_class: str | None = None
    location: str | None = None


class VMSnapshotSpec(Model):
    """What to keep, of which VM."""

    vm_ref: Annotated[NamespacedRef, Field(json_schema_extra=rules(unchanging("VMSnapshot")))]
    include_memory: bool = False
    quiesce: bool = True
    description: str | None = None
    retention: SnapshotRetention | None = None
    destination: SnapshotDestination | None = None


class VmState(Model):
    """The VM as it was."""

    cpus: int | None = None
    memory: str | None = None
    disk_count: int | None = None
    running: bool | None = None


Consistency = Literal["Memory", "FilesystemFrozen", "CrashConsistent", "Offline"]


class VMSnapshotStatus(Model):
    """What was kept."""

    phase: Literal["Pending", "Creating", "Ready", "Failed", "Deleting", "Expired"] | None = None
    conditions: list[Condition] | None = None
    size: str | None = None
    size_bytes: Annotated[int, Field(json_schema_extra={"format": "int64"})] | None = None
    creation_time: Time | None = None
    ready_to_restore: bool | None = None
    backing_files: list[str] | None = None
    vm_state: VmState | None = None
    parent_snapshot: str | None = None
    snapshot_chain: list[str] | None = None
    consistency: Consistency | None = None
    """What the disks are like: with the memory that belongs to them, written out by the guest, as after a power cut, or
    of a VM that was off. The condition `Consistent` says why."""
    frozen_seconds: float | None = None
    """For how long the guest's file systems were held."""
    vm_uid: str | None = None
    """The uid of the VM, of which another one may have the name by now."""
    node_name: str | None = None


class VMSnapshot(Resource):
    """A snapshot of a VM."""

    spec: VMSnapshotSpec
    status: VMSnapshotStatus = VMSnapshotStatus()

    @property
    def machine(self) -> tuple[str, str]:
        """The key of the VM that it names, which is one of its own namespace."""
        return (self.key[0], self.spec.vm_ref.name)
