"""Snapshots, cut at every change that is made for them: whole afterwards, or not there; and nothing is left over."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from controller.domain.layers import base_of
from controller.hypervisor.port import DomainState
from hypersdk.errors import NotFound
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.kinds import VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from tests.flow.fake_layers import FakeLayers, snapshotting
from tests.flow.virtual import EPOCH
from tests.flow.world import World, play

SNAPS = "/apis/hypersdk.io/v1alpha1/namespaces/default/vmsnapshots"
DATA: list[JsonObject] = [{"name": "root", "size": "1Gi"}, {"name": "data", "size": "1Gi"}]


class Lab:
    """A VM, its disks, and what is done to its snapshots."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layers = FakeLayers(world.hypervisor)

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[None]:
        async with snapshotting(self.world, self.layers):
            yield

    @property
    def uid(self) -> str:
        return self.world.vm().metadata.uid

    async def start(self, **spec: Any) -> None:
        await self.world.create(disks=DATA, **spec)
        await self.world.until_phase(Phase.STOPPED if spec.get("running") is False else Phase.RUNNING)
        self.layers.write(self.uid, "one")
        self.layers.ram[self.uid] = "counted to 1"

    def snapshot(self, name: str) -> VMSnapshot | None:
        doc = self.world.api.objects.get((SNAPS, name))
        return VMSnapshot.model_validate(doc) if doc is not None else None

    def phase(self, name: str) -> str:
        found = self.snapshot(name)
        return (found.status.phase or "") if found else "gone"

    def why(self, name: str, kind: str = "Ready") -> str:
        found = self.snapshot(name)
        said = condition(found.status.conditions, kind) if found else None
        return (said.reason or "") if said else ""

    async def make(self, name: str, **spec: Any) -> None:
        body: JsonObject = {"metadata": {"name": name}, "spec": {"vmRef": {"name": "web"}, **spec}}
        await self.world.client.create(VM_SNAPSHOTS, "default", body)

    async def take(self, name: str, **spec: Any) -> VMSnapshot:
        await self.make(name, **spec)
        await self.world.until(lambda: self.phase(name) == "Ready", 300)
        found = self.snapshot(name)
        assert found is not None
        return found

    async def delete(self, name: str) -> None:
        await self.world.client.delete(VM_SNAPSHOTS, "default", name)

    async def gone(self, name: str) -> None:
        await self.world.until(lambda: self.snapshot(name) is None, 600)

    async def restore(self, name: str) -> VMOperation:
        return await self.world.operate("restore", restoreSpec={"snapshotName": name})

    def assert_nothing_left_over(self) -> None:
        """Every file is one that the VM or a snapshot stands on, and what each snapshot names is there."""
        tips = list(self.layers._tips(self.uid).values())
        docs = [VMSnapshot.model_validate(doc) for (path, _), doc in self.world.api.objects.items() if path == SNAPS]
        points = [path for one in docs for path in one.status.backing_files or []]
        needed = {path for tip in [*tips, *points] for path in self.layers._chain(tip)}
        disks = {path for path in self.layers.disks if self.uid in path and path != base_of(path)}
        assert disks <= needed
        assert set(self.layers.parts) <= set(points)
        assert {path for path in points if path.endswith(".qcow2")} <= set(self.layers.disks)
        assert not self.layers.jobs
        assert not self.layers.frozen


async def settled(lab: Lab, number: int) -> None:
    """Let the controller die at that change, if it gets there, and say nothing of it."""
    lab.world.die_at(number)
    await lab.world.pass_time(40)


@pytest.mark.parametrize(("number", "memory"), [(cut, cut % 2 == 0) for cut in range(1, 18)])
def test_snapshot_is_whole_after_a_death_anywhere(tmp_path: Path, number: int, memory: bool) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.make("first", includeMemory=memory)
            await settled(lab, number)
        world.live_on()
        async with lab.controller():
            await world.until(lambda: lab.phase("first") == "Ready", 300)
            found = lab.snapshot("first")
            assert found is not None
            lab.layers.write(lab.uid, "two")
            frozen = [path for path in found.status.backing_files or [] if path.endswith(".qcow2")]
            assert {lab.layers.content(path) for path in frozen} == {"one"}
            assert len(frozen) == 2
            assert found.status.consistency in ({"Memory"} if memory else {"FilesystemFrozen", "CrashConsistent"})
            assert world.vm().phase is Phase.RUNNING
            await world.pass_time(60)
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


