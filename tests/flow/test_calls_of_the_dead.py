"""Does a snapshot that is cancelled lose a layer which libvirt makes for a controller that has died?"""

from pathlib import Path

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.vmoperation import OperationPhase
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
