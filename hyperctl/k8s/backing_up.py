"""`backup create|verify|delete`, `backup schedule suspend|…|delete`: asked of the API, followed to the end."""

import argparse
import sys

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.kinds import BACKUP_JOBS, BACKUP_SCHEDULES
from hypersdk.plaintext import plain
from hypersdk.verbs import backups, schedules
from hypersdk.verbs.verb import Outcome


async def create(session: Session, arguments: argparse.Namespace) -> int:
    """Make a BackupJob, and wait for its end."""
    if not arguments.vm:
        raise UsageError("backup create needs -vm")
    name = arguments.name or f"{arguments.vm}-backup-{backups.stamp()}"
    body = backups.backup_spec(arguments.vm, vars(arguments))
    made = await backups.ask(session.client, session.namespace, name, body)
    print(f"backupjob.hypersdk.io/{made.metadata.name} created")
    if arguments.no_wait:
        return Exit.OK
    return said(await backups.end_of(session.client, made, Teller()), "backup", name)


async def verify(session: Session, arguments: argparse.Namespace) -> int:
    """Have a stored backup read; 1 when it could not be restored."""
    job = await session.client.get(BACKUP_JOBS, session.namespace, arguments.backup)
    return said(await backups.verify(session.client, job, Teller()), "verify", arguments.backup)


async def delete(session: Session, arguments: argparse.Namespace) -> int:
    """Remove what is stored, then the job."""
    job = await session.client.get(BACKUP_JOBS, session.namespace, arguments.backup)
    outcome = await backups.delete(session.client, job, Teller(), keep_data=arguments.keep_data)
    return said(outcome, "delete", arguments.backup)


async def suspend_schedule(session: Session, arguments: argparse.Namespace) -> int:
    """Suspend a schedule, or resume it."""
    name, word = arguments.schedule, arguments.command
    schedule = await session.client.get(BACKUP_SCHEDULES, session.namespace, name)
    return said(await schedules.suspend(session.client, schedule, word == "suspend"), word, name)


async def run_schedule(session: Session, arguments: argparse.Namespace) -> int:
    """Have a schedule's backups begun now; 1 when none was begun."""
    schedule = await session.client.get(BACKUP_SCHEDULES, session.namespace, arguments.schedule)
    return said(await schedules.run_now(session.client, schedule, Teller()), "run", arguments.schedule)


async def delete_schedule(session: Session, arguments: argparse.Namespace) -> int:
    """Delete a schedule."""
    schedule = await session.client.get(BACKUP_SCHEDULES, session.namespace, arguments.schedule)
    return said(await schedules.delete(session.client, schedule), "delete", arguments.schedule)


def said(outcome: Outcome, what: str, name: str) -> int:
    """The outcome on stdout or stderr, and as an exit code."""
    if outcome.ok:
        print(f"{name}: {plain(outcome.message)}")
        return Exit.OK
    print(f"hyperctl: {what} {name} failed: {plain(outcome.message)}", file=sys.stderr)
    return Exit.FAILED
