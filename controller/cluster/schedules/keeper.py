"""Does what is decided for each BackupSchedule: makes its jobs, clears old ones away, writes its status."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from controller.cluster.schedules.decide import Decision, answered, decide
from controller.cluster.schedules.jobs import unanswered
from controller.node.objects import Objects
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.errors import AlreadyExists, Forbidden, Invalid, NotFound
from hypersdk.kube.cache import Cache, Key
from hypersdk.kube.events import Recorder
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.kinds import BACKUP_JOBS
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
AGAIN_S = 60.0
LONGEST_S = 3600.0
"""Looked at then at the latest: the clock may be set, and a timer would not notice."""


@dataclass
class ScheduleKeeper:
    """The BackupSchedules of the cluster."""

    schedules: Objects[BackupSchedule]
    jobs: Cache[BackupJob]
    vms: Cache[VirtualMachine]
    recorder: Recorder
    now: Callable[[], datetime]
    _made: dict[Key, BackupJob] = field(default_factory=dict)
    """Jobs that were just made, until the watch brings them."""

    async def __call__(self, key: Key) -> Outcome:
        """One pass over one schedule."""
        schedule = self.schedules.get(*key)
        if schedule is None:
            return Done()
        now = self.now()
        self._made = {known: job for known, job in self._made.items() if known not in self.jobs.objects}
        decision = decide(schedule, [*self.jobs, *self._made.values()], self.vms, now)
        for kind, reason, words in decision.events:
            log.info("schedule=%s/%s event=%s %s", *key, reason, words)
            await self.recorder.record(schedule, kind, reason, words)
        for job in decision.delete:
            await self._delete(job)
        refused = [words for body in decision.create if (words := await self._create(schedule, body))]
        await self._write(schedule, decision, refused, now)
        if refused:
            return Later(AGAIN_S)
        if decision.next is None:
            return Done()
        return Later(min(max((decision.next - now).total_seconds(), 0.0), LONGEST_S))

    async def _create(self, schedule: BackupSchedule, body: JsonObject) -> str:
        """Make a job; why the API refuses it, or nothing."""
        namespace, client = schedule.key[0], self.schedules.client
        try:
            job = await client.create(BACKUP_JOBS, namespace, body)
        except AlreadyExists:
            return ""
        except (Invalid, Forbidden) as error:
            await self.recorder.record(schedule, "Warning", "JobCreationFailed", str(error))
            return str(error)
        self._made[job.key] = job
        await self.recorder.record(schedule, "Normal", "JobCreated", f"BackupJob {job.metadata.name}")
        return ""

    async def _delete(self, job: BackupJob) -> None:
        with contextlib.suppress(NotFound):
            await self.schedules.client.delete(BACKUP_JOBS, *job.key, uid=job.metadata.uid)

    async def _write(self, schedule: BackupSchedule, decision: Decision, refused: list[str], now: datetime) -> None:
        status = decision.status
        if refused and (request := unanswered(schedule)):
            status = answered(status, request, "JobCreationFailed", refused[0][:500], now)
        elif refused:
            # Not said to have run: as soon as the job can be made it is made up for.
            failed = Condition(type="Ready", status="False", reason="JobCreationFailed", message=refused[0][:500])
            status = status.but(
                last_schedule_time=schedule.status.last_schedule_time,
                conditions=with_condition(status.conditions, failed, now),
            )
        with contextlib.suppress(NotFound):
            await self.schedules.write_status(schedule, schedule.status.wire(), status.wire())