@pytest.mark.parametrize(("number", "memory"), [(cut, cut % 3 > 0) for cut in range(22)])
def test_return_is_done_after_a_death_anywhere(tmp_path: Path, number: int, memory: bool) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=memory)
            lab.layers.write(lab.uid, "two")
            await lab.take("second")
            lab.layers.write(lab.uid, "three")
            lab.layers.ram[lab.uid] = "counted to 9"
            op = await lab.restore("first")
            await settled(lab, number)
        world.live_on()
        async with lab.controller():
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED, world.op(op).status
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) == {"one"}
            if memory:
                assert lab.layers.ram[lab.uid] == "counted to 1"
            second = lab.snapshot("second")
            assert second is not None
            assert {lab.layers.content(path) for path in second.status.backing_files or []} == {"two"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


@pytest.mark.parametrize(("number", "state"), [(cut, "off" if cut % 3 == 0 else "running") for cut in range(37)])
def test_merge_is_done_after_a_death_anywhere(tmp_path: Path, number: int, state: str) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start(running=state == "running")
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await lab.take("second")
            lab.layers.write(lab.uid, "three")
            await lab.delete("first")
            await settled(lab, number)
        world.live_on()
        async with lab.controller():
            await lab.gone("first")
            second = lab.snapshot("second")
            assert second is not None
            assert {lab.layers.content(path) for path in second.status.backing_files or []} == {"two"}
            assert lab.layers.read(lab.uid) == {"three"}
            lab.assert_nothing_left_over()
            await lab.delete("second")
            await lab.gone("second")
            assert lab.layers.read(lab.uid) == {"three"}
            lab.assert_nothing_left_over()
            assert all(path == base_of(path) for path in lab.layers.disks)

    play(tmp_path, scenario)


@pytest.mark.parametrize(("number", "after_s"), [(None, 0.0), (None, 0.1), (0, 0.1), (2, 0.1), (4, 0.1), (6, 0.1)])
def test_cancelled_return_leaves_the_disks_as_they_were_or_is_done(
    tmp_path: Path, number: int | None, after_s: float
) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=True)
            lab.layers.write(lab.uid, "two")
            op = await lab.restore("first")
            await world.pass_time(after_s)
            with contextlib.suppress(NotFound):
                await world.client.delete(VM_OPERATIONS, "default", op.metadata.name)
            if number is not None:
                await settled(lab, number)
        world.live_on()
        async with lab.controller():
            await world.pass_time(60)
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) in ({"one"}, {"two"})
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_memory_that_cannot_be_taken_up_leaves_the_disks_as_they_were(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=True)
            lab.layers.write(lab.uid, "two")
            lab.layers.broken_memory = True
            op = await world.done(await lab.restore("first"))
            assert op.phase is OperationPhase.FAILED
            assert "cannot be read" in (op.status.message or "")
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) == {"two"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_returning_memory_brings_back_the_hardware_it_was_saved_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first", includeMemory=True)
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            await world.set(cpus=2, memory="512Mi")
            op = await world.done(await lab.restore("first"))
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            spec = world.vm().spec
            assert (spec.running, spec.cpus, spec.memory) == (True, 1, "256Mi")
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_snapshot_waits_for_its_turn_and_says_for_what(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            world.hypervisor.guest_behaviour.obeys = False
            await world.operate("stop")
            await world.pass_time(5)
            await lab.make("first")
            await world.until(lambda: "waits for stop" in str(world.api.objects[SNAPS, "first"].get("status")))
            assert lab.phase("first") == "Pending"
            await world.until(lambda: lab.phase("first") == "Ready", 600)
            found = lab.snapshot("first")
            assert found is not None
            assert found.status.consistency == "Offline"

    play(tmp_path, scenario)


def test_agent_that_does_not_freeze_makes_it_crash_consistent(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        lab.layers.agent = "the guest agent is not connected"
        async with lab.controller():
            await lab.start()
            found = await lab.take("first")
            assert found.status.consistency == "CrashConsistent"
            assert lab.why("first", "Consistent") == "GuestNotFrozen"
            assert found.status.frozen_seconds is None

    play(tmp_path, scenario)


def test_frozen_guest_of_a_controller_that_died_is_thawed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await world.until(lambda: world.hypervisor.the(lab.uid).agent_connected)
        lab.layers.frozen.add(lab.uid)
        async with lab.controller():
            await world.pass_time(10)
            assert not lab.layers.frozen
            assert world.hypervisor.the(lab.uid).state is DomainState.RUNNING

    play(tmp_path, scenario)


def test_snapshot_that_two_stand_on_says_who(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await lab.take("second")
            await world.done(await lab.restore("first"))
            await lab.delete("first")
            await world.until(lambda: lab.why("first") == "LayerInUse")
            assert "snapshot second and the VM as it is" in str(world.api.objects[SNAPS, "first"]) or (
                "the VM as it is and snapshot second" in str(world.api.objects[SNAPS, "first"])
            )
            await lab.delete("second")
            await lab.gone("first")
            assert lab.layers.read(lab.uid) == {"one"}
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_snapshot_operation_makes_its_object_and_refuses_a_taken_name(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            op = await world.done(await world.operate("snapshot", snapshotSpec={"name": "mine"}))
            assert op.phase is OperationPhase.SUCCEEDED, op.status
            assert lab.phase("mine") == "Ready"
            again = await world.done(await world.operate("snapshot", snapshotSpec={"name": "mine"}))
            assert again.phase is OperationPhase.FAILED
            assert "already" in (again.status.message or "")
            assert lab.phase("mine") == "Ready"

    play(tmp_path, scenario)


def test_snapshots_of_a_deleted_machine_end_with_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            await world.delete()
            await world.until(lambda: lab.why("first") == "VMDeleted", 300)
            assert lab.phase("first") == "Failed"
            await lab.delete("first")
            await lab.gone("first")

    play(tmp_path, scenario)


def test_kept_for_long_enough_is_expired_and_merged(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            soon = rfc3339(EPOCH + timedelta(minutes=5))
            await lab.take("short", retention={"expiresAt": soon})
            await lab.take("stays", retention={"expiresAt": soon, "autoDelete": False})
            await lab.gone("short")
            assert (lab.phase("stays"), lab.why("stays")) == ("Expired", "RetentionExpired")
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


def test_undefined_domain_is_defined_over_what_it_wrote_to_last(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            await world.hypervisor.undefine(lab.uid)
            await world.done(await world.operate("start"))
            await world.until_phase(Phase.RUNNING, "Running")
            assert lab.layers.read(lab.uid) == {"two"}

    play(tmp_path, scenario)


def test_domain_that_was_defined_over_its_base_is_not_started(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            found = await lab.take("first")
            await world.operate("stop", force=True)
            await world.until_phase(Phase.STOPPED)
            bases = [path for path in found.status.backing_files or [] if path.endswith(".qcow2")]
            await lab.layers.put(lab.uid, {"vda": bases[1], "vdb": bases[0]})
            await world.operate("start")
            await world.until_phase(Phase.FAILED, "UncertainLayer")
            assert "@s-" in str(world.vm().status.conditions)
            assert not world.hypervisor.the(lab.uid).is_active

    play(tmp_path, scenario)


def test_disk_that_comes_back_is_the_one_with_all_that_was_written(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.take("first")
            lab.layers.write(lab.uid, "two")
            await world.set(disks=DATA[:1])
            await world.until(lambda: len(lab.layers._tips(lab.uid)) == 1)
            await world.set(disks=DATA)
            await world.until(lambda: len(lab.layers._tips(lab.uid)) == 2)
            assert lab.layers.read(lab.uid) == {"two"}

    play(tmp_path, scenario)
