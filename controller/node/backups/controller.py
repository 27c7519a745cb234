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
from controller.node.backups.manifest import PART_BYTES
from controller.node.controller import NodeController
from controller.node.objects import Objects
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Later, Outcome, Worker
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.kinds import BACKUP_JOBS

log = logging.getLogger(__name__)


@dataclass
class BackupController:
    """Makes the backups of this host's VMs."""

    node: NodeController
    host: BackupHost
    part_bytes: int = PART_BYTES
    jobs: Cache[BackupJob] = field(default_factory=Cache)
    queue: KeyQueue[Key] = field(default_factory=KeyQueue)

    def __post_init__(self) -> None:
        near, settings = self.node.with_, self.node.settings
        self.destinations = Destinations(near.client, settings)
        places = self.node.places
        self.maker = Maker(near.hypervisor, self.host, places, self.destinations, near.now, self.part_bytes)
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

    async def run(self) -> None:
        """Work until cancelled."""
        client, settings = self.node.with_.client, self.node.settings
        stops = [
            on_change(self.jobs, self.queue, lambda key: [key]),
            on_change(self.node.vm_cache, self.queue, self._waiting_of),
            on_change(self.node.operation_cache, self.queue, lambda _: self._unfinished()),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                self.errands.join(group)
                group.create_task(Watch(client, BACKUP_JOBS, self.jobs, settings.namespace).run())
                group.create_task(on_clock(settings.pace.resync, self.queue, self._unfinished))
                group.create_task(self._sweep())
                group.create_task(Worker(self.queue, self._pass, Backoff()).run())
        finally:
            for stop in stops:
                stop()
            self.queue.close()

    async def _pass(self, key: Key) -> Outcome:
        caches = (self.jobs, self.node.vm_cache, self.node.operation_cache)
        if any(cache.health is not Health.LIVE for cache in caches):
            return Later(2.0)
        return await self.backups(key)

    async def _sweep(self) -> None:
        """Remove the copies of jobs that are over or gone: what a kill at the very end left."""
        await self.jobs.synced.wait()
        alive = {job.metadata.uid for job in self.jobs if not job.is_over}
        await asyncio.to_thread(_sweep, self.maker.root, alive)

    def _unfinished(self) -> list[Key]:
        return [job.key for job in self.jobs if not job.is_over]

    def _waiting_of(self, machine: Key) -> Iterable[Key]:
        return [job.key for job in self.jobs if job.machine == machine and not job.is_over]


def _sweep(root: Path, alive: set[str]) -> None:
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.name not in alive:
            log.info("the copies in %s are removed: their job is over", folder)
            Scratch(folder).remove()
