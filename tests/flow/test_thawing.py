"""Is a guest let go that a controller held for a snapshot when it died? Before the snapshot is said to be there."""

from pathlib import Path

import pytest

from tests.flow.snapshot_lab import Lab
from tests.flow.world import World, play


@pytest.mark.parametrize("number", [8, 9, 10])
def test_guest_is_let_go_before_its_snapshot_is_ready(tmp_path: Path, number: int) -> None:
    async def scenario(world: World) -> None:
        lab = Lab(world)
        async with lab.controller():
            await lab.start()
            await lab.make("first")
            world.die_at(number)
            await world.pass_time(40)
        if lab.phase("first") == "Ready":
            return
        world.live_on()
        lab.layers.frozen.add(lab.uid)
        async with lab.controller():
            await world.until(lambda: lab.phase("first") == "Ready", 300)
            assert not lab.layers.frozen, number

    play(tmp_path, scenario)
