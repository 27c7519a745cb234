"""One pass over one RestoreJob of this node: begin, end, cancel."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.node.backups.errands import Errands
from controller.node.backups.reporting import Reporter
from controller.node.backups.restoring import Restorer
from controller.node.backups.status import RUNNING, SUCCEEDED, conditions, ended
from controller.node.backups.status import Verdict as Status
from controller.node.backups.target import name_of
from controller.node.backups.turn import operation_of
from controller.node.objects import Objects
from controller.node.operations.turn import asks_for_cancel
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.errors import NotFound, Terminal, Transient
from hypersdk.kube.cache import Key
from hypersdk.kube.events import EventType, Recorder
from hypersdk.model.backupjob import JobPhase, JobProgress
from hypersdk.model.marks import RESTORE_FINALIZER
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

log = logging.getLogger(__name__)
MOST_AT_ONCE = 2
LOOK_AGAIN_S = 5.0
CLEAR_AGAIN_S = 1.0
DEADLINE = timedelta(hours=24)
SPANS = {"Fetching": (0, 60), "Assembling": (60, 95), "Starting": (95, 100)}


@dataclass
class RestoreKeeper:
    """The RestoreJobs that the leader gave to this node."""

    node: str
    jobs: Objects[RestoreJob]
    operations: Objects[VMOperation]
    restorer: Restorer
    errands: Errands
    recorder: Recorder
    now: Callable[[], datetime]
    _endings: dict[Key, tuple[JobPhase, str, str]] = field(default_factory=dict)
    """Phase, reason and words of jobs that are being cleared away."""

    async def __call__(self, key: Key) -> Outcome:
        """One pass."""
        job = self.jobs.get(*key)
        if job is None:
            await self.errands.cancel(key)
            self._endings.pop(key, None)
            return Done()
        if job.status.node_name != self.node:
            return Done()
        if job.is_over:
            await self.jobs.release(job, RESTORE_FINALIZER)
            return Done()
        if asks_for_cancel(job) and not await asyncio.to_thread(self.restorer.is_past_return, job):
            await self.errands.cancel(key)
            if not await asyncio.to_thread(self.restorer.is_past_return, job):
                return await self._end(job, "Cancelled", "Cancelled", "it was cancelled")
        if self.errands.is_on(key):
            return Done()
        if (ending := self._endings.get(key)) is not None:
            return await self._end(job, *ending)
        if (refused := self.errands.refused(key)) is not None:
            return await self._end(job, "Failed", refused.reason, str(refused))
        self.errands.raise_bug(key)
        try:
            return await self._go_on(job)
        except Terminal as error:
            return await self._end(job, "Failed", error.reason, str(error))

    async def _go_on(self, job: RestoreJob) -> Outcome:
        began = job.status.start_time
        if began is not None and self.now() - began > DEADLINE:
            raise Terminal("DeadlineExceeded", f"not done within a day: {self.errands.failed(job.key) or 'too slow'}")
        if (left := self.errands.due_in_s(job.key)) > 0:
            await self._say(job, self.errands.failed(job.key))
            return Later(left)
        operations = (self.operations.newest(op) for op in self.operations.cache)
        if name := name_of(job):
            op = operation_of((job.key[0], name), operations)
            if op is not None:
                await self._say(job, f"waits for {op.spec.operation} ({op.metadata.name})")
                return Later(LOOK_AGAIN_S)
        if len(self.errands) >= MOST_AT_ONCE:
            await self._say(job, "waits for other restores on this node")
            return Later(LOOK_AGAIN_S)
        job = await self._begin(await self.jobs.hold(job, RESTORE_FINALIZER))
        self.errands.start(job.key, self._restore(job))
        return Done()

    async def _begin(self, job: RestoreJob) -> RestoreJob:
        if job.status.phase == "Running":
            return job
        said = conditions(job.status.conditions, self.now(), (RUNNING, "True", "Started", f"done by node {self.node}"))
        status = job.status.but(phase="Running", start_time=self.now(), conditions=said)
        return await self.jobs.write_status(job, job.status.wire(), status.wire())

    async def _restore(self, job: RestoreJob) -> None:
        async def write(progress: JobProgress) -> None:
            nonlocal job
            job = await self.jobs.write_status(job, job.status.wire(), job.status.but(progress=progress).wire())

        left = DEADLINE - (self.now() - (job.status.start_time or self.now()))
        async with asyncio.timeout(left.total_seconds()), Reporter(write, self.now, SPANS).reporting() as report:
            vm = await self.restorer.restore(job, report)
        await self._restored(job, vm)
        await self.restorer.finish(job)

    async def _restored(self, job: RestoreJob, vm: VirtualMachine) -> None:
        words = f"{vm.metadata.name} is restored, and is {vm.phase}"
        progress = job.status.progress or JobProgress()
        status = job.status.but(
            phase="Completed",
            completion_time=self.now(),
            progress=progress.but(percentage=100, current_phase="Completed", estimated_completion=None),
            conditions=conditions(
                job.status.conditions,
                self.now(),
                (SUCCEEDED, "True", "Restored", words),
                (RUNNING, "False", "Completed", "it is over"),
            ),
            restored_vm_name=vm.metadata.name,
            restored_vm_id=vm.metadata.uid,
        )
        job = await self.jobs.write_status(job, job.status.wire(), status.wire())
        await self._tell(job, "Normal", "Completed", words)

    async def _end(self, job: RestoreJob, phase: JobPhase, reason: str, words: str) -> Outcome:
        self._endings[job.key] = (phase, reason, words)
        try:
            await self.restorer.undo(job)
        except (Transient, OSError) as error:
            await self._say(job, f"clearing away ({words}): {error}")
            return Later(CLEAR_AGAIN_S)
        self.errands.forget(job.key)
        del self._endings[job.key]
        with contextlib.suppress(NotFound):
            status = ended(job.status, self.now(), phase, reason, words)
            job = await self.jobs.write_status(job, job.status.wire(), status.wire())
            await self._tell(job, "Warning" if phase == "Failed" else "Normal", phase, words)
            await self.jobs.release(job, RESTORE_FINALIZER)
        return Done()

    async def _say(self, job: RestoreJob, words: str) -> None:
        is_on = job.status.phase == "Running"
        new: tuple[str, Status, str, str] = (RUNNING, "True", "Retrying", words)
        said = conditions(job.status.conditions, self.now(), new if is_on else (RUNNING, "False", "Waiting", words))
        status = job.status.but(phase=job.status.phase or "Pending", conditions=said)
        await self.jobs.write_status(job, job.status.wire(), status.wire())

    async def _tell(self, job: RestoreJob, kind: EventType, reason: str, words: str) -> None:
        log.info("restore=%s/%s event=%s %s", *job.key, reason, words)
        await self.recorder.record(job, kind, reason, words)
