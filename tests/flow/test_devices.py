"""GPUs on virtual time: one VM's alone, given in the order of asking, waited for, and free again afterwards."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from controller.hypervisor.readings import HostGpu
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from tests.flow.world import World, play

T4 = "10de:1eb8"


def gpus(count: int) -> dict[str, Any]:
    return {"devices": {"gpus": [{"name": "nvidia-tesla-t4", "count": count}]}}


def given(world: World, name: str) -> tuple[str, ...]:
    return world.hypervisor.the(world.vm(name).metadata.uid).hardware.host_devices


def test_gpus_are_each_one_machines_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.settings = replace(world.settings, gpus=(("nvidia-tesla-t4", T4),))
        world.hypervisor.host_gpus = [HostGpu(f"0000:{bus}:00.0", model=T4) for bus in ("3b", "5e", "86")]
        async with world.controller():
            await world.create("one", **gpus(2))
            await world.create("two", **gpus(1))
            for name in ("one", "two"):
                await world.until_phase(Phase.RUNNING, "Running", name)
            assert sorted((*given(world, "one"), *given(world, "two"))) == [
                gpu.address for gpu in world.hypervisor.host_gpus
            ]
            await world.create("three", **gpus(1))
            await world.until_phase(Phase.PENDING, name="three")
            await world.pass_time(60)
            found = condition(world.vm("three").status.conditions, "Ready")
            assert found is not None
            assert "0 of the 1 GPUs nvidia-tesla-t4 are left" in (found.message or "")
            held = given(world, "one")

        # A successor finds in the definitions who has which.
        async with world.controller():
            await world.delete("two")
            await world.until_phase(Phase.RUNNING, "Running", "three")
            assert given(world, "one") == held
            assert not {*given(world, "three")} & {*held}

    play(tmp_path, scenario)
