"""The spec changes, or the VM is deleted, at every moment of its creation: the end is right, and nothing is left."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import ImageProgress, Phase
from tests.flow.api import Doc
from tests.flow.world import VMS, World, play

MOMENTS = range(12)
"""Changes of API and hypervisor from the creation to the running guest, and one more."""


def at_change(world: World, number: int, act: Callable[[], Awaitable[object]]) -> asyncio.Event:
    """Do something right before the controller's n-th change of API or hypervisor takes place."""
    done, left = asyncio.Event(), number
    tasks: list[asyncio.Future[None]] = []

    async def acted() -> None:
        await act()
        done.set()

    def count() -> None:
        nonlocal left
        left -= 1
        if left == -1:
            # The change itself is on its way: this comes beside it.
            tasks.append(asyncio.ensure_future(acted()))

    def before_write(method: str, path: str, body: Doc) -> None:
        if path.startswith(VMS) and method == "PATCH":
            count()

    world.api.before_write = before_write
    world.hypervisor.before_change = lambda _: count()
    return done


async def passed(world: World, moment: asyncio.Event) -> bool:
    """Whether the moment has come; otherwise the creation was over before it."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120):
            await moment.wait()
    world.live_on()
    return moment.is_set()


@pytest.mark.parametrize("imports", [False, True], ids=["image there", "importing"])
@pytest.mark.parametrize("number", MOMENTS)
def test_deleted_while_it_is_created_nothing_is_left(tmp_path: Path, number: int, imports: bool) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = ImageProgress(bytes_transferred=1) if imports else None
        async with world.controller():
            moment = at_change(world, number, world.delete)
            vm = await world.create()
            if not await passed(world, moment):
                await world.delete()
            await world.until(lambda: not world.exists(), within=60)
            world.storage.outcome = None
            for wake in world.storage.wakes:
                wake()
            await world.pass_time(300)
            assert world.hypervisor.domains_by_uuid == {}
            assert set(world.storage.removed) <= {vm.metadata.uid}
            assert world.storage.removed or not world.storage.wakes
            assert not world.consoles.attached or world.consoles.attached[-1] == f"-{vm.metadata.uid}"

    play(tmp_path, scenario)


@pytest.mark.parametrize("number", MOMENTS)
def test_spec_changed_while_it_is_created_is_in_force_or_asks_for_a_restart(tmp_path: Path, number: int) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            moment = at_change(world, number, lambda: world.set(machineType="pc"))
            vm = await world.create()
            if not await passed(world, moment):
                await world.set(machineType="pc")
            await world.until_phase(Phase.RUNNING, "Running")
            await world.until(lambda: world.vm().status.observed_generation == 2)
            await world.pass_time(120)
            there = world.hypervisor.the(vm.metadata.uid)
            assert there.owner is not None
            is_in_force = there.running_spec_hash == there.owner.spec_hash
            asks = condition(world.vm().status.conditions, "RestartRequired") is not None
            assert is_in_force is not asks
            assert world.hypervisor.calls.count("start") == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize("number", MOMENTS)
def test_no_longer_to_run_while_it_is_created_it_ends_off(tmp_path: Path, number: int) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            moment = at_change(world, number, lambda: world.set(running=False))
            vm = await world.create()
            if not await passed(world, moment):
                await world.set(running=False)
            await world.until_phase(Phase.STOPPED, "Stopped", within=200)
            await world.pass_time(300)
            assert world.hypervisor.the(vm.metadata.uid).state is DomainState.SHUTOFF

    play(tmp_path, scenario)


def test_source_changed_while_it_is_imported_is_taken_from_then_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = ImageProgress(bytes_transferred=1)
        async with world.controller():
            await world.create(image={"source": "one"})
            await world.until_phase(Phase.CREATING, "Importing")
            await world.set(image={"source": "two"})
            await world.until(lambda: world.storage.sources[-1] == "two")
            world.storage.outcome = None
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.hypervisor.calls.count("define") == 1

    play(tmp_path, scenario)
