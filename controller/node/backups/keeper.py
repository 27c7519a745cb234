"""One pass over one BackupJob of this node: whose turn it is, begin, end, cancel."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.node.backups.afterwards import Afterwards
from controller.node.backups.destination import Destinations
from controller.node.backups.errands import Errands
from controller.node.backups.making import Made, Maker, folder_of
from controller.node.backups.manner import manner_of
from controller.node.backups.reporting import Reporter
from controller.node.backups.status import (
    CARBON,
    CONSISTENT,
    INCREMENTAL,
    RUNNING,
    SUCCEEDED,
    conditions,
    ended,
)
from controller.node.backups.status import Verdict as Status
from controller.node.backups.turn import backup_waits
from controller.node.objects import Objects
from controller.node.operations.turn import asks_for_cancel
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.errors import NotFound, Terminal, Transient
from hypersdk.kube.cache import Key
from hypersdk.kube.events import EventType, Recorder
from hypersdk.model.backupjob import BackupBase, BackupJob, JobPhase, JobProgress
from hypersdk.model.marks import BACKUP_FINALIZER
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

log = logging.getLogger(__name__)
MOST_AT_ONCE = 2
LOOK_AGAIN_S = 5.0
DEADLINE = timedelta(hours=24)
GIVE_UP_AFTER = timedelta(minutes=10)
"""Of a store that does not answer, when a backup is to be cleared away: what is left there is named."""
SPANS = {"Storing": (0, 98), "Finishing": (98, 100)}


@dataclass(frozen=True)
class Ending:
    """How a job ends, once nothing of it is left."""

    phase: JobPhase
    reason: str
    words: str
    since: datetime


@dataclass
class BackupKeeper:
    """The BackupJobs of this node's VMs."""

    node: str
    jobs: Objects[BackupJob]
    vms: Objects[VirtualMachine]
    operations: Objects[VMOperation]
    maker: Maker
    destinations: Destinations
    errands: Errands
    recorder: Recorder
    now: Callable[[], datetime]
    _endings: dict[Key, Ending] = field(default_factory=dict)
    """Of jobs that are being cleared away."""

    def __post_init__(self) -> None:
        self.afterwards = Afterwards(self.jobs, self.destinations, self.errands, self.recorder, self.now)

    async def __call__(self, key: Key) -> Outcome:
        """One pass."""
        job = self.jobs.get(*key)
        if job is None:
            await self.errands.cancel(key)
            self._endings.pop(key, None)
            return Done()
        if not self.is_mine(job):
            return Done()
        if job.is_over:
            return await self.afterwards(job)
        if asks_for_cancel(job):
            await self.errands.cancel(key)
            return await self._end(job, "Cancelled", "Cancelled", "it was cancelled")
        if self.errands.is_on(key):
            return Done()
        if (ending := self._endings.get(key)) is not None:
            return await self._end(job, ending.phase, ending.reason, ending.words)
        if (refused := self.errands.refused(key)) is not None:
            return await self._end(job, "Failed", refused.reason, str(refused))
        self.errands.raise_bug(key)
        try:
            return await self._go_on(job)
        except Terminal as error:
            return await self._end(job, "Failed", error.reason, str(error))

    def is_mine(self, job: BackupJob) -> bool:
        """Whether this node makes it: the node that began, else the one that has the VM."""
        if job.status.node_name:
            return job.status.node_name == self.node
        vm = self.vms.get(*job.machine)
        return vm is not None and vm.status.node_name == self.node

    async def _go_on(self, job: BackupJob) -> Outcome:
        manner_of(job)
        began = job.status.start_time
        if began is not None and self.now() - began > DEADLINE:
            raise Terminal("DeadlineExceeded", f"not done within a day: {self.errands.failed(job.key) or 'too slow'}")
        vm = self._machine(job)
        if (left := self.errands.due_in_s(job.key)) > 0:
            await self._say(job, job.status.phase or "Pending", self.errands.failed(job.key))
            return Later(left)
        has_moment = await self.maker.has_moment(job)
        if not (reason := self._waits(job, vm, has_moment=has_moment)):
            job = await self.jobs.hold(job, BACKUP_FINALIZER)
            job = await self._begin(job)
            # An operation may have come while that was written.
            reason = self._waits(job, vm, has_moment=has_moment)
        if reason:
            await self._say(job, job.status.phase or "Pending", reason)
            return Later(LOOK_AGAIN_S)
        self.errands.start(job.key, self._make(job, vm))
        return Done()

    def _waits(self, job: BackupJob, vm: VirtualMachine, *, has_moment: bool) -> str:
        # One whose moment is taken is waited for.
        operations = [] if has_moment else [self.operations.newest(op) for op in self.operations.cache]
        others = (self.jobs.newest(one) for one in self.jobs.cache)
        return backup_waits(job, vm, others, operations, MOST_AT_ONCE - len(self.errands))

    def _machine(self, job: BackupJob) -> VirtualMachine:
        vm = self.vms.get(*job.machine)
        if vm is None:
            raise Terminal("VMNotFound", f"there is no VM {job.machine[1]} in namespace {job.machine[0]}")
        if vm.status.node_name != self.node:
            raise Terminal("VMMoved", f"the VM has moved to {vm.status.node_name} meanwhile: make a new BackupJob")
        return vm

    async def _begin(self, job: BackupJob) -> BackupJob:
        if job.status.phase == "Running":
            return job
        news: list[tuple[str, Status, str, str]] = [(RUNNING, "True", "Started", f"made by node {self.node}")]
        if job.spec.carbon_aware is not None and job.spec.carbon_aware.enabled:
            words = "it runs when it is due, whatever the carbon intensity is: carbonAware is not acted on"
            news.append((CARBON, "False", "NotActedOn", words))
        said = conditions(job.status.conditions, self.now(), *news)
        status = job.status.but(phase="Running", start_time=self.now(), node_name=self.node, conditions=said)
        job = await self.jobs.write_status(job, job.status.wire(), status.wire())
        await self._tell(job, "Normal", "Started", f"the backup of {job.machine[1]} begins")
        return job

    async def _make(self, job: BackupJob, vm: VirtualMachine) -> None:
        async def write(progress: JobProgress) -> None:
            nonlocal job
            job = await self.jobs.write_status(job, job.status.wire(), job.status.but(progress=progress).wire())

        left = DEADLINE - (self.now() - (job.status.start_time or self.now()))
        async with asyncio.timeout(left.total_seconds()), Reporter(write, self.now, SPANS).reporting() as report:
            made = await self.maker.make(job, vm, report)
        await self._made(job, made)
        await self.maker.finish(job)

    async def _made(self, job: BackupJob, made: Made) -> None:
        capture, size = made.capture, human_bytes(made.bytes)
        kind = "Full" if capture.base is None else "Incremental"
        words = f"{kind.lower()} backup of {size} at {made.path}"
        why = f"since {capture.base_job}" if capture.base else capture.why_full
        thinned = f"; its retention let go: {', '.join(made.thinned)}" if made.thinned else ""
        news: list[tuple[str, Status, str, str]] = [
            (SUCCEEDED, "True", "Stored", f"{words}{thinned}"),
            (RUNNING, "False", "Completed", "it is over"),
            (CONSISTENT, *_consistency(made)),
        ]
        if job.spec.incremental is not None and job.spec.incremental.enabled:
            news.append((INCREMENTAL, "True" if capture.base else "False", kind, why))
        progress = job.status.progress or JobProgress()
        status = job.status.but(
            phase="Completed",
            completion_time=self.now(),
            progress=progress.but(percentage=100, current_phase="Completed", estimated_completion=None),
            conditions=conditions(job.status.conditions, self.now(), *news),
            output_path=made.path,
            size=made.bytes,
            checksum=f"sha256:{made.sha256}",
            kind=kind,
            base=BackupBase(name=capture.base_job, uid=capture.base_uid) if capture.base else None,
            disk_layers=capture.layers or None,
            freeze_milliseconds=capture.frozen_ms if not capture.why_not_frozen else None,
        )
        job = await self.jobs.write_status(job, job.status.wire(), status.wire())
        await self._tell(job, "Normal", "Completed", words)

    async def _end(self, job: BackupJob, phase: JobPhase, reason: str, words: str) -> Outcome:
        """Clear away, then say so."""
        ending = self._endings.setdefault(job.key, Ending(phase, reason, words, self.now()))
        try:
            await self.maker.undo(job, self.vms.get(*job.machine))
        except (Transient, OSError) as error:
            if self.now() - ending.since < GIVE_UP_AFTER:
                await self._say(job, job.status.phase or "Pending", f"clearing away ({words}): {error}")
                return Later(LOOK_AGAIN_S)
            words += f"; what was stored is left at {folder_of(job)}: {error}"
        except Terminal as error:
            if reason != error.reason:
                words += f"; what was stored is left at {folder_of(job)}: {error}"
        self._endings.pop(job.key, None)
        self.errands.forget(job.key)
        with contextlib.suppress(NotFound):
            status = ended(job.status, self.now(), phase, reason, words)
            job = await self.jobs.write_status(job, job.status.wire(), status.wire())
            await self._tell(job, "Warning" if phase == "Failed" else "Normal", phase, words)
            await self.jobs.release(job, BACKUP_FINALIZER)
        await self.maker.finish(job)
        return Done()

    async def _say(self, job: BackupJob, phase: JobPhase, words: str) -> None:
        said = conditions(job.status.conditions, self.now(), (RUNNING, "False", "Waiting", words))
        if phase == "Running":
            said = conditions(job.status.conditions, self.now(), (RUNNING, "True", "Retrying", words))
        await self.jobs.write_status(job, job.status.wire(), job.status.but(phase=phase, conditions=said).wire())

    async def _tell(self, job: BackupJob, kind: EventType, reason: str, words: str) -> None:
        log.info("backup=%s/%s event=%s %s", *job.key, reason, words)
        await self.recorder.record(job, kind, reason, words)


def _consistency(made: Made) -> tuple[Status, str, str]:
    capture = made.capture
    match capture.consistency:
        case "FileSystemsFrozen":
            return "True", capture.consistency, f"the guest's file systems were held for {capture.frozen_ms} ms"
        case "PoweredOff":
            return "True", capture.consistency, "the VM was off"
    return "False", capture.consistency, f"as after a power cut, of one moment: {capture.why_not_frozen}"
