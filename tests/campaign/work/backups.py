"""Backups, in full and of what changed; and VMs made of them again, anew and in place."""

import json
import uuid
from pathlib import Path

from hypersdk.kube.cache import Cache
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, Resource, condition
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS, VIRTUAL_MACHINES
from hypersdk.model.marks import CANCEL, DELETE_DATA, VERIFY
from hypersdk.model.restorejob import RestoreJob
from tests.campaign.work import layers
from tests.campaign.work.guest import Guest
from tests.campaign.work.shop import Shop
from tests.campaign.work.snapshots import OFF
from tests.campaign.work.trial import Look, Trial, step_of

OLD = 8
"""So many backups stand on each other before there is a full one again."""


def backup_spec(shop: Shop, guest: Guest, *, incremental: bool, local: bool) -> JsonObject:
    """What is asked of a BackupJob."""
    folder: JsonObject = {"type": "local", "bucket": str(shop.vault)}
    return {
        "source": {"provider": "libvirt", "vmName": guest.name},
        "destination": folder if local or shop.store is None else shop.store,
        "format": {"type": "qcow2", "compression": True, "compressionLevel": 1},
        "incremental": {"enabled": incremental},
    }


def restore_spec(backup: str, **options: str | bool) -> JsonObject:
    """What is asked of a RestoreJob."""
    source: JsonObject = {"type": "backup-ref", "backupJobRef": {"name": backup}}
    return {"source": source, "destination": {"provider": "libvirt"}, "options": {**options}}


async def back_up(guest: Guest) -> str:
    """A backup that nobody disturbs; its name."""
    shop, name = guest.shop, guest.shop.name(f"{guest.name}-kept")
    await shop.make(BACKUP_JOBS, name, backup_spec(shop, guest, incremental=False, local=True))
    await shop.until(shop.backups, lambda: (job := shop.the(shop.backups, name)) is not None and job.is_over)
    job = shop.the(shop.backups, name)
    assert job is not None
    assert job.status.phase == "Completed", job.status.wire()
    return name


async def assert_restorable(shop: Shop, backup: str, mark: int, image: Path) -> None:
    """A VM made of the backup has what was on the disks then; it is gone again afterwards."""
    name = shop.name("again")
    await shop.make(RESTORE_JOBS, name, restore_spec(backup, renameVM=name))
    await shop.until(shop.restores, lambda: (job := shop.the(shop.restores, name)) is not None and job.is_over)
    job = shop.the(shop.restores, name)
    assert job is not None
    assert job.status.phase == "Completed", job.status.wire()
    tips = await shop.node(name)[1].tips(shop.bench.vm(name).metadata.uid)
    await layers.assert_marked(tips, mark)
    await layers.assert_content(tips[0], image)
    await shop.vm_gone([name])


class JobTrial(Trial):
    """One that is a BackupJob or a RestoreJob."""

    name = ""

    def job(self) -> BackupJob | RestoreJob | None:
        """As the watch has it."""
        raise NotImplementedError

    async def fresh(self) -> BackupJob | RestoreJob | None:
        """As the API has it."""
        raise NotImplementedError

    async def look(self) -> Look:
        job = await self.fresh()
        assert job is not None, f"the job {self.name} is gone"
        is_done, progress = job.status.phase == "Completed", job.status.progress
        assert is_done or not job.is_over or self.is_cancelled, f"{self.name}: {job.status.wire()}"
        at = condition(job.status.conditions, "Running")
        words = (progress.current_phase if progress is not None else None) or (at.reason if at is not None else None)
        return Look(job.is_over, step_of(words), is_done, job.status.error or "")

    def version(self) -> str:
        job = self.job()
        return "" if job is None else job.metadata.resource_version or ""

    def seems_over(self) -> bool:
        job = self.job()
        return job is not None and job.is_over


