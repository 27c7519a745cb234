"""The leader's part in backups: runs the schedules, answers for jobs whose VM no node has, gives restores a node."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from controller.cluster.placement import Refusal, place, words
from controller.cluster.schedules.keeper import ScheduleKeeper
from controller.node.backups.status import RUNNING, SUCCEEDED, conditions
from controller.node.objects import Objects
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Done, Later, Outcome, Worker
from hypersdk.errors import NotFound
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.backupschedule import BackupSchedule
from hypersdk.model.base import ObjectMeta
from hypersdk.model.kinds import BACKUP_JOBS, BACKUP_SCHEDULES, RESTORE_JOBS, VIRTUAL_MACHINES
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.virtualmachine import VirtualMachine, VirtualMachineSpec
from hypersdk.model.vmnode import VMNode

RESYNC_S = 60.0
RETRY_S = 10.0


@dataclass
class BackupLeader:
    """Runs while the lease is held."""

    client: Client
    vms: Objects[VirtualMachine]
    nodes: Cache[VMNode]
    recorder: Recorder
    now: Callable[[], datetime]
    namespace: str = ""
    schedules: Cache[BackupSchedule] = field(default_factory=Cache)
    jobs: Cache[BackupJob] = field(default_factory=Cache)
    restores: Cache[RestoreJob] = field(default_factory=Cache)

    def __post_init__(self) -> None:
        self.backup_objects = Objects(self.client, BACKUP_JOBS, self.jobs)
        self.restore_objects = Objects(self.client, RESTORE_JOBS, self.restores)
        schedules = Objects(self.client, BACKUP_SCHEDULES, self.schedules)
        self.keeper = ScheduleKeeper(schedules, self.jobs, self.vms.cache, self.recorder, self.now)

    async def run(self) -> None:
        """Lead until cancelled."""
        due: KeyQueue[Key] = KeyQueue()
        backups: KeyQueue[Key] = KeyQueue()
        restores: KeyQueue[Key] = KeyQueue()
        stops = [
            on_change(self.schedules, due, lambda key: [key]),
            on_change(self.jobs, due, self._schedules_of),
            on_change(self.jobs, backups, lambda key: [key]),
            on_change(self.vms.cache, backups, self._backups_of),
            on_change(self.restores, restores, lambda key: [key]),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Watch(self.client, BACKUP_SCHEDULES, self.schedules, self.namespace).run())
                group.create_task(Watch(self.client, BACKUP_JOBS, self.jobs, self.namespace).run())
                group.create_task(Watch(self.client, RESTORE_JOBS, self.restores, self.namespace).run())
                # One at a time: what a pass has just made counts in the next.
                group.create_task(Worker(due, self.schedule, Backoff(), concurrency=1).run())
                group.create_task(Worker(backups, self.answer, Backoff(), concurrency=1).run())
                group.create_task(Worker(restores, self.assign, Backoff(), concurrency=1).run())
                group.create_task(on_clock(RESYNC_S, due, lambda: list(self.schedules.objects)))
        finally:
            for stop in stops:
                stop()
            for queue in (due, backups, restores):
                queue.close()

    async def schedule(self, key: Key) -> Outcome:
        """One schedule."""
        return await self.keeper(key) if self._is_current() else Later(2.0)

    async def answer(self, key: Key) -> Outcome:
        """Fail a backup whose VM does not exist; tell of one whose VM has no node. A node does all others."""
        job = self.backup_objects.get(*key)
        if job is None or job.is_over or job.status.node_name:
            return Done()
        if not self._is_current():
            return Later(2.0)
        vm = self.vms.get(*job.machine)
        if vm is not None and vm.status.node_name:
            return Done()
        if vm is None and not (job.machine[1] and await self._exists(job.machine)):
            missing = f"there is no VM {job.machine[1]} in namespace {job.machine[0]}"
            words = missing if job.machine[1] else "source.vmName is missing: write the name of a VirtualMachine"
            said = conditions(job.status.conditions, self.now(), (SUCCEEDED, "False", "VMNotFound", words))
            status = job.status.but(phase="Failed", completion_time=self.now(), error=words, conditions=said)
        else:
            waiting = "waits until the VM has a node"
            said = conditions(job.status.conditions, self.now(), (RUNNING, "False", "Waiting", waiting))
            status = job.status.but(phase="Pending", conditions=said)
        await self.backup_objects.write_status(job, job.status.wire(), status.wire())
        return Done() if status.phase == "Failed" else Later(RETRY_S)

    async def assign(self, key: Key) -> Outcome:
        """Give a restore a node: that of the VM, that of a backup on a node's own disk, else one with room."""
        job = self.restore_objects.get(*key)
        if job is None or job.is_over or job.status.node_name:
            return Done()
        if not self._is_current() or self.nodes.health is not Health.LIVE:
            return Later(2.0)
        node = await self._node_for(job)
        if not isinstance(node, str):
            said = conditions(job.status.conditions, self.now(), (RUNNING, "False", "Waiting", words(node)))
            status = job.status.but(phase="Pending", conditions=said)
            await self.restore_objects.write_status(job, job.status.wire(), status.wire())
            return Later(RETRY_S)
        await self.restore_objects.write_status(job, job.status.wire(), job.status.but(node_name=node).wire())
        return Done()

    async def _node_for(self, job: RestoreJob) -> str | list[Refusal]:
        options, backup = job.spec.options, self._backup_of(job)
        name = (options.rename_vm if options else None) or job.spec.destination.vm_name
        name = name or (backup.machine[1] if backup else "")
        there = self.vms.get(job.key[0], name) if name else None
        if there is not None and there.status.node_name:
            return there.status.node_name
        if backup is not None and backup.spec.destination.type == "local" and backup.status.node_name:
            return backup.status.node_name
        some = VirtualMachineSpec(cpus=1, memory="256Mi")
        stub = VirtualMachine(metadata=ObjectMeta(name=name or job.key[1], namespace=job.key[0]), spec=some)
        others = [self.vms.newest(other) for other in self.vms.cache]
        return place(stub, sorted(self.nodes, key=lambda node: node.key), others, self.now())

    def _backup_of(self, job: RestoreJob) -> BackupJob | None:
        ref = job.spec.source.backup_job_ref
        if job.spec.source.type != "backup-ref" or ref is None:
            return None
        return self.backup_objects.get(job.key[0], ref.name or "")

    async def _exists(self, machine: Key) -> bool:
        """Asked of the API itself: the watches are not in step."""
        try:
            await self.client.get(VIRTUAL_MACHINES, *machine)
        except NotFound:
            return False
        return True

    def _is_current(self) -> bool:
        caches = (self.schedules, self.jobs, self.restores, self.vms.cache)
        return all(cache.health is Health.LIVE for cache in caches)

    def _schedules_of(self, key: Key) -> Iterable[Key]:
        job = self.jobs.get(*key)
        if job is None:
            return [known for known in self.schedules.objects if known[0] == key[0]]
        owner = next((one.name for one in job.metadata.owner_references or [] if one.controller), "")
        return [(key[0], owner)] if owner else []

    def _backups_of(self, machine: Key) -> Iterable[Key]:
        return [job.key for job in self.jobs if job.machine == machine and not job.is_over]
