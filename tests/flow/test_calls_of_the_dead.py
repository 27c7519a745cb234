"""Is a layer lost that libvirt makes for a controller which has died, when its snapshot or clone goes on or ends?"""

import asyncio
from pathlib import Path

import pytest

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.clone_scene import layer, scene, spec
from tests.flow.snapshot_lab import Lab
from tests.flow.world import World, play


def test_layer_of_a_call_that_outlives_its_controller_is_merged_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        lab.layers.take_s = 20.0
        async with lab.controller():
            await lab.start()
            op = await world.operate("snapshot", snapshotSpec={"name": "first"})
            while lab.layers.under_way is None:
                await world.pass_time(0.1)
        cancel: JsonObject = {"metadata": {"annotations": {CANCEL: "true"}}}
        await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
        async with lab.controller():
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            await world.pass_time(30)
            assert lab.layers.read(lab.uid) == {"one"}
            assert not [tip for tip in lab.layers._tips(lab.uid).values() if "@" in tip]
            lab.assert_nothing_left_over()

    play(tmp_path, scenario)


@pytest.mark.parametrize("cancelled", [False, True])
def test_linked_clone_waits_for_the_layer_of_a_call_that_outlives_its_controller(
    cancelled: bool, tmp_path: Path
) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.qemu.outlives = True
        async with here.life():
            await here.source(running=True)
            world.hypervisor.before_change = dies_at_take
            op = await world.operate("clone", **spec(linkedClone=True))
            await world.until(lambda: bool(here.qemu.late))
        world.live_on()
        if cancelled:
            cancel: JsonObject = {"metadata": {"annotations": {CANCEL: "true"}}}
            await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
        async with here.life():
            ended = await world.done(op)
            assert ended.phase is (OperationPhase.CANCELLED if cancelled else OperationPhase.SUCCEEDED)
        assert here.qemu.late == {}
        assert here.tips() == ["" if cancelled else layer(here, op)]

    play(tmp_path, scenario)


def dies_at_take(call: str) -> None:
    if call == "take":
        raise asyncio.CancelledError
