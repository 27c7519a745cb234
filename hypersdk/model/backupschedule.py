"""BackupSchedule: backups made at set times."""

from typing import Literal

from hypersdk.model.backupjob import (
    BackupCarbon,
    BackupDestination,
    BackupFormat,
    BackupRetention,
    Count,
    DestinationFields,
    Incremental,
    Int64,
    SourceFields,
)
from hypersdk.model.base import Condition, JsonObject, Model, Resource, Time


class TemplateSource(SourceFields):
    """A BackupJob's source, less strict, as it stands inside a schedule."""

    provider: str


class TemplateDestination(DestinationFields):
    """A BackupJob's destination, less strict, as it stands inside a schedule."""

    type: str


class JobTemplateSpec(Model):
    """The spec of each BackupJob that the schedule makes."""

    source: TemplateSource
    destination: TemplateDestination
    format: BackupFormat | None = None
    incremental: Incremental | None = None
    carbon_aware: BackupCarbon | None = None
    retention: BackupRetention | None = None
    metadata: dict[str, str] | None = None


class JobTemplateMeta(Model):
    """Labels and annotations of each BackupJob."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class JobTemplate(Model):
    """The BackupJobs that the schedule makes."""

    metadata: JobTemplateMeta | None = None
    spec: JobTemplateSpec


class VMSelector(Model):
    """The VMs that the schedule covers (metav1.LabelSelector)."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[JsonObject] | None = None


class BackupScheduleSpec(Model):
    """When, what and where to; either `jobTemplate`, or `vmSelector` with `destination`."""

    schedule: str
    """Five cron fields."""
    timezone: str = "UTC"
    suspend: bool = False
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    starting_deadline_seconds: Int64 | None = None
    successful_jobs_history_limit: Count = 3
    failed_jobs_history_limit: Count = 1
    job_template: JobTemplate | None = None
    vm_selector: VMSelector | None = None
    destination: BackupDestination | None = None


class ActiveJob(Model):
    """A BackupJob that runs now."""

    name: str | None = None
    namespace: str | None = None
    uid: str | None = None


class BackupScheduleStatus(Model):
    """What the schedule did."""

    active: list[ActiveJob] | None = None
    last_schedule_time: Time | None = None
    last_successful_time: Time | None = None
    conditions: list[Condition] | None = None


class BackupSchedule(Resource):
    """A schedule of backups."""

    spec: BackupScheduleSpec
    status: BackupScheduleStatus = BackupScheduleStatus()
