"""The one table of kinds: how each is named in the API, and which model reads it."""

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from hypersdk.errors import NotFound
from hypersdk.model.base import Resource

if TYPE_CHECKING:
    from hypersdk.model.backupjob import BackupJob
    from hypersdk.model.backupschedule import BackupSchedule
    from hypersdk.model.core import Event, Lease, Namespace, NetworkAttachmentDefinition, Secret, SubjectAccessReview
    from hypersdk.model.restorejob import RestoreJob
    from hypersdk.model.virtualmachine import VirtualMachine
    from hypersdk.model.vmnode import VMNode
    from hypersdk.model.vmoperation import VMOperation
    from hypersdk.model.vmsnapshot import VMSnapshot
    from hypersdk.model.vmtemplate import VMTemplate

GROUP = "hypersdk.io"
VERSION = "v1alpha1"
SUBRESOURCES = "subresources.hypersdk.io/v1alpha1"
FINALIZER = "hypersdk.io/vm-finalizer"

_NO_SEGMENT = frozenset("/%?#")

R = TypeVar("R", bound=Resource, covariant=True)


@dataclass(frozen=True)
class Column:
    """One additionalPrinterColumn."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "date"]
    json_path: str


@dataclass(frozen=True)
class Kind(Generic[R]):
    """A kind of object; `model` reads and writes it."""

    kind: str
    """The CamelCase name, which is its model's too."""
    group: str
    version: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ("hypersdk",)
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()

    @cached_property
    def model(self) -> type[R]:
        """The model; its module is loaded when it is first asked for, since a program uses a few of the kinds."""
        module = import_module(f"hypersdk.model.{self.singular if self.group == GROUP else 'core'}")
        return cast("type[R]", getattr(module, self.kind))

    @property
    def singular(self) -> str:
        """The lower-case name."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """`group/version`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection or the object; no namespace means all of them.

        NotFound for what cannot be a name (Kubernetes: IsValidPathSegmentName): `a/../b` would be the path of another.
        """
        for part in (namespace, name):
            if part in {".", ".."} or not _NO_SEGMENT.isdisjoint(part):
                raise NotFound(f'{self.plural} "{part}" not found: that cannot be a name', 404, "NotFound")
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return root + scope + "".join(f"/{part}" for part in (self.plural, name, subresource) if part)


AGE = Column("Age", "date", ".metadata.creationTimestamp")

VIRTUAL_MACHINES: Kind["VirtualMachine"] = Kind(
    "VirtualMachine",
    GROUP,
    VERSION,
    "virtualmachines",
    short_names=("vm", "vms"),
    columns=(
        Column("Status", "string", ".status.phase"),
        Column("CPUs", "integer", ".spec.cpus"),
        Column("Memory", "string", ".spec.memory"),
        Column("Node", "string", ".status.nodeName"),
        Column("IPs", "string", ".status.ipAddresses[0]"),
        AGE,
    ),
    selectable=(".status.nodeName", ".status.phase"),
)
VM_OPERATIONS: Kind["VMOperation"] = Kind(
    "VMOperation",
    GROUP,
    VERSION,
    "vmoperations",
    short_names=("vmop", "vmops"),
    columns=(
        Column("VM", "string", ".spec.vmRef.name"),
        Column("Operation", "string", ".spec.operation"),
        Column("Status", "string", ".status.phase"),
        Column("Progress", "integer", ".status.progress"),
        AGE,
    ),
    selectable=(".spec.vmRef.name", ".status.phase"),
)
VM_TEMPLATES: Kind["VMTemplate"] = Kind(
    "VMTemplate",
    GROUP,
    VERSION,
    "vmtemplates",
    short_names=("vmt", "vmtpl"),
    columns=(
        Column("Display Name", "string", ".spec.displayName"),
        Column("OS", "string", ".spec.osInfo.distribution"),
        Column("Version", "string", ".spec.version"),
        Column("Ready", "boolean", ".status.ready"),
        Column("Usage", "integer", ".status.usageCount"),
        AGE,
    ),
)
VM_SNAPSHOTS: Kind["VMSnapshot"] = Kind(
    "VMSnapshot",
    GROUP,
    VERSION,
    "vmsnapshots",
    short_names=("vmsnap", "vmsnaps"),
    columns=(
        Column("VM", "string", ".spec.vmRef.name"),
        Column("Status", "string", ".status.phase"),
        Column("Size", "string", ".status.size"),
        Column("Memory", "boolean", ".spec.includeMemory"),
        Column("Ready", "boolean", ".status.readyToRestore"),
        AGE,
    ),
    selectable=(".spec.vmRef.name", ".status.phase"),
)
BACKUP_SCHEDULES: Kind["BackupSchedule"] = Kind(
    "BackupSchedule",
    GROUP,
    VERSION,
    "backupschedules",
    short_names=("bs",),
    columns=(
        Column("Schedule", "string", ".spec.schedule"),
        Column("Suspend", "boolean", ".spec.suspend"),
        Column("Active", "string", ".status.active[*].name"),
        Column("Last Schedule", "date", ".status.lastScheduleTime"),
        AGE,
    ),
)
BACKUP_JOBS: Kind["BackupJob"] = Kind(
    "BackupJob",
    GROUP,
    VERSION,
    "backupjobs",
    short_names=("bj",),
    columns=(
        Column("Phase", "string", ".status.phase"),
        Column("Progress", "string", ".status.progress.percentage"),
        Column("Source", "string", ".spec.source.vmName"),
        Column("Destination", "string", ".spec.destination.type"),
        AGE,
    ),
)
RESTORE_JOBS: Kind["RestoreJob"] = Kind(
    "RestoreJob",
    GROUP,
    VERSION,
    "restorejobs",
    short_names=("rj",),
    columns=(
        Column("Phase", "string", ".status.phase"),
        Column("Progress", "string", ".status.progress.percentage"),
        Column("VM Name", "string", ".status.restoredVMName"),
        Column("Provider", "string", ".spec.destination.provider"),
        AGE,
    ),
)
VM_NODES: Kind["VMNode"] = Kind(
    "VMNode",
    GROUP,
    VERSION,
    "vmnodes",
    namespaced=False,
    short_names=("vmnode",),
    columns=(
        Column("Ready", "string", ".status.conditions[?(@.type=='Ready')].status"),
        Column("Cordoned", "boolean", ".spec.unschedulable"),
        Column("VMs", "integer", ".status.runningVMs"),
        Column("CPUs", "integer", ".status.capacity.cpus"),
        Column("Memory", "string", ".status.capacity.memory"),
        Column("Virt", "string", ".status.virtType"),
        Column("Version", "string", ".status.versions.controller"),
        Column("Heartbeat", "date", ".status.lastHeartbeatTime"),
        AGE,
    ),
)

OURS: tuple[Kind[Resource], ...] = (
    VIRTUAL_MACHINES,
    VM_OPERATIONS,
    VM_TEMPLATES,
    VM_SNAPSHOTS,
    BACKUP_SCHEDULES,
    BACKUP_JOBS,
    RESTORE_JOBS,
    VM_NODES,
)

EVENTS: Kind["Event"] = Kind("Event", "", "v1", "events")
SECRETS: Kind["Secret"] = Kind("Secret", "", "v1", "secrets")
NAMESPACES: Kind["Namespace"] = Kind("Namespace", "", "v1", "namespaces", namespaced=False)
LEASES: Kind["Lease"] = Kind("Lease", "coordination.k8s.io", "v1", "leases")
NETWORK_ATTACHMENTS: Kind["NetworkAttachmentDefinition"] = Kind(
    "NetworkAttachmentDefinition", "k8s.cni.cncf.io", "v1", "network-attachment-definitions"
)
ACCESS_REVIEWS: Kind["SubjectAccessReview"] = Kind(
    "SubjectAccessReview", "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False
)
