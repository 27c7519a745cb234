"""VMOperation: one thing to do to one VM, with its progress and outcome."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hypersdk.model.base import Condition, JsonObject, Model, Resource, Time
from hypersdk.model.quantity import BANDWIDTH_PATTERN
from hypersdk.model.virtualmachine import Cpus, Duration, Memory, NamespacedRef


class OperationPhase(StrEnum):
    """The five phases of the document."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"

    @property
    def is_over(self) -> bool:
        """True when nothing more will happen."""
        return self in {OperationPhase.SUCCEEDED, OperationPhase.FAILED, OperationPhase.CANCELLED}


OperationName = Literal[
    "start", "stop", "restart", "clone", "migrate", "snapshot", "resize", "delete", "restore", "pause", "resume"
]


class CloneSpec(Model):
    """Where a clone goes and how it is made."""

    target_name: str | None = None
    target_namespace: str | None = None
    linked_clone: bool = False
    start_after_clone: bool = False
    snapshot_ref: NamespacedRef | None = None


class MigrateSpec(Model):
    """Where a VM moves and how."""

    target_node: str | None = None
    live: bool = True
    bandwidth: Annotated[str, Field(pattern=BANDWIDTH_PATTERN)] | None = None
    auto_converge: bool = True
    post_copy: bool = False


class ResizeSpec(Model):
    """The new size of a VM."""

    cpus: Cpus | None = None
    memory: Memory | None = None
    hotplug: bool = False


class SnapshotSpec(Model):
    """The snapshot that the operation makes."""

    name: str | None = None
    description: str | None = None
    include_memory: bool = False
    quiesce: bool = True


class RestoreSpec(Model):
    """The snapshot that the VM returns to."""

    snapshot_name: str | None = None


class VMOperationSpec(Model):
    """What to do, and to which VM of the same namespace."""

    vm_ref: NamespacedRef
    operation: OperationName
    force: bool = False
    clone_spec: CloneSpec | None = None
    migrate_spec: MigrateSpec | None = None
    resize_spec: ResizeSpec | None = None
    snapshot_spec: SnapshotSpec | None = None
    restore_spec: RestoreSpec | None = None
    timeout: Duration = "10m"


class VMOperationStatus(Model):
    """How far it is."""

    phase: OperationPhase | None = None
    conditions: list[Condition] | None = None
    progress: Annotated[int, Field(ge=0, le=100)] | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    message: str | None = None
    result: JsonObject | None = None


class VMOperation(Resource):
    """One operation on one VM."""

    spec: VMOperationSpec
    status: VMOperationStatus = VMOperationStatus()

    @property
    def phase(self) -> OperationPhase:
        """The observed phase; an operation that nobody took up yet is Pending."""
        return self.status.phase or OperationPhase.PENDING
