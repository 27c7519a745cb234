"""Deletion: nothing is left, whatever is in its way; and a deletion as an operation."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from hypersdk.model.base import condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.world import World, play


def test_deleted_machine_leaves_nothing(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.delete()
            await world.until(lambda: not world.exists())
            assert world.hypervisor.domains_by_uuid == {}
            assert set(world.storage.removed) == {vm.metadata.uid}
            assert world.consoles.attached[-1] == f"-{vm.metadata.uid}"
            await world.until(lambda: "Deleted" in world.event_reasons())

    play(tmp_path, scenario)


def test_deletion_while_libvirt_is_away_is_done_when_it_is_back(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            world.hypervisor.down = True
            await world.delete()
            await world.pass_time(300)
            assert world.exists()
            assert world.storage.removed == []
            world.hypervisor.come_back()
            await world.until(lambda: not world.exists())

    play(tmp_path, scenario)


def test_console_that_does_not_end_does_not_hold_deletion_up(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.consoles.hangs = True
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.delete()
            await world.until(lambda: not world.exists(), within=15)

    play(tmp_path, scenario)


def test_disks_are_kept_when_asked_and_said_where(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.client.patch(
                VIRTUAL_MACHINES, "default", "web", {"metadata": {"annotations": {"hypersdk.io/keep-disks": "true"}}}
            )
            await world.delete()
            await world.until(lambda: "Deleted" in world.event_reasons())
            assert (world.storage.kept, world.storage.removed) == ([vm.metadata.uid], [vm.metadata.uid])
            told = {event.reason: event.message for event in world.events()}
            assert told["DisksKept"] == "on node-1: /disks/kept/web/root.qcow2"
            assert told["Deleted"] == "the domain is removed, its disks are kept"

    play(tmp_path, scenario)


async def made(world: World, state: str) -> None:
    """A VM in that state."""
    if state == "unplaced":
        await world.create(nodeSelector={"disk": "fast"})
        await world.until_phase(Phase.PENDING, "Unschedulable")
        return
    await world.create(running=state != "off")
    await world.until_phase(Phase.STOPPED if state == "off" else Phase.RUNNING)
    if state == "paused":
        await world.done(await world.operate("pause"))


@pytest.mark.parametrize("state", ["running", "off", "paused", "unplaced"])
def test_deletion_as_an_operation_succeeds_once_the_machine_is_gone(tmp_path: Path, state: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await made(world, state)
            deletion = await world.operate("delete")
            await world.until(lambda: not world.exists())
            assert world.op(deletion).phase is not OperationPhase.FAILED
            deletion = await world.done(deletion, within=10)
            assert (deletion.phase, deletion.status.message) == (OperationPhase.SUCCEEDED, "web is deleted")
            await world.until(lambda: not world.op(deletion).metadata.finalizers)
            assert world.hypervisor.domains_by_uuid == {}

    play(tmp_path, scenario)


def test_deletion_as_an_operation_may_keep_the_disks(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await made(world, "running")
            deletion = await world.operate("delete", annotations={"hypersdk.io/keep-disks": "true"})
            await world.done(deletion)
            assert len(set(world.storage.kept)) == 1

    play(tmp_path, scenario)


def test_deletion_waits_for_the_finalizers_of_others_up_to_its_deadline(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await made(world, "running")
            held: list[JsonValue] = [*(world.vm().metadata.finalizers or []), "example.org/theirs"]
            await world.client.patch(VIRTUAL_MACHINES, "default", "web", {"metadata": {"finalizers": held}})
            deletion = await world.operate("delete", timeout="60s")
            await world.until(lambda: "example.org/theirs" in (world.op(deletion).status.message or ""))
            await world.client.patch(
                VM_OPERATIONS,
                "default",
                deletion.metadata.name,
                {"metadata": {"annotations": {"hypersdk.io/cancel": ""}}},
            )
            deletion = await world.done(deletion, within=100)
            assert deletion.phase is OperationPhase.FAILED
            assert "cannot be taken back" in (deletion.status.message or "")
            assert world.hypervisor.domains_by_uuid == {}

    play(tmp_path, scenario)


def test_deletion_that_waits_its_turn_can_be_cancelled(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await made(world, "running")
            await world.operate("stop")
            await world.until_phase(Phase.RUNNING, "Stopping")
            deletion = await world.operate("delete")
            await world.until(lambda: (world.op(deletion).status.message or "").startswith("waits for stop"))
            await world.client.delete(VM_OPERATIONS, "default", deletion.metadata.name)
            await world.until_phase(Phase.STOPPED, "Stopped")
            await world.pass_time(60)
            assert world.exists()

    play(tmp_path, scenario)


def test_of_two_deletions_both_see_the_end(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await made(world, "running")
            both = [await world.operate("delete"), await world.operate("delete")]
            for deletion in both:
                ended = await world.done(deletion, within=30)
                assert (ended.phase, reason(ended)) in {
                    (OperationPhase.SUCCEEDED, "EffectObserved"),
                    (OperationPhase.FAILED, "VMNotFound"),
                }

    play(tmp_path, scenario)


def reason(op: VMOperation) -> str:
    """The reason of its end."""
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""
