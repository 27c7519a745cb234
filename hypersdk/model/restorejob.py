"""RestoreJob: a VM made again from a backup."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from hypersdk.model.backupjob import OVER, Credentials, DiskFormat, JobPhase, JobProgress, Provider
from hypersdk.model.base import Condition, Model, Resource, Time
from hypersdk.model.rules import Rule, rules


class BackupJobRef(Model):
    """The BackupJob that made the backup."""

    name: str | None = None
    namespace: str | None = None


class RestoreSource(Model):
    """Where the backup is."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "self.type != 'backup-ref' || (has(self.backupJobRef) && has(self.backupJobRef.name))",
                "the source backup-ref needs backupJobRef: write the name of a BackupJob",
                ".backupJobRef",
                "FieldValueRequired",
            )
        )
    )

    type: Literal["s3", "azure-blob", "gcs", "local", "nfs", "backup-ref"]
    bucket: str | None = None
    path: str | None = None
    region: str | None = None
    endpoint: str | None = None
    backup_job_ref: BackupJobRef | None = None
    credentials: Credentials | None = None


class RestoreDestination(Model):
    """What the VM becomes."""

    provider: Provider
    namespace: str | None = None
    vm_name: str | None = None
    datacenter: str | None = None
    resource_pool: str | None = None
    datastore: str | None = None
    network: str | None = None
    folder: str | None = None
    storage_class: str | None = None


class CustomNetwork(Model):
    """A network of the restored VM."""

    name: str | None = None
    type: str | None = None


class Customization(Model):
    """What differs from the VM that was backed up."""

    memory: str | None = None
    cpu: int | None = None
    networks: list[CustomNetwork] | None = None


class RestoreOptions(Model):
    """How the VM is restored."""

    power_on_after_restore: bool = False
    overwrite: bool = False
    rename_vm: Annotated[str | None, Field(alias="renameVM")] = None
    convert_format: DiskFormat | None = None
    customization: Customization | None = None


class RestoreJobSpec(Model):
    """What to restore."""

    source: RestoreSource
    destination: RestoreDestination
    options: RestoreOptions | None = None
    metadata: dict[str, str] | None = None


class RestoreJobStatus(Model):
    """What came of it."""

    phase: JobPhase | None = None
    start_time: Time | None = None
    completion_time: Time | None = None
    progress: JobProgress | None = None
    conditions: list[Condition] | None = None
    restored_vm_name: Annotated[str | None, Field(alias="restoredVMName")] = None
    restored_vm_id: Annotated[str | None, Field(alias="restoredVMID")] = None
    error: str | None = None
    node_name: str | None = None
    """The node that does it."""


class RestoreJob(Resource):
    """One restore."""

    spec: RestoreJobSpec
    status: RestoreJobStatus = RestoreJobStatus()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status.phase in OVER
