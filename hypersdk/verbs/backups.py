"""Backups: made of a VM, verified, removed, and turned into a VM again; each followed to its end."""

import time

from hypersdk.errors import UsageError
from hypersdk.kube.client import Client
from hypersdk.model.backupjob import BackupJob, JobProgress
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS
from hypersdk.model.marks import DELETE_DATA, VERIFY
from hypersdk.model.quantity import human_bytes
from hypersdk.model.restorejob import RestoreJob
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome, Progress, Values

STORE = ("bucket", "endpoint", "region")


async def make(client: Client, namespace: str, name: str, spec: JsonObject, progress: Progress) -> Outcome:
    """Make a BackupJob of that name, and wait for its end."""
    return await end_of(client, await ask(client, namespace, name, spec), progress)


async def ask(client: Client, namespace: str, name: str, spec: JsonObject) -> BackupJob:
    """Make a BackupJob of that name."""
    return await client.create(BACKUP_JOBS, namespace, {"metadata": {"name": name}, "spec": spec})


async def end_of(client: Client, made: BackupJob, progress: Progress) -> Outcome:
    """Wait for the end of a backup."""

    def over(job: BackupJob | None) -> Outcome | None:
        if job is None:
            return Outcome(False, "it was deleted, and with it cancelled")
        if job.is_over:
            return Outcome(job.status.phase == "Completed", outcome_words(job))
        progress(*progress_words(job.status.progress, waiting(job)))
        return None

    return await until(client, BACKUP_JOBS, made.key, over, made=made, progress=progress)


async def verify(client: Client, job: BackupJob, progress: Progress) -> Outcome:
    """Have it read; not ok when it could not be restored."""
    request = stamp()
    if job.status.phase != "Completed":
        return Outcome(False, f"it is {job.status.phase or 'Pending'}: there is no backup to verify")
    await _annotate(client, job, VERIFY, request)

    def answered(now: BackupJob | None) -> Outcome | None:
        if now is None:
            return Outcome(False, "it was deleted")
        if now.status.verify_request != request:
            found = condition(now.status.conditions, "Verified")
            is_held_up = found is not None and found.reason == "Retrying"
            words = found.message if found is not None and is_held_up else ""
            progress(None, words or f"node {now.status.node_name} reads the backup")
            return None
        return _of_condition(now, "Verified")

    return await until(client, BACKUP_JOBS, job.key, answered, progress=progress)


async def delete(client: Client, job: BackupJob, progress: Progress, *, keep_data: bool = False) -> Outcome:
    """Remove what is stored, then the job; with `keep_data` the job alone."""
    if job.status.phase == "Completed" and not keep_data:
        outcome = await _remove_data(client, job, progress)
        if not outcome.ok:
            return outcome
    await client.delete(BACKUP_JOBS, *job.key, uid=job.metadata.uid)

    def gone(now: BackupJob | None) -> Outcome | None:
        return Outcome(True, "deleted") if now is None or now.metadata.uid != job.metadata.uid else None

    return await until(client, BACKUP_JOBS, job.key, gone, progress=progress)


async def restore(client: Client, namespace: str, name: str, spec: JsonObject, progress: Progress) -> Outcome:
    """Make a RestoreJob, and wait for its end."""
    made = await client.create(RESTORE_JOBS, namespace, {"metadata": {"name": name}, "spec": spec})
    return await end_of_restore(client, made, progress)


async def end_of_restore(client: Client, made: RestoreJob, progress: Progress) -> Outcome:
    """Wait for the end of a restore."""

    def over(job: RestoreJob | None) -> Outcome | None:
        if job is None:
            return Outcome(False, "it was deleted, and with it cancelled")
        found = condition(job.status.conditions, "Succeeded" if job.is_over else "Running")
        words = (found.message if found else "") or ""
        if job.is_over:
            return Outcome(job.status.phase == "Completed", words or job.status.error or str(job.status.phase))
        progress(*progress_words(job.status.progress, words))
        return None

    return await until(client, RESTORE_JOBS, made.key, over, made=made, progress=progress)


