"""VMOperation: one thing to do to one VM, with its progress and outcome."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hypersdk.model.base import Condition, JsonObject, Model, Resource, Time
from hypersdk.model.quantity import BANDWIDTH_PATTERN
from hypersdk.model.rules import Rule, rules, unchanging, written
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
    "start",
    "stop",
    "restart",
    "clone",
    "migrate",
    "snapshot",
    "resize",
    "delete",
    "restore",
    "pause",
    "resume",
    "merge",
]
"""`merge` ends a snapshot that is being deleted; the controller asks for it by itself."""


_BANDWIDTH = written(BANDWIDTH_PATTERN, "write a whole number with bps, Kbps, Mbps or Gbps, such as 100Mbps")
_SUBDOMAIN = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
"""Kubernetes: "Object Names and IDs", DNS Subdomain Names."""
_TARGET_NAME = written(
    f"^{_SUBDOMAIN}$", "write lower case letters, digits and '-', such as web-2: it becomes the name of a VM"
)
_SNAPSHOT_NAME = written(
    f"^({_SUBDOMAIN})?$",
    "write lower case letters, digits and '-', such as pre-upgrade, or nothing for a name made up: it becomes the name "
    "of a VMSnapshot",
)


class CloneSpec(Model):
    """Where a clone goes and how it is made."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "!self.linkedClone || (has(self.targetName) && self.targetName != '')",
                "a linked clone needs targetName: write the name of the new VM",
                ".targetName",
                "FieldValueRequired",
            )
        )
    )

    target_name: Annotated[str, Field(json_schema_extra=rules(_TARGET_NAME, maxLength=253))] | None = None
    target_namespace: str | None = None
    linked_clone: bool = False
    start_after_clone: bool = False
    snapshot_ref: NamespacedRef | None = None


class MigrateSpec(Model):
    """Where a VM moves and how."""

    target_node: str | None = None
    live: bool = True
    bandwidth: (
        Annotated[str, Field(pattern=BANDWIDTH_PATTERN, json_schema_extra=rules(_BANDWIDTH, maxLength=24))] | None
    ) = None
    auto_converge: bool = True
    post_copy: bool = False


class ResizeSpec(Model):
    """The new size of a VM."""

    cpus: Cpus | None = None
    memory: Memory | None = None
    hotplug: bool = False


class SnapshotSpec(Model):
    """The snapshot that the operation makes."""

    name: Annotated[str, Field(json_schema_extra=rules(_SNAPSHOT_NAME, maxLength=253))] | None = None
    description: str | None = None
    include_memory: bool = False
    quiesce: bool = True


class RestoreSpec(Model):
    """The snapshot that the VM returns to."""

    snapshot_name: Annotated[str, Field(json_schema_extra={"minLength": 1, "maxLength": 253})] | None = None


def _needs(operation: OperationName, field: str, example: str, cel: str = "") -> Rule:
    """That operation cannot do without that field."""
    given = " && ".join(("has(self." + ".".join(field.split(".")[: n + 1]) + ")") for n in range(len(field.split("."))))
    return Rule(
        f"self.operation != '{operation}' || ({cel or given})",
        f"the operation {operation} needs {field}: write {example}",
        f".{field}",
        "FieldValueRequired",
    )


_RESIZES = "has(self.resizeSpec) && (has(self.resizeSpec.cpus) || has(self.resizeSpec.memory))"


class VMOperationSpec(Model):
    """What to do, and to which VM of the same namespace."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            _needs("clone", "cloneSpec.targetName", "the name of the new VM"),
            _needs("migrate", "migrateSpec", "migrateSpec: {} to let a node be chosen, or a targetNode in it"),
            _needs("snapshot", "snapshotSpec", "snapshotSpec: {} for a name made up, or a name in it"),
            _needs("merge", "snapshotSpec.name", "the name of a VMSnapshot that is being deleted"),
            _needs("resize", "resizeSpec", "cpus, memory or both in it", _RESIZES),
            _needs("restore", "restoreSpec.snapshotName", "the name of one of the VM's snapshots"),
        )
    )

    vm_ref: Annotated[NamespacedRef, Field(json_schema_extra=rules(unchanging("VMOperation")))]
    operation: Annotated[OperationName, Field(json_schema_extra=rules(unchanging("VMOperation")))]
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
    def machine(self) -> tuple[str, str]:
        """The key of the VM that it names, which is one of its own namespace."""
        return (self.key[0], self.spec.vm_ref.name)

    @property
    def phase(self) -> OperationPhase:
        """The observed phase; an operation that nobody took up yet is Pending."""
        return self.status.phase or OperationPhase.PENDING
