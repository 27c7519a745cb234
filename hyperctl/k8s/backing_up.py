"""`backup create|verify|delete`: asked of the API, followed to the end."""

import argparse
import sys
import time

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.backupjob import BackupJob, JobProgress
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS
from hypersdk.model.marks import DELETE_DATA, VERIFY
from hypersdk.model.quantity import human_bytes
from hypersdk.plaintext import plain
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome


async def create(session: Session, arguments: argparse.Namespace) -> int:
    """Make a BackupJob, and wait for its end."""
    if not arguments.vm:
        raise UsageError("backup create needs -vm")
    if arguments.type == "s3" and not arguments.bucket:
        raise UsageError("backup create needs -bucket: where in the object store the backup goes")
    name = arguments.name or f"{arguments.vm}-backup-{stamp()}"
    body: JsonObject = {"metadata": {"name": name}, "spec": spec(arguments)}
    made = await session.client.create(BACKUP_JOBS, session.namespace, body)
    print(f"backupjob.hypersdk.io/{made.metadata.name} created")
    if arguments.no_wait:
        return Exit.OK
    tell = Teller()

    def over(job: BackupJob | None) -> Outcome | None:
        if job is None:
            return Outcome(False, "it was deleted, and with it cancelled")
        if job.is_over:
            return Outcome(job.status.phase == "Completed", outcome_words(job))
        tell(*progress_words(job.status.progress, waiting(job)))
        return None

    return said(await until(session.client, BACKUP_JOBS, session.namespace, name, over), "backup", name)


async def verify(session: Session, arguments: argparse.Namespace) -> int:
    """Have a stored backup read; 1 when it could not be restored."""
    name, request = arguments.backup, stamp()
    job = await session.client.get(BACKUP_JOBS, session.namespace, name)
    if job.status.phase != "Completed":
        print(f"hyperctl: {name} is {job.status.phase or 'Pending'}: there is no backup to verify", file=sys.stderr)
        return Exit.FAILED
    await session.client.patch(BACKUP_JOBS, session.namespace, name, {"metadata": {"annotations": {VERIFY: request}}})
    tell = Teller()

    def answered(now: BackupJob | None) -> Outcome | None:
        if now is None:
            return Outcome(False, "it was deleted")
        if now.status.verify_request != request:
            tell(None, f"node {now.status.node_name} reads the backup")
            return None
        found = condition(now.status.conditions, "Verified")
        return Outcome(found is not None and found.status == "True", (found.message if found else "") or "")

    return said(await until(session.client, BACKUP_JOBS, session.namespace, name, answered), "verify", name)


async def delete(session: Session, arguments: argparse.Namespace) -> int:
    """Remove what is stored, then the job."""
    name, request = arguments.backup, stamp()
    job = await session.client.get(BACKUP_JOBS, session.namespace, name)
    if job.status.phase == "Completed" and not arguments.keep_data:
        notes: JsonObject = {"metadata": {"annotations": {DELETE_DATA: request}}}
        await session.client.patch(BACKUP_JOBS, session.namespace, name, notes)
        tell = Teller()

        def removed(now: BackupJob | None) -> Outcome | None:
            if now is None:
                return Outcome(False, "somebody deleted the job before its backup was removed")
            if now.status.delete_request != request:
                tell(None, f"node {now.status.node_name} removes the backup")
                return None
            found = condition(now.status.conditions, "DataDeleted")
            return Outcome(found is not None and found.status == "True", (found.message if found else "") or "")

        outcome = await until(session.client, BACKUP_JOBS, session.namespace, name, removed)
        if not outcome.ok:
            return said(outcome, "delete", name)
    await session.client.delete(BACKUP_JOBS, session.namespace, name, uid=job.metadata.uid)

    def gone(now: BackupJob | None) -> Outcome | None:
        return Outcome(True, "deleted") if now is None or now.metadata.uid != job.metadata.uid else None

    return said(await until(session.client, BACKUP_JOBS, session.namespace, name, gone), "delete", name)


def spec(arguments: argparse.Namespace) -> JsonObject:
    """What is to be backed up, and where to."""
    destination: JsonObject = {"type": arguments.type, **store(arguments)}
    if arguments.prefix:
        destination["prefix"] = arguments.prefix
    body: JsonObject = {"source": {"provider": "libvirt", "vmName": arguments.vm}, "destination": destination}
    if arguments.format:
        body["format"] = {"type": arguments.format, "compression": arguments.format == "qcow2"}
    if arguments.incremental or arguments.base:
        body["incremental"] = {"enabled": True} | ({"baseBackupRef": arguments.base} if arguments.base else {})
    return body


def store(arguments: argparse.Namespace) -> JsonObject:
    """The fields that name a store."""
    given: JsonObject = {}
    for field in ("bucket", "endpoint", "region"):
        if value := getattr(arguments, field, ""):
            given[field] = value
    if arguments.secret:
        given["credentials"] = {"secretRef": {"name": arguments.secret}}
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


def said(outcome: Outcome, what: str, name: str) -> int:
    """The outcome on stdout or stderr, and as an exit code."""
    if outcome.ok:
        print(f"{name}: {plain(outcome.message)}")
        return Exit.OK
    print(f"hyperctl: {what} {name} failed: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED
