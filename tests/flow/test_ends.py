"""A guest that ends by itself: powered off, crashed, cut off, gone with its host."""

from pathlib import Path

import pytest

from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.world import World, play


def test_guest_that_powers_itself_off_stays_off_until_it_is_started(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            world.hypervisor.go_off(vm.metadata.uid, "shutdown")
            await world.until_phase(Phase.STOPPED, "GuestShutdown")
            await world.pass_time(600)
        async with world.controller():
            await world.pass_time(600)
            assert world.vm().phase is Phase.STOPPED
            assert world.hypervisor.calls.count("start") == 1
            assert world.event_reasons().count("GuestShutdown") == 1
            start = await world.done(await world.operate("start"))
            assert start.phase is OperationPhase.SUCCEEDED
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_guest_that_powered_itself_off_starts_when_the_spec_says_so_anew(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            world.hypervisor.go_off(vm.metadata.uid, "shutdown")
            await world.until_phase(Phase.STOPPED, "GuestShutdown")
            await world.set(running=False)
            await world.until_phase(Phase.STOPPED, "Stopped")
            await world.set(running=True)
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("reason", "ready"), [("crashed", "GuestCrashed"), ("failed", "GuestCrashed"), ("destroyed", "PowerCutOutside")]
)
def test_guest_that_ended_otherwise_is_failed_with_its_last_words(tmp_path: Path, reason: str, ready: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            world.hypervisor.logs["default.web"] = ["qemu-system-x86_64: double free \x1b[31m"]
            world.hypervisor.go_off(vm.metadata.uid, reason)
            await world.until_phase(Phase.FAILED, ready)
            if ready == "GuestCrashed":
                found = condition(world.vm().status.conditions, "Ready")
                assert found is not None
                assert found.message is not None
                assert "double free [31m" in found.message
            await world.pass_time(600)
            assert world.hypervisor.calls.count("start") == 1
            assert (await world.done(await world.operate("start"))).phase is OperationPhase.SUCCEEDED

    play(tmp_path, scenario)


def test_machines_come_back_after_the_host_rebooted(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.create("off", running=False)
            await world.until_phase(Phase.RUNNING, "Running")
            await world.until_phase(Phase.STOPPED, name="off")
            pid = world.vm().status.qemu_pid
            world.hypervisor.reboot_host()
            await world.until(lambda: world.vm().status.qemu_pid not in {pid, None})
            await world.pass_time(60)
            assert world.hypervisor.calls.count("start") == 2

    play(tmp_path, scenario)
