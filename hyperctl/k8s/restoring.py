"""`restore create|delete`: a VM of a backup, followed to the end."""

import argparse

from hyperctl.exits import Exit
from hyperctl.k8s.acting import Teller
from hyperctl.k8s.backing_up import said
from hyperctl.k8s.session import Session
from hypersdk.errors import UsageError
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import RESTORE_JOBS
from hypersdk.verbs import backups


async def create(session: Session, arguments: argparse.Namespace) -> int:
    """Make a RestoreJob, and wait for its end."""
    body = spec(arguments)
    name = arguments.name or f"{arguments.vm or arguments.__dict__['from'] or 'vm'}-restore-{backups.stamp()}"
    made = await session.client.create(RESTORE_JOBS, session.namespace, {"metadata": {"name": name}, "spec": body})
    print(f"restorejob.hypersdk.io/{made.metadata.name} created")
    if arguments.no_wait:
        return Exit.OK
    return said(await backups.end_of_restore(session.client, made, Teller()), "restore", name)


async def delete(session: Session, arguments: argparse.Namespace) -> int:
    """Delete a RestoreJob, and wait until it is gone."""
    job = await session.client.get(RESTORE_JOBS, session.namespace, arguments.restore)
    return said(await backups.delete_restore(session.client, job), "delete", arguments.restore)


def spec(arguments: argparse.Namespace) -> JsonObject:
    """From where, and to which VM."""
    backup = arguments.__dict__["from"]
    if bool(backup) == bool(arguments.path):
        raise UsageError("restore create needs -from BACKUP or -path PATH, and not both")
    source: JsonObject = {"type": "backup-ref", "backupJobRef": {"name": backup}} if backup else _of_path(arguments)
    options: JsonObject = {"powerOnAfterRestore": arguments.start, "overwrite": arguments.overwrite}
    destination: JsonObject = {"provider": "libvirt"} | ({"vmName": arguments.vm} if arguments.vm else {})
    return {"source": source, "destination": destination, "options": options}


def _of_path(arguments: argparse.Namespace) -> JsonObject:
    """`s3://BUCKET/FOLDER` or an absolute path, as `status.outputPath` has it."""
    path: str = arguments.path
    if path.startswith("s3://"):
        bucket, _, folder = path.removeprefix("s3://").partition("/")
        return {"type": "s3", **backups.store(vars(arguments)), "bucket": bucket, "path": folder}
    if path.startswith("/"):
        return {"type": "local", "path": path}
    raise UsageError(f"-path {path}: write s3://BUCKET/FOLDER, or an absolute path of the node")