class BackingUp(JobTrial):
    """In full, of a guest that runs or is off, to a folder or to an S3 store."""

    title = "full backup"
    incremental = False
    made = 0

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.backups  # type: ignore[return-value]

    def job(self) -> BackupJob | None:
        return self.shop.the(self.shop.backups, self.name)

    async def fresh(self) -> BackupJob | None:
        return await self.shop.fresh(BACKUP_JOBS, self.name)

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.power(on=self.incremental or self.rng.random() >= OFF)
        await self.guest.write()

    async def ask(self) -> None:
        self.name = self.shop.name(f"{self.guest.name}-b")
        local = not self.incremental and self.rng.random() < 0.5
        spec = backup_spec(self.shop, self.guest, incremental=self.incremental, local=local)
        await self.shop.make(BACKUP_JOBS, self.name, spec)

    async def cancel(self) -> None:
        self.is_cancelled = True
        await self.shop.note(BACKUP_JOBS, self.name, CANCEL)

    async def verify(self, look: Look) -> None:
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        marks = await self.shop.node(self.guest.name)[1].checkpoints(self.guest.uid)
        assert marks <= self.incremental, f"{marks} checkpoints are left"
        job = self.job()
        assert job is not None
        stored = self.shop.stored(f"{job.metadata.name}-{job.metadata.uid[:8]}")
        if not look.is_done:
            assert not stored, f"{stored} of a backup that was cancelled"
            return
        assert {path.name for path in stored} == _named(stored)
        await self._assert_verified()
        await assert_restorable(self.shop, self.name, self.guest.mark, self.shop.image)
        await self._clear()

    async def _assert_verified(self) -> None:
        request = uuid.uuid4().hex
        await self.shop.note(BACKUP_JOBS, self.name, VERIFY, request)

        def answered() -> bool:
            job = self.job()
            return job is not None and job.status.verify_request == request

        await self.shop.until(self.shop.backups, answered)
        job = self.job()
        found = condition(job.status.conditions, "Verified") if job is not None else None
        assert found is not None
        assert found.reason == "Restorable", found.wire()

    async def _clear(self) -> None:
        """Room for the next."""
        await self.shop.note(BACKUP_JOBS, self.name, DELETE_DATA)

        def cleared() -> bool:
            job = self.job()
            found = condition(job.status.conditions, "DataDeleted") if job is not None else None
            return found is not None and found.status == "True"

        await self.shop.until(self.shop.backups, cleared)
        assert not self.shop.stored(f"{self.name}-")


class BackingUpChanges(BackingUp):
    """Of what changed since the backup before."""

    title = "incremental backup"
    incremental = True

    async def prepare(self) -> None:
        if self.made >= OLD:
            await self.renew()
        await super().prepare()
        self.made += 1

    async def equip(self) -> None:
        self.made = 0

    async def _clear(self) -> None:
        """The next one stands on it."""


def _named(stored: list[Path]) -> set[str]:
    """The objects that the manifest among them names, and itself."""
    (manifest,) = [path for path in stored if path.name == "manifest.json"]
    told = json.loads(manifest.read_text())
    keys = {Path(part["key"]).name for disk in told["disks"] for part in disk["parts"] if part["key"]}
    return {"manifest.json", *keys}


class RestoringAnew(JobTrial):
    """To a new VM."""

    title = "restore of a backup to a new VM"
    in_place = False
    is_started = False

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.restores  # type: ignore[return-value]

    def job(self) -> RestoreJob | None:
        return self.shop.the(self.shop.restores, self.name)

    async def fresh(self) -> RestoreJob | None:
        return await self.shop.fresh(RESTORE_JOBS, self.name)

    async def equip(self) -> None:
        self.kept_mark = await self.guest.write()
        self.backup = await back_up(self.guest)

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.power(on=not self.in_place)
        await self.guest.write()

    async def ask(self) -> None:
        self.name, self.is_started = self.shop.name(f"{self.guest.name}-r"), self.rng.random() < OFF
        target: dict[str, str | bool] = {"overwrite": True} if self.in_place else {"renameVM": self.name}
        spec = restore_spec(self.backup, powerOnAfterRestore=self.is_started, **target)
        await self.shop.make(RESTORE_JOBS, self.name, spec)

    async def cancel(self) -> None:
        self.is_cancelled = True
        await self.shop.note(RESTORE_JOBS, self.name, CANCEL)

    async def verify(self, look: Look) -> None:
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        vm = await self.shop.fresh(VIRTUAL_MACHINES, self.name)
        if not look.is_done:
            assert vm is None, f"{self.name} is there: {vm.status.wire()}"
            return
        assert vm is not None
        assert (vm.status.phase == "Running") == self.is_started
        tips = await self.shop.node(self.name)[1].tips(vm.metadata.uid)
        await layers.assert_marked(tips, self.kept_mark)
        await layers.assert_content(tips[0], self.shop.image)
        await self.shop.vm_gone([self.name])


class RestoringInPlace(RestoringAnew):
    """Over the disks of the VM that it was made of, which is off."""

    title = "restore of a backup in place"
    in_place = True

    async def verify(self, look: Look) -> None:
        vm = await self.shop.fresh(VIRTUAL_MACHINES, self.guest.name)
        assert vm is not None
        if look.is_done:
            self.guest.mark = self.kept_mark
            assert (vm.status.phase == "Running") == self.is_started
        else:
            await self.guest.assert_untouched()
        if vm.status.phase == "Running":
            assert (await self.guest.last_run())[0] == 1
        await self.guest.assert_whole()
