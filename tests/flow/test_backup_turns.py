"""What is asked of a VM while its disks are read: operations wait and say for what, all else goes on as ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from controller.hypervisor.backup_port import BackupHost
from controller.node.backups.controller import BackupController
from controller.node.backups.journal import Capture
from controller.node.backups.making import Made, Maker, Report
from controller.node.backups.manifest import Machine
from controller.node.machine_state import MachineStates
from controller.node.operations.work import Ended, Going, Job
from hypersdk.errors import Terminal
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import BACKUP_JOBS, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import OperationName, OperationPhase, VMOperation
from tests.flow.virtual import EPOCH
from tests.flow.world import World, play

JOBS = "/apis/hypersdk.io/v1alpha1/namespaces/default/backupjobs"
IN_USE = Terminal("ChangeRefused", "it is made larger once the backup has ended")
ROOT = {"name": "root", "size": "2Gi"}
DATA = {"name": "data", "size": "1Gi"}


@dataclass
class SlowMaker:
    """Reads the disks until a test lets it end."""

    root: Path
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    has_taken: bool = False

    async def make(self, job: BackupJob, vm: VirtualMachine, report: Report) -> Made:
        self.has_taken = True
        await self.may_end.wait()
        machine = Machine(name="web", uid=vm.metadata.uid, spec={})
        capture = Capture(created=EPOCH, consistency="PoweredOff", vm=machine, disks=[], socket="")
        return Made("vault/web/nightly", 1, "0" * 64, capture)

    async def has_moment(self, job: BackupJob) -> bool:
        return self.has_taken

    async def undo(self, job: BackupJob, vm: VirtualMachine | None) -> None:
        self.has_taken = False

    async def finish(self, job: BackupJob) -> None:
        self.has_taken = False


@dataclass
class Counted:
    """Work of one step, which is counted."""

    lets_plan: bool = False
    calls: list[str] = field(default_factory=list)

    async def step(self, job: Job) -> Going | Ended:
        self.calls.append("step")
        return Ended("done")

    async def undo(self, job: Job) -> Going | None:
        self.calls.append("undo")
        return None


@asynccontextmanager
async def node(world: World, maker: SlowMaker) -> AsyncIterator[None]:
    """The node's controller with its backups, which are put together first: the order is nobody's concern."""
    async with world.controller() as controller:
        backups = BackupController(controller, cast("BackupHost", None), cast("MachineStates", None))
        backups.maker = backups.backups.maker = cast("Maker", maker)
        task = asyncio.ensure_future(backups.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


async def back_up(world: World, maker: SlowMaker) -> None:
    """A VM that runs, and whose disks are being read."""
    await world.create(disks=[ROOT])
    await world.until_phase(Phase.RUNNING, "Running")
    spec: JsonObject = {"source": {"provider": "libvirt", "vmName": "web"}, "destination": {"type": "local"}}
    await world.client.create(BACKUP_JOBS, "default", {"metadata": {"name": "nightly"}, "spec": spec})
    await world.until(lambda: maker.has_taken)


def phase(world: World) -> str | None:
    return BackupJob.model_validate(world.api.objects[(JOBS, "nightly")]).status.phase


async def until_waits(world: World, op: VMOperation) -> None:
    """The operation says what it waits for."""
    await world.until(lambda: world.op(op).status.message == "waits for the backup nightly")
    assert world.op(op).phase is OperationPhase.PENDING


@pytest.mark.parametrize("name", ["snapshot", "clone", "migrate"])
def test_operation_waits_until_the_disks_are_read_and_begins_at_once_then(tmp_path: Path, name: OperationName) -> None:
    async def scenario(world: World) -> None:
        maker, work = SlowMaker(tmp_path / "backups"), Counted()
        async with node(world, maker):
            await back_up(world, maker)
            world.works[name] = work
            op = await world.operate(name)
            await until_waits(world, op)
            assert work.calls == []
            maker.may_end.set()
            assert (await world.done(op, within=4)).phase is OperationPhase.SUCCEEDED
            assert (work.calls, phase(world)) == (["step"], "Completed")

    play(tmp_path, scenario)


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_operation_that_waits_ends_at_once_without_a_trace(tmp_path: Path, how: str) -> None:
    async def scenario(world: World) -> None:
        maker, work = SlowMaker(tmp_path / "backups"), Counted()
        world.works["snapshot"] = work
        async with node(world, maker):
            await back_up(world, maker)
            op = await world.operate("snapshot")
            await until_waits(world, op)
            if how == "cancel":
                note: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
                await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, note)
                assert (await world.done(op, within=2)).phase is OperationPhase.CANCELLED
            else:
                await world.client.delete(VM_OPERATIONS, "default", op.metadata.name)
                assert op.metadata.name not in str(world.api.objects.keys())
            assert (work.calls, phase(world), maker.has_taken) == ([], "Running", True)
            maker.may_end.set()
            await world.until(lambda: phase(world) == "Completed")
            assert work.calls == []

    play(tmp_path, scenario)


def test_machine_is_looked_after_while_an_operation_waits_and_a_cut_of_its_power_does_not(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = SlowMaker(tmp_path / "backups")
        world.works["snapshot"] = Counted()
        async with node(world, maker):
            await back_up(world, maker)
            op = await world.operate("snapshot")
            await until_waits(world, op)
            await world.set(disks=[ROOT, DATA])
            await world.until(lambda: "ChangedLive" in world.event_reasons())
            await world.pass_time(700)  # longer than an operation may take
            assert world.op(op).phase is OperationPhase.PENDING
            stop = await world.operate("stop", force=True)
            assert (await world.done(stop)).phase is OperationPhase.SUCCEEDED
            assert world.op(op).phase is OperationPhase.CANCELLED
            assert "overtaken by a stop by force" in (world.op(op).status.message or "")

    play(tmp_path, scenario)


def test_resize_waits_for_no_backup(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = SlowMaker(tmp_path / "backups")
        async with node(world, maker):
            await back_up(world, maker)
            world.works["resize"] = Counted()
            assert (await world.done(await world.operate("resize"), within=10)).phase is OperationPhase.SUCCEEDED
            assert phase(world) == "Running"

    play(tmp_path, scenario)


def test_disk_that_may_not_grow_while_it_is_read_grows_right_afterwards(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        maker = SlowMaker(tmp_path / "backups")

        def required() -> str:
            found = condition(world.vm().status.conditions, "RestartRequired")
            return (found.message or "") if found else ""

        async with node(world, maker):
            await back_up(world, maker)
            world.hypervisor.fail("attach", *[IN_USE] * 6)
            await world.set(disks=[ROOT, DATA])
            await world.until(lambda: "once the backup has ended" in required())
            await world.pass_time(60)
            world.hypervisor.fail_no_more("attach")
            maker.may_end.set()
            await world.until(lambda: phase(world) == "Completed")
            await world.until(lambda: required() == "", 5)

    play(tmp_path, scenario)