async def delete_restore(client: Client, job: RestoreJob) -> Outcome:
    """Delete a restore and wait until it is gone: one under way is cancelled, of one that is over the VM stays."""
    await client.delete(RESTORE_JOBS, *job.key, uid=job.metadata.uid)

    def gone(now: RestoreJob | None) -> Outcome | None:
        return Outcome(True, "deleted") if now is None or now.metadata.uid != job.metadata.uid else None

    return await until(client, RESTORE_JOBS, job.key, gone)


def backup_spec(vm: str, values: Values) -> JsonObject:
    """What is to be backed up, and where to; UsageError when that is not said."""
    kind = str(values.get("type") or "s3")
    if kind == "s3" and not values.get("bucket"):
        raise UsageError("-bucket: say where in the object store the backup goes")
    destination: JsonObject = {"type": kind, **store(values)}
    if prefix := values.get("prefix"):
        destination["prefix"] = str(prefix)
    body: JsonObject = {"source": {"provider": "libvirt", "vmName": vm}, "destination": destination}
    if format := values.get("format"):
        body["format"] = {"type": str(format), "compression": format == "qcow2"}
    if values.get("incremental") or values.get("base"):
        base: JsonObject = {"baseBackupRef": str(values["base"])} if values.get("base") else {}
        body["incremental"] = {"enabled": True} | base
    return body


def restore_spec(job: BackupJob, values: Values) -> JsonObject:
    """The VM that a backup becomes."""
    options: JsonObject = {
        "powerOnAfterRestore": bool(values.get("start")),
        "overwrite": bool(values.get("overwrite")),
    }
    destination: JsonObject = {"provider": "libvirt"}
    if name := values.get("vm"):
        destination["vmName"] = str(name)
    source: JsonObject = {"type": "backup-ref", "backupJobRef": {"name": job.metadata.name}}
    return {"source": source, "destination": destination, "options": options}


def store(values: Values) -> JsonObject:
    """The fields that name a store."""
    given: JsonObject = {field: str(values[field]) for field in STORE if values.get(field)}
    if secret := values.get("secret"):
        given["credentials"] = {"secretRef": {"name": str(secret)}}
    return given


def stamp() -> str:
    """Another one for each request."""
    return str(time.time_ns() // 1_000_000)


def progress_words(progress: JobProgress | None, waits: str) -> tuple[int | None, str]:
    """How far a job is: percent, and phase with bytes and rate."""
    if progress is None or not progress.current_phase:
        return None, waits or "waiting for a node"
    words = progress.current_phase.lower()
    if progress.total_bytes:
        words += f" {human_bytes(progress.bytes_transferred or 0)} of {human_bytes(progress.total_bytes)}"
    if progress.bytes_per_second:
        words += f", {human_bytes(progress.bytes_per_second)}/s"
    return int(progress.percentage or 0), words


def waiting(job: BackupJob) -> str:
    """What it waits for, if it says so."""
    found = condition(job.status.conditions, "Running")
    return (found.message or "") if found else ""


def outcome_words(job: BackupJob) -> str:
    """What came of it."""
    found = condition(job.status.conditions, "Succeeded")
    words = [(found.message if found else "") or job.status.error or str(job.status.phase)]
    consistent = condition(job.status.conditions, "Consistent")
    if consistent is not None and consistent.reason:
        words.append(f"{consistent.reason}: {consistent.message or ''}")
    return "; ".join(words)


async def _remove_data(client: Client, job: BackupJob, progress: Progress) -> Outcome:
    request = stamp()
    await _annotate(client, job, DELETE_DATA, request)

    def removed(now: BackupJob | None) -> Outcome | None:
        if now is None:
            return Outcome(False, "somebody deleted the job before its backup was removed")
        if now.status.delete_request != request:
            progress(None, f"node {now.status.node_name} removes the backup")
            return None
        return _of_condition(now, "DataDeleted")

    return await until(client, BACKUP_JOBS, job.key, removed, progress=progress)


async def _annotate(client: Client, job: BackupJob, mark: str, value: str) -> None:
    await client.patch(BACKUP_JOBS, *job.key, {"metadata": {"annotations": {mark: value}}})


def _of_condition(job: BackupJob, kind: str) -> Outcome:
    found = condition(job.status.conditions, kind)
    return Outcome(found is not None and found.status == "True", (found.message if found else "") or "")
