"""Makes one backup: a moment is taken, stored, described. Each part finds what an earlier controller has done."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from controller.hypervisor.backup_port import BackupHost
from controller.hypervisor.port import Hypervisor
from controller.node.backups import state
from controller.node.backups.capture import Capturer, Wanted, checkpoint_of, disks_of
from controller.node.backups.chain import read_manifest, remove_backup
from controller.node.backups.destination import Destinations
from controller.node.backups.index import Entry, Index, read_index, write_index
from controller.node.backups.journal import Capture, Scratch, scratch_of
from controller.node.backups.manifest import MANIFEST, PIECE_BYTES, Manifest, digest, written
from controller.node.backups.manner import Manner, manner_of
from controller.node.backups.series import base_for, expired
from controller.node.backups.store import Place
from controller.node.backups.upload import Upload
from controller.node.machine_state import MachineStates
from controller.node.places import NodePlaces
from hypersdk.errors import Terminal, Transient
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
Report = Callable[[Literal["Storing", "Finishing"], int, int], None]
"""Told of the phase, the bytes done and the bytes in all."""


@dataclass(frozen=True)
class Made:
    """A backup that is there."""

    path: str
    bytes: int
    sha256: str
    capture: Capture
    thinned: tuple[str, ...] = ()
    """The backups that its retention let go."""


@dataclass
class Maker:
    """Makes the backups of this node's VMs."""

    hypervisor: Hypervisor
    host: BackupHost
    places: NodePlaces
    states: MachineStates
    destinations: Destinations
    now: Callable[[], datetime]
    part_bytes: int = PIECE_BYTES

    def __post_init__(self) -> None:
        sockets = self.destinations.settings.migration_folder
        self.capturer = Capturer(self.hypervisor, self.host, self.places, self.states, sockets, self.now)

    @property
    def root(self) -> Path:
        """Where what is known of backups under way lies, and what guests overwrite meanwhile."""
        return self.places.state / "backups"

    async def make(self, job: BackupJob, vm: VirtualMachine, report: Report) -> Made:
        """The whole of it; safe to repeat until `finish`."""
        manner = manner_of(job)
        place = await self.destinations.place(job.spec.destination, *job.machine)
        try:
            return await self._make(job, vm, manner, place, report)
        finally:
            await place.store.close()

    async def has_moment(self, job: BackupJob) -> bool:
        """Whether an earlier try has taken the moment already."""
        return await asyncio.to_thread(self._scratch(job).capture) is not None

    async def finish(self, job: BackupJob) -> None:
        """The status says that it is there: nothing on the node is needed any more."""
        await asyncio.to_thread(self._scratch(job).remove)

    async def undo(self, job: BackupJob, vm: VirtualMachine | None) -> None:
        """Leave nothing of a backup that is not to be; Transient while the store does not answer."""
        scratch = self._scratch(job)
        capture = await asyncio.to_thread(scratch.capture)
        if capture is not None:
            await self._clear(job, scratch, capture)
        uid = capture.vm.uid if capture is not None else vm.metadata.uid if vm is not None else ""
        if uid:
            await self.capturer.undo(uid, scratch, job.metadata.uid)
        await asyncio.to_thread(scratch.remove)

    async def _clear(self, job: BackupJob, scratch: Scratch, capture: Capture) -> None:
        folder = folder_of(job)
        place = await self.destinations.place(job.spec.destination, *job.machine)
        try:
            await place.store.delete(place.key(folder, MANIFEST))
            await Upload(place, folder, scratch, manner_of(job).level, lambda _: None, self.part_bytes).clear(
                capture.disks
            )
            await state.clear(place, folder)
            index = await read_index(place)
            if folder in {one.folder for one in index.backups}:
                await write_index(place, index.without({folder}))
        finally:
            await place.store.close()

    async def _make(self, job: BackupJob, vm: VirtualMachine, manner: Manner, place: Place, report: Report) -> Made:
        scratch, folder = self._scratch(job), folder_of(job)
        capture = await self._taken(job, vm, manner, place)
        total = sum(disk.layout.size for disk in capture.disks)
        upload = Upload(
            place, folder, scratch, manner.level, lambda done: report("Storing", done, total), self.part_bytes
        )
        disks = await upload.all(capture.disks, lambda disk: self.capturer.opened(disk, capture))
        if not capture.is_stored:
            capture = await self._stored(job, capture)
        report("Finishing", total, total)
        manifest = Manifest(
            uid=job.metadata.uid,
            job=job.metadata.name,
            created=capture.created,
            kind="Full" if capture.base is None else "Incremental",
            base=capture.base,
            consistency=capture.consistency,
            vm=capture.vm,
            disks=disks,
            state=await state.stored(place, folder, capture.state),
            metadata=job.spec.metadata or {},
        )
        return await self._described(job, place, capture, manifest)

    async def _taken(self, job: BackupJob, vm: VirtualMachine, manner: Manner, place: Place) -> Capture:
        """The moment that the backup is of: the one that an earlier try has taken, if its disks are there still."""
        scratch = self._scratch(job)
        capture = await asyncio.to_thread(scratch.capture)
        if capture is not None and (capture.is_stored or await self.capturer.is_there(capture)):
            return capture
        if capture is not None:
            await self._clear(job, scratch, capture)
        # Asked first: a store that refuses costs the guest nothing.
        wanted = await self._wanted(job, vm, manner, place)
        return await self.capturer.take(vm, scratch, wanted)

    async def _stored(self, job: BackupJob, capture: Capture) -> Capture:
        """Every piece is stored: look whether all are of that moment, and let the guest go."""
        if not await self.capturer.is_there(capture):
            raise Transient("the VM was started or ended while its disks were read: they are read anew")
        capture = capture.model_copy(update={"is_stored": True})
        await asyncio.to_thread(self._scratch(job).keep, capture)
        await self.capturer.let_go(capture, job.metadata.uid)
        return capture

    async def _described(self, job: BackupJob, place: Place, capture: Capture, manifest: Manifest) -> Made:
        folder, data = folder_of(job), written(manifest)
        await place.store.put(place.key(folder, MANIFEST), data)
        entry = Entry(
            folder=folder,
            uid=job.metadata.uid,
            job=job.metadata.name,
            created=capture.created,
            sha256=digest(data),
            base=capture.base.folder if capture.base else "",
            bytes=manifest.stored_bytes,
            vm_uid=capture.vm.uid,
            layers=capture.layers,
        )
        index = (await read_index(place)).with_(entry)
        await write_index(place, index)
        await self._forget_older(index, entry, capture)
        thinned = await self._thin_out(job, place, index)
        return Made(place.words(folder), manifest.stored_bytes, digest(data), capture, thinned)

    async def _forget_older(self, index: Index, entry: Entry, capture: Capture) -> None:
        """From now on the next one of the series stands on this one: older marks only cost the guest."""
        if not capture.checkpoint:
            return
        older = {checkpoint_of(one.uid) for one in index.backups if one.folder != entry.folder}
        try:
            for name in await self.host.checkpoints(capture.vm.uid):
                if name in older:
                    await self.host.drop_checkpoint(capture.vm.uid, name)
        except Transient as error:
            log.info("older checkpoints of %s are kept until the next backup: %s", capture.vm.name, error)

    async def _thin_out(self, job: BackupJob, place: Place, index: Index) -> tuple[str, ...]:
        if job.spec.retention is None:
            return ()
        gone = []
        for one in expired(index, job.spec.retention):
            try:
                manifest = await read_manifest(place, one.folder)
            except Terminal:
                manifest = None  # it was removed half before
            await remove_backup(place, one.folder, manifest)
            gone.append(one.job)
        return tuple(gone)

    async def _wanted(self, job: BackupJob, vm: VirtualMachine, manner: Manner, place: Place) -> Wanted:
        index = await read_index(place)
        if not manner.incremental:
            return Wanted(job.metadata.uid, manner.raw)
        observed = await self.hypervisor.observe(vm.metadata.uid)
        if observed is None or not observed.is_active:
            return Wanted(job.metadata.uid, manner.raw, mark=True)
        layers = {disk.name: disk.path.name for disk in disks_of(vm, observed, self.places)}
        marks = await self.host.checkpoints(vm.metadata.uid)
        since, why_full = base_for(index, vm.metadata.uid, layers, marks, manner.base)
        if since is not None:
            try:
                await read_manifest(place, since.folder, since.sha256)
            except Terminal as error:
                since, why_full = None, str(error)
        return Wanted(job.metadata.uid, manner.raw, mark=True, since=since, why_full=why_full)

    def _scratch(self, job: BackupJob) -> Scratch:
        return scratch_of(self.root, job.metadata.uid)


def folder_of(job: BackupJob) -> str:
    """The folder of its backup, which no other job of that name has."""
    return f"{job.metadata.name[:200]}-{job.metadata.uid[:8]}"
