"""What may be asked of a backup that is made: can it be restored, and that it be removed. By annotations of its job."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from controller.node.backups.chain import read_manifest, remove_backup
from controller.node.backups.destination import Destinations
from controller.node.backups.errands import Errands
from controller.node.backups.index import read_index
from controller.node.backups.making import folder_of
from controller.node.backups.manifest import INVALID, MANIFEST_GONE
from controller.node.backups.status import DATA_DELETED, VERIFIED, Verdict, conditions
from controller.node.backups.store import Place
from controller.node.backups.verify import verify
from controller.node.objects import Objects
from controller.runtime.worker import Done, Later, Outcome
from hypersdk.errors import Terminal
from hypersdk.kube.events import Recorder
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.marks import BACKUP_FINALIZER, DELETE_DATA, VERIFY

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Afterwards:
    """Answers it, as conditions of the job."""

    jobs: Objects[BackupJob]
    destinations: Destinations
    errands: Errands
    recorder: Recorder
    now: Callable[[], datetime]

    async def __call__(self, job: BackupJob) -> Outcome:
        """One pass over a job that is over."""
        job = await self.jobs.release(job, BACKUP_FINALIZER)
        asked = _asked(job)
        if asked is None or self.errands.is_on(job.key):
            return Done()
        if (left := self.errands.due_in_s(job.key)) > 0:
            return await self._waits(job, asked, left)
        self.errands.raise_bug(job.key)
        self.errands.start(job.key, self._answer(job, asked))
        return Done()

    async def _waits(self, job: BackupJob, asked: "_Asked", seconds: float) -> Outcome:
        """Whoever asked sees why there is no answer yet."""
        said = conditions(
            job.status.conditions, self.now(), (asked.kind, "Unknown", "Retrying", self.errands.failed(job.key))
        )
        await self.jobs.write_status(job, job.status.wire(), job.status.but(conditions=said).wire())
        return Later(seconds)

    async def _answer(self, job: BackupJob, asked: "_Asked") -> None:
        place = None
        try:
            place = await self.destinations.place(job.spec.destination, *job.machine)
            answer = await (_removed(place, job) if asked.kind == DATA_DELETED else _verified(place, job))
        except Terminal as error:
            answer = _Answer("False", error.reason, str(error))
        finally:
            if place is not None:
                await place.store.close()
        await self._note(job, asked, answer)

    async def _note(self, job: BackupJob, asked: "_Asked", answer: "_Answer") -> None:
        job, kind = self.jobs.newest(job), asked.kind
        said = conditions(job.status.conditions, self.now(), (kind, answer.verdict, answer.reason, answer.words))
        status = job.status.but(conditions=said)
        if kind == VERIFIED:
            status = status.but(verify_request=asked.request, verified_time=self.now())
        else:
            status = status.but(delete_request=asked.request)
        job = await self.jobs.write_status(job, job.status.wire(), status.wire())
        log.info("backup=%s/%s event=%s %s", *job.key, kind, answer.words)
        await self.recorder.record(job, "Normal" if answer.verdict == "True" else "Warning", kind, answer.words)


@dataclass(frozen=True)
class _Asked:
    kind: str
    """The condition that tells the answer."""
    request: str


@dataclass(frozen=True)
class _Answer:
    verdict: Verdict
    reason: str
    words: str


def _asked(job: BackupJob) -> _Asked | None:
    """What is to be done next; nothing for a backup that never came to be, and for what was answered already."""
    if job.status.phase != "Completed" or job.metadata.deletion_timestamp is not None:
        return None
    notes = job.metadata.annotations or {}
    wanted = (
        (DATA_DELETED, notes.get(DELETE_DATA), job.status.delete_request),
        (VERIFIED, notes.get(VERIFY), job.status.verify_request),
    )
    found = (_Asked(kind, request) for kind, request, answered in wanted if request and request != answered)
    return next(found, None)


async def _verified(place: Place, job: BackupJob) -> _Answer:
    expected = (job.status.checksum or "").removeprefix("sha256:")
    verdict = await verify(place, folder_of(job), expected)
    return _Answer("True" if verdict.ok else "False", verdict.reason, verdict.words)


async def _removed(place: Place, job: BackupJob) -> _Answer:
    folder = folder_of(job)
    if standing := (await read_index(place)).standing_on(folder):
        names = ", ".join(one.job for one in standing)
        raise Terminal("InUse", f"other backups stand on it: {names}; delete those first")
    try:
        manifest = await read_manifest(place, folder)
    except Terminal as error:
        if error.reason not in {MANIFEST_GONE, INVALID}:
            raise
        manifest = None
    await remove_backup(place, folder, manifest)
    return _Answer("True", "Removed", "the backup is removed from its store")
