"""BackupJob: one backup of one VM to a place outside the node."""

from typing import Annotated, Literal

from pydantic import Field

from hypersdk.model.base import Condition, Model, Resource, Time

Provider = Literal["kubevirt", "vsphere", "aws", "azure", "gcp", "hyperv", "proxmox", "hypersdk", "libvirt"]
StorageType = Literal["s3", "azure-blob", "gcs", "local", "nfs"]
DiskFormat = Literal["ovf", "ova", "raw", "qcow2", "vmdk", "vhd", "vhdx"]
JobPhase = Literal["Pending", "Running", "Completed", "Failed", "Cancelled"]
OVER = frozenset({"Completed", "Failed", "Cancelled"})
"""The phases in which nothing more happens."""
Int64 = Annotated[int, Field(json_schema_extra={"format": "int64"})]
Count = Annotated[int, Field(ge=0)]


class CredentialsRef(Model):
    """The Secret that opens the storage."""

    name: str
    namespace: str | None = None


class Credentials(Model):
    """How to sign in to the storage."""

    secret_ref: CredentialsRef | None = None


class SourceFields(Model):
    """How a VM is found at a provider."""

    namespace: str | None = None
    vm_name: str | None = None
    vm_path: str | None = None
    vm_id: Annotated[str | None, Field(alias="vmID")] = None
    tags: dict[str, str] | None = None


class BackupSource(SourceFields):
    """The VM to back up."""

    provider: Provider


class DestinationFields(Model):
    """A place in a storage."""

    bucket: str | None = None
    prefix: str | None = None
    region: str | None = None
    storage_class: str | None = None
    endpoint: str | None = None
    credentials: Credentials | None = None


class BackupDestination(DestinationFields):
    """Where the backup goes."""

    type: StorageType


class BackupFormat(Model):
    """The files that the backup is made of."""

    type: DiskFormat = "ovf"
    compression: bool = False
    compression_level: Annotated[int, Field(ge=1, le=9)] = 6


class Incremental(Model):
    """Whether only what changed is kept."""

    enabled: bool = False
    base_backup_ref: str | None = None


class BackupCarbon(Model):
    """When the backup may run, by carbon intensity."""

    enabled: bool = False
    zone: str = "US-CAL-CISO"
    max_intensity: float = 200
    max_delay_hours: float = 4


class BackupRetention(Model):
    """How many backups of each age are kept."""

    keep_daily: Count | None = None
    keep_weekly: Count | None = None
    keep_monthly: Count | None = None
    keep_yearly: Count | None = None


class BackupJobSpec(Model):
    """What to back up, and where to."""

    source: BackupSource
    destination: BackupDestination
    format: BackupFormat | None = None
    incremental: Incremental | None = None
    carbon_aware: BackupCarbon | None = None
    retention: BackupRetention | None = None
    metadata: dict[str, str] | None = None


class JobProgress(Model):
    """How far a backup or restore is."""

    percentage: Annotated[float, Field(ge=0, le=100)] | None = None
    bytes_transferred: Int64 | None = None
    total_bytes: Int64 | None = None
    current_phase: str | None = None
    estimated_completion: Time | None = None
    bytes_per_second: Int64 | None = None


class BackupBase(Model):
    """The backup that an incremental one stands on."""

    name: str | None = None
    """Its BackupJob."""
    uid: str | None = None


class BackupJobStatus(Model):
    """What came of it."""

    phase: JobPhase | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    progress: JobProgress | None = None
    conditions: list[Condition] | None = None
    output_path: str | None = None
    size: Int64 | None = None
    carbon_intensity: float | None = None
    carbon_savings: float | None = None
    """Kilograms of CO2."""
    error: str | None = None
    node_name: str | None = None
    """The node that makes it."""
    kind: Literal["Full", "Incremental"] | None = None
    base: BackupBase | None = None
    checksum: str | None = None
    """`sha256:` and the digest of its manifest, which has those of all else."""
    disk_layers: dict[str, str] | None = None
    """The file that each disk was written to at that moment."""
    verify_request: str | None = None
    """The value of the annotation `hypersdk.io/verify` that the condition `Verified` answers."""
    verified_time: Time | None = None
    delete_request: str | None = None
    """The value of the annotation `hypersdk.io/delete-data` that the condition `DataDeleted` answers."""
    freeze_milliseconds: Int64 | None = None
    """For how long the guest's file systems were held."""


class BackupJob(Resource):
    """One backup."""

    spec: BackupJobSpec
    status: BackupJobStatus = BackupJobStatus()

    @property
    def machine(self) -> tuple[str, str]:
        """The key of the VM that it names, which is one of its own namespace."""
        return (self.key[0], self.spec.source.vm_name or "")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status.phase in OVER
