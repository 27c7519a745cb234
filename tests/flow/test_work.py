"""Operations that are done by steps: gone on with after a death, undone before they are said to be over."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.hypervisor.port import DomainState
from controller.node.operations.ending import ENDING
from controller.node.operations.work import Ended, Going, Job
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.marks import FILLING
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.virtual import EPOCH
from tests.flow.world import World, play

SPEC: dict[str, Any] = {"snapshotSpec": {}}


@dataclass
class Counted:
    """Work of three steps, whose files are what it has made; it takes two to undo."""

    lets_plan: bool = False
    files: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    fails: Exception | None = None
    stays: bool = False

    async def step(self, job: Job) -> Going | Ended:
        at = job.notes.get("at", 0)
        assert isinstance(at, int)
        self.steps.append(at)
        if at == 1 and self.fails is not None:
            raise self.fails
        if at == 3:
            return Ended("three files are there", {"files": len(self.files), "at": None})
        if f"file-{at}" not in self.files:
            self.files.append(f"file-{at}")
        return Going(30 * at, f"step {at}", {"at": at if self.stays else at + 1}, again_in_s=5.0 if self.stays else 0.0)

    async def undo(self, job: Job) -> Going | None:
        if not self.files:
            return None
        self.files.pop()
        return Going(0, f"{len(self.files)} files are left", again_in_s=1.0)


async def running(world: World) -> None:
    await world.create()
    await world.until_phase(Phase.RUNNING, "Running")


def reason(op: VMOperation) -> str:
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""


def test_steps_follow_each_other_to_the_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted()
        async with world.controller():
            await running(world)
            op = await world.done(await world.operate("snapshot", **SPEC))
            assert (op.phase, op.status.progress) == (OperationPhase.SUCCEEDED, 100)
            assert op.status.message == "three files are there"
            assert work.steps == [0, 1, 2, 3]
            assert op.status.result is not None
            assert op.status.result["files"] == 3
            assert "at" not in op.status.result
            assert world.vm().phase is Phase.RUNNING

    play(tmp_path, scenario)


@dataclass
class Copied(Counted):
    """Work that copies one byte between any two looks, for a minute."""

    copied: int = 0

    async def step(self, job: Job) -> Going | Ended:
        self.copied += 1
        if job.now - EPOCH > timedelta(seconds=60):
            return Ended("all is copied")
        return Going(20, f"{self.copied} copied", again_in_s=1.0, figures={"copiedBytes": self.copied})


def test_what_is_told_of_progress_wakes_nobody_over_and_over(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Copied()
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: "copiedBytes" in (world.op(op).status.result or {}))
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED
            told = [path for _, path in world.api.writes if path.endswith(f"{op.metadata.name}/status")]
            assert len(told) < 70
            assert work.copied < 140

    play(tmp_path, scenario)


@pytest.mark.parametrize("number", range(10))
def test_successor_of_a_controller_that_died_goes_on(tmp_path: Path, number: int) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted()
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with world.controller():
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED
            assert work.files == ["file-0", "file-1", "file-2"]

    play(tmp_path, scenario)


Ending = Callable[[World, VMOperation], Awaitable[object]]


async def cancel(world: World, op: VMOperation) -> None:
    patch: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
    await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, patch)


async def cut(world: World, op: VMOperation) -> None:
    await world.operate("stop", force=True)


async def wait(world: World, op: VMOperation) -> None:
    await world.pass_time(700)


@pytest.mark.parametrize("number", [None, 0, 1, 2, 3, 4])
@pytest.mark.parametrize(
    ("end", "phase", "why"),
    [(cancel, "Cancelled", "Cancelled"), (cut, "Cancelled", "Cancelled"), (wait, "Failed", "DeadlineExceeded")],
)
def test_what_was_begun_is_undone_before_it_is_over(
    tmp_path: Path, end: Ending, phase: str, why: str, number: int | None
) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted(stays=True)
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: bool(world.op(op).status.result and work.files))
            await end(world, op)
            if number is not None:
                world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with world.controller():
            over = await world.done(op)
            assert (over.phase, reason(over)) == (phase, why)
            assert work.files == []

    play(tmp_path, scenario)


def test_failure_is_undone_and_says_why(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted(fails=Terminal("NoSpace", "the pool is full: make room"))
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: ENDING in (world.op(op).status.result or {}))
            assert world.op(op).phase is OperationPhase.RUNNING
            assert world.op(op).status.message == "undoing: the pool is full: make room"
            over = await world.done(op)
            assert (over.phase, reason(over)) == (OperationPhase.FAILED, "NoSpace")
            assert over.status.message == "the pool is full: make room"
            assert work.files == []

    play(tmp_path, scenario)


def test_what_fails_now_is_tried_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted(fails=Transient("libvirt is busy"))
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: world.op(op).status.message == "libvirt is busy")
            work.fails = None
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED

    play(tmp_path, scenario)


@pytest.mark.parametrize("lets_plan", [False, True])
def test_spec_waits_for_work_unless_it_is_let(tmp_path: Path, lets_plan: bool) -> None:
    async def scenario(world: World) -> None:
        world.works["snapshot"] = Counted(stays=True, lets_plan=lets_plan)
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: bool(world.op(op).status.result))
            await world.set(running=False)
            await world.pass_time(100)
            assert world.vm().phase is (Phase.STOPPED if lets_plan else Phase.RUNNING)
            await cancel(world, op)
            await world.done(op)
            await world.until_phase(Phase.STOPPED, "Stopped")

    play(tmp_path, scenario)


def test_guest_that_work_holds_is_not_said_to_be_paused_by_others(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.works["snapshot"] = Counted(stays=True)
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: bool(world.op(op).status.result))
            world.hypervisor.change(world.vm().metadata.uid, "lifecycle", state=DomainState.PAUSED, reason="snapshot")
            await world.until_phase(Phase.PAUSED, "HeldByOperation")
            assert "PausedOutside" not in world.event_reasons()

    play(tmp_path, scenario)


def test_deleted_machine_has_its_work_undone_first(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        work = world.works["snapshot"] = Counted(stays=True)
        async with world.controller():
            await running(world)
            op = await world.operate("snapshot", **SPEC)
            await world.until(lambda: bool(world.op(op).status.result and work.files))
            await world.delete()
            await world.until(lambda: bool(world.storage.removed))
            assert work.files == []
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            await world.until(lambda: not world.exists())

    play(tmp_path, scenario)


def test_nothing_is_made_or_started_while_its_disks_are_filled(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create("other")
            body: JsonObject = {
                "metadata": {"name": "web", "annotations": {FILLING: "some-operation"}},
                "spec": {"cpus": 1, "memory": "256Mi", "image": {"source": "demo"}},
            }
            vm = await world.client.create(VIRTUAL_MACHINES, "default", body)
            await world.pass_time(60)
            assert world.vm().status.node_name is None
            placed: JsonObject = {"status": {"nodeName": "node-1"}}
            await world.client.patch(VIRTUAL_MACHINES, "default", "web", placed, subresource="status")
            await world.until_phase(Phase.CREATING, "Filling")
            await world.pass_time(60)
            assert vm.metadata.uid not in world.hypervisor.domains_by_uuid
            filled: JsonObject = {"metadata": {"annotations": {FILLING: None}}}
            await world.client.patch(VIRTUAL_MACHINES, "default", "web", filled)
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)
