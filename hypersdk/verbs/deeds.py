"""What a person can do to the objects beside the VMs: one table for keys, palette and dialogs of the console's lists.

What does them is imported when it is done, as in the table of verbs.
"""

from typing import TYPE_CHECKING

from hypersdk.verbs.table import LINKED, START_IT, TARGET
from hypersdk.verbs.verb import Danger, Deed, Outcome, Param, Progress, Values

if TYPE_CHECKING:
    from hypersdk.kube.client import Client
    from hypersdk.model.backupjob import BackupJob
    from hypersdk.model.backupschedule import BackupSchedule
    from hypersdk.model.base import Resource
    from hypersdk.model.restorejob import RestoreJob
    from hypersdk.model.vmnode import VMNode
    from hypersdk.model.vmoperation import VMOperation
    from hypersdk.model.vmsnapshot import VMSnapshot
    from hypersdk.model.vmtemplate import VMTemplate

RESTORED_AS = Param("vm", "str", "the name of the VM that is made; that of the backup when left out")
OVERWRITE = Param("overwrite", "bool", "replace the disks of the VM of that name, which must be off")
NEW_NAME = Param("name", "str", "the name of the new VM", required=True)


async def _restore(client: "Client", one: "VMSnapshot", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.snapshots import restore

    return await restore(client, one, progress)


async def _clone(client: "Client", one: "VMSnapshot", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.snapshots import clone

    return await clone(client, one, values, progress)


async def _merge(client: "Client", one: "VMSnapshot", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.snapshots import delete

    return await delete(client, one, progress)


async def _cancel(client: "Client", op: "VMOperation", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.operation import cancel

    return await cancel(client, op, progress)


async def _verify(client: "Client", job: "BackupJob", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.backups import verify

    return await verify(client, job, progress)


async def _make_again(client: "Client", job: "BackupJob", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.backups import restore, restore_spec

    return await restore(client, job.key[0], f"{job.metadata.name}-restore", restore_spec(job, values), progress)


async def _remove(client: "Client", job: "BackupJob", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.backups import delete

    return await delete(client, job, progress)


async def _cordon(client: "Client", node: "VMNode", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.nodes import schedulable

    return await schedulable(client, node, False)


async def _uncordon(client: "Client", node: "VMNode", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.nodes import schedulable

    return await schedulable(client, node, True)


async def _suspend(client: "Client", schedule: "BackupSchedule", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.schedules import suspend

    return await suspend(client, schedule, True)


async def _resume(client: "Client", schedule: "BackupSchedule", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.schedules import suspend

    return await suspend(client, schedule, False)


async def _run_now(client: "Client", schedule: "BackupSchedule", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.schedules import run_now

    return await run_now(client, schedule, progress)


async def _end_schedule(client: "Client", schedule: "BackupSchedule", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.schedules import delete

    return await delete(client, schedule)


async def _end_restore(client: "Client", job: "RestoreJob", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.backups import delete_restore

    return await delete_restore(client, job)


async def _use(client: "Client", template: "VMTemplate", values: Values, progress: Progress) -> Outcome:
    from hypersdk.verbs.templates import use

    return await use(client, template, values)


def _always(item: "Resource") -> str:
    return ""


def _unless_ready(one: "VMSnapshot") -> str:
    return "" if one.status.ready_to_restore else f"{one.metadata.name} is {one.status.phase or 'Pending'}"


def _unless_under_way(op: "VMOperation") -> str:
    return f"{op.metadata.name} is {op.phase} already" if op.phase.is_over else ""


def _unless_stored(job: "BackupJob") -> str:
    phase = job.status.phase or "Pending"
    return "" if phase == "Completed" else f"{job.metadata.name} is {phase}: nothing of it is stored"


def _unless_usable(template: "VMTemplate") -> str:
    return "" if template.status.ready else f"{template.metadata.name} is not ready"


RESTORE = Deed["VMSnapshot"](
    "snapshot.restore", "Restore",
    "return the VM to it: what was written since is lost; a guest that runs starts anew, unless it has memory",
    Danger.NAME, _unless_ready, _restore,
    line=lambda one: ["vm", "snapshot", "restore", one.machine[1], "-snapshot", one.metadata.name],
)  # fmt: skip
CLONE = Deed["VMSnapshot"](
    "snapshot.clone", "Clone", "make another VM of it", Danger.CONFIRM, _unless_ready, _clone,
    (TARGET, LINKED, START_IT), line=lambda one: ["vm", "clone", one.machine[1], "-snapshot", one.metadata.name],
)  # fmt: skip
MERGE = Deed["VMSnapshot"](
    "snapshot.delete", "Delete", "merge it away; the VM runs on with what it has", Danger.CONFIRM, _always, _merge,
    line=lambda one: ["vm", "snapshot", "delete", one.machine[1], "-snapshot", one.metadata.name],
)  # fmt: skip
CANCEL = Deed["VMOperation"](
    "op.cancel", "Cancel", "end it and put back what it has begun", Danger.CONFIRM, _unless_under_way, _cancel,
    line=lambda op: ["op", "cancel", op.metadata.name],
)  # fmt: skip
VERIFY = Deed["BackupJob"](
    "backup.verify", "Verify", "read what is stored and tell whether it can be restored", Danger.CONFIRM,
    _unless_stored, _verify, line=lambda job: ["backup", "verify", job.metadata.name],
)  # fmt: skip
MAKE_AGAIN = Deed["BackupJob"](
    "backup.restore", "Restore", "make a VM of it", Danger.CONFIRM, _unless_stored, _make_again,
    (RESTORED_AS, OVERWRITE, START_IT), line=lambda job: ["restore", "create", "-from", job.metadata.name],
)  # fmt: skip
REMOVE = Deed["BackupJob"](
    "backup.delete", "Delete", "remove it from its store; one that is under way is cancelled", Danger.NAME, _always,
    _remove, line=lambda job: ["backup", "delete", job.metadata.name],
)  # fmt: skip
CORDON = Deed["VMNode"](
    "node.cordon", "Cordon", "place no new VMs on it", Danger.CONFIRM,
    lambda node: f"{node.metadata.name} is cordoned already" if node.spec.unschedulable else "", _cordon,
    line=lambda node: ["node", "cordon", node.metadata.name],
)  # fmt: skip
UNCORDON = Deed["VMNode"](
    "node.uncordon", "Uncordon", "let VMs be placed on it again", Danger.CONFIRM,
    lambda node: "" if node.spec.unschedulable else f"{node.metadata.name} is not cordoned", _uncordon,
    line=lambda node: ["node", "uncordon", node.metadata.name],
)  # fmt: skip
USE = Deed["VMTemplate"](
    "template.use", "Create VM", "make a VM of it", Danger.CONFIRM, _unless_usable, _use, (NEW_NAME,),
    line=lambda template: ["vm", "create", "-from-template", template.metadata.name],
)  # fmt: skip

SUSPEND = Deed["BackupSchedule"](
    "schedule.suspend", "Suspend", "make no more backups at its times", Danger.CONFIRM,
    lambda one: f"{one.metadata.name} is suspended already" if one.spec.suspend else "", _suspend,
    line=lambda one: ["backup", "schedule", "suspend", one.metadata.name],
)  # fmt: skip
RESUME = Deed["BackupSchedule"](
    "schedule.resume", "Resume", "make backups at its times again", Danger.CONFIRM,
    lambda one: "" if one.spec.suspend else f"{one.metadata.name} is not suspended", _resume,
    line=lambda one: ["backup", "schedule", "resume", one.metadata.name],
)  # fmt: skip
RUN_NOW = Deed["BackupSchedule"](
    "schedule.run", "Run now", "begin its backups at once; its times stay", Danger.CONFIRM, _always, _run_now,
    line=lambda one: ["backup", "schedule", "run", one.metadata.name],
)  # fmt: skip
END_SCHEDULE = Deed["BackupSchedule"](
    "schedule.delete", "Delete", "its BackupJobs go with it; what they stored stays", Danger.NAME, _always,
    _end_schedule, line=lambda one: ["backup", "schedule", "delete", one.metadata.name],
)  # fmt: skip
END_RESTORE = Deed["RestoreJob"](
    "restore.delete", "Delete", "cancel it; of one that is over the VM stays", Danger.CONFIRM, _always, _end_restore,
    line=lambda job: ["restore", "delete", job.metadata.name],
)  # fmt: skip

OF_SNAPSHOTS = (RESTORE, CLONE, MERGE)
OF_OPERATIONS = (CANCEL,)
OF_BACKUPS = (VERIFY, MAKE_AGAIN, REMOVE)
OF_SCHEDULES = (RUN_NOW, SUSPEND, RESUME, END_SCHEDULE)
OF_RESTORES = (END_RESTORE,)
OF_NODES = (CORDON, UNCORDON)
OF_TEMPLATES = (USE,)
