"""BackupSchedule: backups made at set times."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

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
from hypersdk.model.cron import CRON_PATTERN
from hypersdk.model.rules import Rule, one_at_most, rules, written

_CRON = written(
    CRON_PATTERN,
    "write five cron fields (minute hour day month weekday) of lists, ranges, steps and names, such as "
    "'0 2 * * *' or '*/15 8-18 * * mon-fri', or a word such as @daily",
)
_NO_RANGE_BACKWARDS = Rule(
    "self.findAll('[0-9]{1,2}-[0-9]{1,2}').all(range, int(range.split('-')[0]) <= int(range.split('-')[1]))",
    "write a range from the lower to the higher number, such as 8-18",
)


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

    model_config = ConfigDict(
        json_schema_extra=rules(
            Rule(
                "has(self.jobTemplate) || has(self.vmSelector)",
                "write what to back up: jobTemplate, or vmSelector with destination",
                ".vmSelector",
                "FieldValueRequired",
            ),
            Rule(
                "!has(self.vmSelector) || has(self.destination)",
                "vmSelector needs destination: write where the backups go",
                ".destination",
                "FieldValueRequired",
            ),
            one_at_most("jobTemplate", "vmSelector"),
        )
    )

    schedule: Annotated[str, Field(json_schema_extra=rules(_CRON, _NO_RANGE_BACKWARDS, maxLength=256))]
    """Five cron fields, or a word such as `@daily`."""
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
    run_request: str | None = None
    """The `hypersdk.io/run-now` that was answered last; the condition `RunNow` has the answer."""
    conditions: list[Condition] | None = None


class BackupSchedule(Resource):
    """A schedule of backups."""

    spec: BackupScheduleSpec
    status: BackupScheduleStatus = BackupScheduleStatus()
