"""BackupSchedules: suspended, resumed, run at once, and deleted."""

from hypersdk.kube.client import Client
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import condition
from hypersdk.model.kinds import BACKUP_SCHEDULES
from hypersdk.model.marks import RUN_NOW
from hypersdk.verbs.backups import stamp
from hypersdk.verbs.operation import until
from hypersdk.verbs.verb import Outcome, Progress


async def suspend(client: Client, schedule: BackupSchedule, wanted: bool) -> Outcome:
    """Let it make no more backups at its times, or make them again."""
    done = "suspended" if wanted else "resumed"
    if schedule.spec.suspend is wanted:
        return Outcome(True, "suspended already" if wanted else "not suspended")
    await client.patch(BACKUP_SCHEDULES, *schedule.key, {"spec": {"suspend": wanted}})
    return Outcome(True, done)


async def run_now(client: Client, schedule: BackupSchedule, progress: Progress) -> Outcome:
    """Have its backups begun at once, and tell of which VMs; not ok when none was begun.

    The controller is asked, and makes them: which VMs, what when an earlier backup goes on, and how many are kept is
    decided there alone.
    """
    request = stamp()
    await client.patch(BACKUP_SCHEDULES, *schedule.key, {"metadata": {"annotations": {RUN_NOW: request}}})

    def answer(now: BackupSchedule | None) -> Outcome | None:
        if now is None or now.metadata.uid != schedule.metadata.uid:
            return Outcome(False, "it was deleted")
        # Somebody who asked right after us has taken our request's place: that run is ours too.
        latest = (now.metadata.annotations or {}).get(RUN_NOW)
        if latest is None:
            return Outcome(False, "the request was taken back")
        if now.status.run_request != latest:
            progress(None, "waiting for the controller")
            return None
        found = condition(now.status.conditions, "RunNow")
        return Outcome(found is not None and found.status == "True", (found.message if found else "") or "")

    return await until(client, BACKUP_SCHEDULES, schedule.key, answer, progress=progress)


async def delete(client: Client, schedule: BackupSchedule) -> Outcome:
    """Delete it, and with it the BackupJobs that it owns; what they stored stays."""
    await client.delete(BACKUP_SCHEDULES, *schedule.key, uid=schedule.metadata.uid)
    return Outcome(True, "deleted, its BackupJobs go with it; what they stored stays")
