"""What the controller does while the API, libvirt or itself is away: nothing to any guest."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState, ObservedDomain, Owner, Power
from hypersdk.errors import Terminal
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.api import Doc
from tests.flow.world import OPS, World, play

Scenario = Callable[[World], Awaitable[None]]


def test_lost_libvirt_makes_machines_unknown_after_a_while_and_touches_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            pid, calls = world.vm().status.qemu_pid, list(world.hypervisor.calls)
            world.hypervisor.down = True
            await world.pass_time(50)
            assert world.vm().phase is Phase.RUNNING
            await world.until_phase(Phase.UNKNOWN, "HypervisorUnreachable")
            assert world.vm().status.qemu_pid == pid
            await world.pass_time(3600)
            world.hypervisor.come_back()
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.hypervisor.calls == calls
            assert world.vm().status.qemu_pid == pid

    play(tmp_path, scenario)


def test_without_the_api_nothing_is_touched_and_nothing_lost(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.create("other")
            await world.until_phase(Phase.RUNNING, "Running")
            await world.until_phase(Phase.RUNNING, "Running", name="other")
            calls = list(world.hypervisor.calls)
            world.api.go_down()
            await world.pass_time(20)
            world.hypervisor.go_off(vm.metadata.uid, "shutdown")
            await world.pass_time(120)
            assert world.hypervisor.calls == calls
            world.api.come_back()
            await world.until_phase(Phase.STOPPED, "GuestShutdown")
            assert world.vm("other").phase is Phase.RUNNING

    play(tmp_path, scenario)


def test_controller_that_starts_without_libvirt_waits_for_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
        world.hypervisor.down = True
        calls = list(world.hypervisor.calls)
        waiting = asyncio.ensure_future(_start(world))
        await world.pass_time(600)
        assert world.hypervisor.calls == calls
        world.hypervisor.come_back()
        async with asyncio.timeout(60):
            await waiting

    async def _start(world: World) -> None:
        async with world.controller():
            await world.pass_time(10)

    play(tmp_path, scenario)


def test_foreign_domains_are_listed_and_left_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        fake = world.hypervisor
        foreign = ObservedDomain("11111111-2222-3333-4444-555555555555", "theirs", DomainState.RUNNING, "booted", None)
        orphan_owner = Owner("22222222-2222-3333-4444-555555555555", "gone", "vm", Power.ON)
        orphan = ObservedDomain(orphan_owner.uid, "gone.vm", DomainState.RUNNING, "booted", orphan_owner)
        for there in (foreign, orphan):
            fake.adopt(there)
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.pass_time(120)
            node = world.api.objects[("/apis/hypersdk.io/v1alpha1/vmnodes", "node-1")]
            assert node["status"]["foreignDomains"] == ["gone.vm", "theirs"]
            assert node["status"]["runningVMs"] == 1
            await world.delete()
            await world.until(lambda: not world.exists())
            assert {domain.name for domain in await fake.domains()} == {"gone.vm", "theirs"}

    play(tmp_path, scenario)


def test_domain_with_our_uuid_but_without_our_mark_is_not_touched(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        vm = await world.create()
        theirs = ObservedDomain(vm.metadata.uid, "theirs", DomainState.RUNNING, "booted", None)
        world.hypervisor.adopt(theirs)
        async with world.controller():
            await world.until_phase(Phase.FAILED, "ForeignDomain")
            await world.pass_time(600)
            assert world.hypervisor.calls == []

    play(tmp_path, scenario)


def test_network_that_cannot_be_had_gives_way_to_user_mode_and_stays_so(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.network_error = Terminal("NetworkNotStarted", "no dnsmasq")
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.reason("NetworkReady") == "UserMode"
            world.hypervisor.network_error = None
            await world.pass_time(600)
            assert condition(world.vm().status.conditions, "RestartRequired") is None
            await world.done(await world.operate("restart"))
            await world.until(lambda: world.reason("NetworkReady") == "NetworkReady")

    play(tmp_path, scenario)


async def created(world: World) -> None:
    await world.create()
    await world.until_phase(Phase.RUNNING, "Running")


async def stopped(world: World) -> None:
    op = await world.done(await world.operate("stop"))
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await world.until_phase(Phase.STOPPED, "Stopped")


async def started(world: World) -> None:
    op = await world.done(await world.operate("start"))
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await world.until_phase(Phase.RUNNING, "Running")


async def restarted(world: World) -> None:
    starts = world.hypervisor.calls.count("start")
    op = await world.done(await world.operate("restart"))
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await world.until_phase(Phase.RUNNING, "Running")
    assert world.hypervisor.calls.count("start") == starts + 1


async def deleted(world: World) -> None:
    await world.delete()
    await world.until(lambda: not world.exists(), 300)
    assert world.hypervisor.domains_by_uuid == {}


async def paused(world: World) -> None:
    op = await world.done(await world.operate("pause"))
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await world.until_phase(Phase.PAUSED, "Paused")


async def resumed(world: World) -> None:
    op = await world.done(await world.operate("resume"))
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await world.until_phase(Phase.RUNNING, "Running")


STAGES: dict[str, tuple[list[Scenario], Scenario, Callable[[World], Awaitable[object]]]] = {
    "create": ([], created, lambda world: world.create()),
    "stop": ([created], stopped, lambda world: world.operate("stop")),
    "start": ([created, stopped], started, lambda world: world.operate("start")),
    "restart": ([created], restarted, lambda world: world.operate("restart")),
    "pause": ([created], paused, lambda world: world.operate("pause")),
    "resume": ([created, paused], resumed, lambda world: world.operate("resume")),
    "stop of a paused one": ([created, paused], stopped, lambda world: world.operate("stop")),
    "delete": ([created], deleted, lambda world: world.delete()),
    "delete by operation": ([created], deleted, lambda world: world.operate("delete")),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("death", range(14))
def test_killed_at_any_change_the_next_controller_finishes(tmp_path: Path, stage: str, death: int) -> None:
    """Killed before its n-th change while something goes on; the successor brings it to the same end, once."""
    before, _, ask = STAGES[stage]

    async def scenario(world: World) -> None:
        async with world.controller():
            for earlier in before:
                await earlier(world)
            starts = world.hypervisor.calls.count("start")
            await ask(world)
            died = world.die_at(death)
            waiting = asyncio.ensure_future(died.wait())
            await asyncio.wait([waiting], timeout=600)
            waiting.cancel()
        world.live_on()
        async with world.controller():
            await settled(world, stage)
            assert world.hypervisor.calls.count("start") - starts <= 1

    play(tmp_path, scenario)


ENDS = {
    "stop": (Phase.STOPPED, "Stopped"),
    "stop of a paused one": (Phase.STOPPED, "Stopped"),
    "pause": (Phase.PAUSED, "Paused"),
}


async def settled(world: World, stage: str) -> None:
    """The stage's end is reached, and kept."""
    operations = [doc for (path, _), doc in world.api.objects.items() if path.endswith("vmoperations")]
    await world.until(lambda: all(_is_over(doc, world) for doc in operations), 900)
    if stage.startswith("delete"):
        await world.until(lambda: not world.exists(), 300)
        assert world.hypervisor.domains_by_uuid == {}
        return
    end = ENDS.get(stage, (Phase.RUNNING, "Running"))
    await world.until_phase(*end)
    uid = world.vm().metadata.uid
    pid = world.hypervisor.the(uid).pid
    await world.pass_time(300)
    assert world.hypervisor.the(uid).pid == pid
    assert (world.vm().phase, world.reason()) == end
    assert not [doc for doc in operations if _now(doc, world)["metadata"].get("finalizers")]
    if end[0] is Phase.RUNNING:
        owner = world.hypervisor.the(uid).owner
        assert owner is not None
        assert owner.power is Power.ON


def _is_over(doc: Doc, world: World) -> bool:
    return bool(_now(doc, world).get("status", {}).get("phase") == "Succeeded")


def _now(doc: Doc, world: World) -> Doc:
    return world.api.objects[(OPS, doc["metadata"]["name"])]
