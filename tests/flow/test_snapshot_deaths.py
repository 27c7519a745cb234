"""Snapshots, cut at every change that is made for them: whole afterwards, or not there; and nothing is left over."""

import contextlib
from pathlib import Path

import pytest

from controller.domain.layers import base_of
from hypersdk.errors import NotFound
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.snapshot_lab import Lab
from tests.flow.world import World, play


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
