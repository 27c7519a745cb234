"""The backups and restores of one node as a whole: their watches, their queue, their long work."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from controller.hypervisor.backup_port import BackupHost
from controller.node.backups.destination import Destinations
from controller.node.backups.errands import Errands
from controller.node.backups.journal import Scratch
from controller.node.backups.keeper import BackupKeeper
from controller.node.backups.making import Maker
from controller.node.backups.manifest import PIECE_BYTES
from controller.node.backups.origin import Origins
from controller.node.backups.restore_keeper import RestoreKeeper
from controller.node.backups.restoring import Restorer
from controller.node.controller import NodeController
from controller.node.machine_state import MachineStates
from controller.node.objects import Objects
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Later, Outcome, Worker
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.kinds import BACKUP_JOBS, RESTORE_JOBS
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.vmoperation import VMOperation

_AT_ANY_TIME = frozenset({"resize"})
"""Operations that QEMU does beside a backup."""
log = logging.getLogger(__name__)


@dataclass
class BackupController:
    """Makes the backups of this host's VMs."""

    node: NodeController
    host: BackupHost
    states: MachineStates
    part_bytes: int = PIECE_BYTES
    jobs: Cache[BackupJob] = field(default_factory=Cache)
    restore_jobs: Cache[RestoreJob] = field(default_factory=Cache)
    queue: KeyQueue[Key] = field(default_factory=KeyQueue)
    restore_queue: KeyQueue[Key] = field(default_factory=KeyQueue)

    def __post_init__(self) -> None:
        near, settings = self.node.with_, self.node.settings
        self.destinations = Destinations(near.client, settings)
        places = self.node.places
        self.maker = Maker(
            near.hypervisor, self.host, places, self.states, self.destinations, near.now, self.part_bytes
        )
        self.errands = Errands(self.queue.add, self.queue.add_after)
        self.backups = BackupKeeper(
            settings.node,
            Objects(near.client, BACKUP_JOBS, self.jobs),
            self.node.vms,
            self.node.operations,
            self.maker,
            self.destinations,
            self.errands,
            near.recorder,
            near.now,
        )
        origins = Origins(near.client, self.destinations)
        restorer = Restorer(settings, near.hypervisor, self.host, places, self.states, self.node.vms, origins)
        self.restore_errands = Errands(self.restore_queue.add, self.restore_queue.add_after)
        self.restores = RestoreKeeper(
            settings.node,
            Objects(near.client, RESTORE_JOBS, self.restore_jobs),
            self.node.operations,
            restorer,
            self.restore_errands,
            near.recorder,
            near.now,
        )

        self.node.waits.append(self.holds_up)

    async def holds_up(self, op: VMOperation) -> str:
        """What an operation has to wait for: the backup of its VM that is being made, or goes on with its moment later.

        QEMU does one such job of a VM at a time, a backup or another.
        """
        if op.spec.operation in _AT_ANY_TIME:
            return ""
        for job in [one for one in self.jobs if one.machine == op.machine and not one.is_over]:
            if self.errands.is_on(job.key) or await self.maker.has_moment(job):
                return f"waits for the backup {job.metadata.name}"
        return ""

    async def run(self) -> None:
        """Work until cancelled."""
        client, settings = self.node.with_.client, self.node.settings
        stops = [
            on_change(self.jobs, self.queue, lambda key: [key]),
            on_change(self.jobs, self.node.queue, self._freed),
            on_change(self.node.vm_cache, self.queue, self._waiting_of),
            on_change(self.node.operation_cache, self.queue, lambda _: self._unfinished()),
            on_change(self.restore_jobs, self.restore_queue, lambda key: [key]),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Watch(client, BACKUP_JOBS, self.jobs, settings.namespace).run())
                group.create_task(Watch(client, RESTORE_JOBS, self.restore_jobs, settings.namespace).run())
                group.create_task(on_clock(settings.pace.resync, self.queue, self._unfinished))
                group.create_task(self._sweep())
                group.create_task(Worker(self.queue, self._pass, Backoff()).run())
                group.create_task(Worker(self.restore_queue, self._restore_pass, Backoff()).run())
        finally:
            for stop in stops:
                stop()
            await self.errands.close()
            await self.restore_errands.close()
            self.queue.close()
            self.restore_queue.close()

    async def _pass(self, key: Key) -> Outcome:
        return await self.backups(key) if self._is_current() else Later(2.0)

    async def _restore_pass(self, key: Key) -> Outcome:
        return await self.restores(key) if self._is_current() else Later(2.0)

    def _is_current(self) -> bool:
        caches = (self.jobs, self.restore_jobs, self.node.vm_cache, self.node.operation_cache)
        return all(cache.health is Health.LIVE for cache in caches)

    async def _sweep(self) -> None:
        """Remove the copies of jobs that are over or gone: what a kill at the very end left."""
        await self.jobs.synced.wait()
        await self.restore_jobs.synced.wait()
        jobs: list[BackupJob | RestoreJob] = [*self.jobs, *self.restore_jobs]
        alive = {job.metadata.uid for job in jobs if not job.is_over}
        await asyncio.to_thread(_sweep, self.maker.root, alive)

    def _unfinished(self) -> list[Key]:
        return [job.key for job in self.jobs if not job.is_over]

    def _freed(self, key: Key) -> Iterable[Key]:
        """The VM for which operations and larger disks have waited: their turn is now."""
        job = self.jobs.get(*key)
        if job is None or not job.is_over:
            return []
        if (vm := self.node.vms.get(*job.machine)) is not None:
            self.node.reconciler.memories.of(vm.metadata.uid).refusals.try_again(self.node.with_.now())
        return [job.machine]

    def _waiting_of(self, machine: Key) -> Iterable[Key]:
        return [job.key for job in self.jobs if job.machine == machine and not job.is_over]


def _sweep(root: Path, alive: set[str]) -> None:
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.name not in alive:
            log.info("the copies in %s are removed: their job is over", folder)
            Scratch(folder).remove()
