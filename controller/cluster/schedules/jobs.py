"""What are the BackupJobs of a schedule like, and which of them are its own? Pure."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.kinds import BACKUP_SCHEDULES
from hypersdk.model.marks import RUN_NOW, SCHEDULE, SCHEDULED_AT, SCHEDULED_BACKUP

MOST_NAME, MOST_LABEL = 253, 63
PROVIDER = "libvirt"


def job_name(schedule: BackupSchedule, vm: str, due: datetime, request: str = "") -> str:
    """The same name for the same run, due or asked for: made twice it is there once."""
    stamp = f"run-{_digest(request)}" if request else str(int(due.timestamp()))
    parts = [schedule.metadata.name, vm, stamp]
    return bounded("-".join(part for part in parts if part), MOST_NAME)


def job_object(schedule: BackupSchedule, vm: str, due: datetime, request: str = "") -> JsonObject:
    """One run's BackupJob; `vm` is empty where the template names it."""
    template = schedule.spec.job_template
    meta = template.metadata if template else None
    labels: JsonObject = {
        **((meta.labels if meta else None) or {}),
        "app": "hypersdk",
        SCHEDULE: bounded(schedule.metadata.name, MOST_LABEL),
        SCHEDULED_BACKUP: "true",
    }
    notes: JsonObject = {**((meta.annotations if meta else None) or {}), SCHEDULED_AT: rfc3339(due)}
    owner: JsonObject = {
        "apiVersion": BACKUP_SCHEDULES.api_version,
        "kind": BACKUP_SCHEDULES.kind,
        "name": schedule.metadata.name,
        "uid": schedule.metadata.uid,
        "controller": True,
    }
    name = job_name(schedule, vm, due, request)
    metadata: JsonObject = {"name": name, "labels": labels, "annotations": notes, "ownerReferences": [owner]}
    return {"metadata": metadata, "spec": _spec(schedule, vm)}


def unanswered(schedule: BackupSchedule) -> str:
    """The request for a run at once that is still to be answered; nothing when there is none."""
    request = (schedule.metadata.annotations or {}).get(RUN_NOW, "")
    return request if request != schedule.status.run_request else ""


def owned(schedule: BackupSchedule, jobs: Iterable[BackupJob]) -> list[BackupJob]:
    """Those that the schedule made, the newest first."""
    mine = [job for job in jobs if _owner(job) == schedule.metadata.uid and job.key[0] == schedule.key[0]]
    return sorted(mine, key=_age, reverse=True)


def bounded(text: str, most: int) -> str:
    """The text, cut to so many characters and still its own when cut."""
    if len(text) <= most:
        return text
    return f"{text[: most - 9].rstrip('-.')}-{_digest(text)}"


def _digest(text: str) -> str:
    """Of an annotation too, which anybody writes and which may be no name."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _spec(schedule: BackupSchedule, vm: str) -> JsonObject:
    spec = schedule.spec
    if spec.job_template is not None:
        return spec.job_template.spec.wire()
    source: JsonObject = {"provider": PROVIDER, "vmName": vm}
    return {"source": source, "destination": spec.destination.wire() if spec.destination else {}}


def _owner(job: BackupJob) -> str:
    return next((one.uid for one in job.metadata.owner_references or [] if one.controller), "")


def _age(job: BackupJob) -> tuple[float, str]:
    made = job.metadata.creation_timestamp
    return (made.timestamp() if made else 0.0, job.metadata.name)
