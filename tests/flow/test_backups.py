"""A BackupJob through its node's passes on virtual time: failures, stores that hang, requests about what is stored."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from controller.node.backups.destination import Destinations
from controller.node.backups.errands import Errands
from controller.node.backups.keeper import BackupKeeper
from controller.node.backups.making import Maker, Report
from controller.node.backups.store import Place
from controller.node.objects import Objects
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change
from controller.runtime.worker import Worker
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.cache import Cache, Key
from hypersdk.kube.events import Recorder
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS, VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.marks import BACKUP_FINALIZER, DELETE_DATA, VERIFY
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from tests.flow.virtual import virtual_now
from tests.flow.world import NODE, World, play

ROOT = "/apis/hypersdk.io/v1alpha1/namespaces/default"


@dataclass
class FakeMaker:
    """Makes nothing: fails, hangs and clears away as a test has it."""

    failures: list[Exception] = field(default_factory=list)
    """Of one try after the other; then it hangs."""
    unclear: list[Exception] = field(default_factory=list)
    """Of one clearing away after the other; then that is done."""
    calls: list[str] = field(default_factory=list)
    has_taken: bool = False

    async def make(self, job: BackupJob, vm: VirtualMachine, report: Report) -> None:
        self.calls.append("make")
        if self.failures:
            raise self.failures.pop(0)
        await asyncio.Event().wait()

    async def undo(self, job: BackupJob, vm: VirtualMachine | None) -> None:
        self.calls.append("undo")
        if self.unclear:
            raise self.unclear.pop(0)

    async def has_moment(self, job: BackupJob) -> bool:
        return self.has_taken

    async def finish(self, job: BackupJob) -> None:
        return None


@dataclass
class LostStore:
    """Does not answer, and then refuses."""

    silences: int

    async def place(self, *_: object) -> Place:
        self.silences -= 1
        if self.silences >= 0:
            raise Transient("the store is away")
        raise Terminal("AccessDenied", "the account is not known")


@asynccontextmanager
async def keeper(world: World, maker: FakeMaker, store: LostStore | None = None) -> AsyncIterator[None]:
    """The passes of one node; their end is as sudden as kill -9."""
    jobs: Cache[BackupJob] = Cache()
    vms: Cache[VirtualMachine] = Cache()
    operations: Cache[VMOperation] = Cache()
    queue: KeyQueue[Key] = KeyQueue()
    errands = Errands(queue.add, queue.add_after)
    passes = BackupKeeper(
        NODE,
        Objects(world.client, BACKUP_JOBS, jobs),
        Objects(world.client, VIRTUAL_MACHINES, vms),
        Objects(world.client, VM_OPERATIONS, operations),
        cast("Maker", maker),
        cast("Destinations", store),
        errands,
        Recorder(world.client, "hypersdk-controller", NODE, virtual_now),
        virtual_now,
    )
    watches = [
        Watch(world.client, VIRTUAL_MACHINES, vms, "default").run(),
        Watch(world.client, VM_OPERATIONS, operations, "default").run(),
        Watch(world.client, BACKUP_JOBS, jobs, "default").run(),
    ]
    tasks = [asyncio.ensure_future(one) for one in watches]
    try:
        for cache in (vms, operations, jobs):
            await cache.synced.wait()
        on_change(jobs, queue, lambda key: [key])
        for job in jobs:
            queue.add(job.key)
        tasks.append(asyncio.ensure_future(Worker(queue, passes).run()))
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await errands.close()
        queue.close()


async def ask(world: World, name: str = "nightly", **spec: Any) -> None:
    """A VM on the node, and a backup of it."""
    body: JsonObject = {"metadata": {"name": "web"}, "spec": {"cpus": 1, "memory": "1Gi"}, "status": {"nodeName": NODE}}
    if not world.exists():
        await world.client.create(VIRTUAL_MACHINES, "default", body)
    whole: Any = {"source": {"provider": "libvirt", "vmName": "web"}, "destination": {"type": "local"}} | spec
    await world.client.create(BACKUP_JOBS, "default", {"metadata": {"name": name}, "spec": whole})


def job(world: World, name: str = "nightly") -> BackupJob:
    return BackupJob.model_validate(world.api.objects[(f"{ROOT}/backupjobs", name)])


def reason(world: World, kind: str = "Succeeded") -> str:
    found = condition(job(world).status.conditions, kind)
    return (found.reason or "") if found else ""


def on(tmp_path: Path, scenario: Callable[[World], Awaitable[None]]) -> None:
    play(tmp_path, scenario)


def test_failure_is_cleared_away_before_it_is_told_and_not_begun_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = FakeMaker([Terminal("AccessDenied", "no")], [Transient("the store is away")] * 3)
        async with keeper(world, maker):
            await ask(world)
            await world.until(lambda: "clearing away" in str(job(world).status.conditions))
            assert job(world).status.phase == "Running"
            await world.until(lambda: job(world).is_over)
            await world.pass_time(600)
        assert maker.calls == ["make", *["undo"] * 4]
        assert (job(world).status.phase, reason(world), job(world).metadata.finalizers) == (
            "Failed",
            "AccessDenied",
            [],
        )

    on(tmp_path, scenario)


def test_store_that_never_comes_back_is_given_up_and_what_is_left_is_named(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = FakeMaker([Terminal("AccessDenied", "no")], [Transient("the store is away")] * 10_000)
        async with keeper(world, maker):
            await ask(world)
            await world.until(lambda: job(world).is_over, 3600)
        assert "is left at nightly-" in (job(world).status.error or "")

    on(tmp_path, scenario)


def test_what_passes_is_tried_again_until_the_day_is_over(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = FakeMaker([Transient("the store is away")] * 5)
        async with keeper(world, maker):
            await ask(world)
            await world.pass_time(600)
            assert (maker.calls, reason(world, "Running")) == (["make"] * 6, "Retrying")
            await world.until(lambda: job(world).is_over, 25 * 3600)
        assert (reason(world), "undo" in maker.calls) == ("DeadlineExceeded", True)

    on(tmp_path, scenario)


def test_job_goes_on_after_a_kill_and_a_deleted_one_is_cancelled(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        first, second = FakeMaker(), FakeMaker(has_taken=True)
        async with keeper(world, first):
            await ask(world)
            await world.pass_time(10)
            assert first.calls == ["make"]
        # It waits for the backup, whose moment is taken.
        await world.operate("snapshot")
        assert (job(world).status.phase, job(world).metadata.finalizers) == ("Running", [BACKUP_FINALIZER])
        async with keeper(world, second):
            await world.pass_time(10)
            await world.client.delete(BACKUP_JOBS, "default", "nightly")
            await world.until(lambda: (f"{ROOT}/backupjobs", "nightly") not in world.api.objects)
        assert second.calls == ["make", "undo"]

    on(tmp_path, scenario)


def test_job_waits_for_an_operation_and_for_an_older_job(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = FakeMaker()
        async with keeper(world, maker):
            operation = await world.operate("restart")
            await ask(world)
            await world.until(lambda: "waits for restart" in str(job(world).status.conditions))
            assert (job(world).status.phase, maker.calls) == ("Pending", [])
            over: JsonObject = {"status": {"phase": "Succeeded"}}
            await world.client.patch(VM_OPERATIONS, "default", operation.metadata.name, over, subresource="status")
            await world.pass_time(10)
            assert maker.calls == ["make"]
            await ask(world, "later")
            await world.until(lambda: "waits for the backup nightly" in str(job(world, "later").status.conditions))

    on(tmp_path, scenario)


def test_what_cannot_be_had_fails_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = FakeMaker()
        async with keeper(world, maker):
            await ask(world, format={"type": "ova"})
            await world.until(lambda: job(world).is_over)
            assert "set it to qcow2 or raw" in (job(world).status.error or "")
            assert maker.calls == ["undo"]

    on(tmp_path, scenario)


@pytest.mark.parametrize(("mark", "kind"), [(VERIFY, "Verified"), (DELETE_DATA, "DataDeleted")])
def test_question_about_a_backup_whose_store_is_away_says_so_until_it_is_answered(
    tmp_path: Path, mark: str, kind: str
) -> None:
    async def scenario(world: World) -> None:
        async with keeper(world, FakeMaker(), LostStore(3)):
            await ask(world)
            done: JsonObject = {"status": {"phase": "Completed", "nodeName": NODE}}
            await world.client.patch(BACKUP_JOBS, "default", "nightly", done, subresource="status")
            note: JsonObject = {"metadata": {"annotations": {mark: "1"}}}
            await world.client.patch(BACKUP_JOBS, "default", "nightly", note)
            await world.until(lambda: reason(world, kind) == "Retrying")
            assert "the store is away" in str(job(world).status.conditions)
            await world.until(lambda: reason(world, kind) == "AccessDenied", 120)
            answered = job(world).status
            assert "1" in {answered.verify_request, answered.delete_request}
            await world.pass_time(600)
            assert job(world).status == answered

    on(tmp_path, scenario)
