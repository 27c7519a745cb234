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
from controller.node.backups.status import DATA_DELETED, VERIFIED, Verdict, conditions
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
        if self.errands.is_on(job.key) or job.metadata.deletion_timestamp is not None:
            return Done()
        notes = job.metadata.annotations or {}
        if (refused := self.errands.refused(job.key)) is not None:
            kind, request = (
                (DATA_DELETED, notes[DELETE_DATA]) if DELETE_DATA in notes else (VERIFIED, notes.get(VERIFY, ""))
            )
            await self._note(job, kind, "False", refused.reason, str(refused), request)
            return Done()
        if (left := self.errands.due_in_s(job.key)) > 0:
            return Later(left)
        if (
            job.status.phase == "Completed"
            and notes.get(DELETE_DATA)
            and job.status.delete_request != notes[DELETE_DATA]
        ):
            self.errands.start(job.key, self._remove(job, notes[DELETE_DATA]))
        elif job.status.phase == "Completed" and notes.get(VERIFY) and job.status.verify_request != notes[VERIFY]:
            self.errands.start(job.key, self._verify(job, notes[VERIFY]))
        return Done()

    async def _verify(self, job: BackupJob, request: str) -> None:
        place = await self.destinations.place(job.spec.destination, *job.machine)
        try:
            expected = (job.status.checksum or "").removeprefix("sha256:")
            verdict = await verify(place, folder_of(job), expected, lambda done, total: None)
        finally:
            await place.store.close()
        await self._note(job, VERIFIED, "True" if verdict.ok else "False", verdict.reason, verdict.words, request)

    async def _remove(self, job: BackupJob, request: str) -> None:
        place = await self.destinations.place(job.spec.destination, *job.machine)
        folder = folder_of(job)
        try:
            if standing := (await read_index(place)).standing_on(folder):
                names = ", ".join(one.job for one in standing)
                raise Terminal("InUse", f"other backups stand on it: {names}; delete those first")
            try:
                manifest = await read_manifest(place, folder)
            except Terminal as error:
                if error.reason not in {"ManifestNotFound", "BackupInvalid"}:
                    raise
                manifest = None
            await remove_backup(place, folder, manifest)
        finally:
            await place.store.close()
        await self._note(job, DATA_DELETED, "True", "Removed", "the backup is removed from its store", request)

    async def _note(self, job: BackupJob, kind: str, verdict: Verdict, reason: str, words: str, request: str) -> None:
        job = self.jobs.newest(job)
        said = conditions(job.status.conditions, self.now(), (kind, verdict, reason, words))
        status = job.status.but(conditions=said)
        if kind == VERIFIED:
            status = status.but(verify_request=request, verified_time=self.now())
        else:
            status = status.but(delete_request=request)
        job = await self.jobs.write_status(job, job.status.wire(), status.wire())
        log.info("backup=%s/%s event=%s %s", *job.key, kind, words)
        await self.recorder.record(job, "Normal" if verdict == "True" else "Warning", kind, words)
