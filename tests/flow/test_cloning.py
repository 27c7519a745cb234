"""A clone is whole or not there at all, whenever the controller dies, whoever ends it, whatever goes wrong."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from hypersdk.errors import Transient
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.marks import CLONED_FROM, FILLING
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.clone_scene import CONTENT, VARIABLES, Scene, layer, scene, spec
from tests.flow.world import NODE, VMS, World, play

LET_GO = 10
"""The change after which a clone stands."""


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(14)])
def test_linked_clone_is_whole_after_a_death_anywhere(tmp_path: Path, number: int | None, running: bool) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec(linkedClone=True))
            if number is not None:
                world.die_at(number)
                await world.pass_time(8)
            else:
                await world.done(op)
        here.die_holding(op)
        world.live_on()
        async with here.life():
            op = await world.done(op)
            assert op.phase is OperationPhase.SUCCEEDED, op.status.message
            assert not here.qemu.held
            twin, uid = world.vm("twin"), world.vm().metadata.uid
            assert here.files() == {f"{twin.metadata.uid}-root.qcow2": f"over {uid}-root.qcow2"}
            assert here.tips() == [layer(here, op)]
            assert (here.places.machine(twin.metadata.uid) / "nvram.fd").read_text() == VARIABLES

    play(tmp_path, scenario)


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(8)])
def test_source_is_as_it_was_when_a_linked_clone_is_cancelled(
    tmp_path: Path, number: int | None, running: bool
) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.fails = Transient("the pool is busy")
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec(linkedClone=True))
            await world.until(lambda: "the pool is busy" in (world.op(op).status.message or ""))
            assert here.tips() == [layer(here, op)]
            cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
            await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
            if number is not None:
                world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with here.life():
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            await world.until(lambda: not world.exists("twin"))
            assert here.files() == {}
            assert here.tips() == [""]
            assert len(list((here.places.state / "disks").iterdir())) == 1

    play(tmp_path, scenario)


def whole(here: Scene, op: VMOperation) -> None:
    """The clone stands, and nothing else is left of the operation."""
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    twin = here.world.vm("twin")
    assert FILLING not in (twin.metadata.annotations or {})
    assert (twin.metadata.annotations or {})[CLONED_FROM] == "web"
    assert twin.status.node_name == NODE
    assert here.files() == {f"{twin.metadata.uid}-root.qcow2": CONTENT}
    assert here.qemu.jobs == {}


def reason(op: VMOperation) -> str:
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(14)])
def test_clone_is_whole_after_a_death_anywhere(tmp_path: Path, number: int | None, running: bool) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec(startAfterClone=True))
            if number is not None:
                world.die_at(number)
                await world.pass_time(8)
            else:
                await world.done(op)
        here.die_holding(op)
        world.live_on()
        async with here.life():
            op = await world.done(op)
            whole(here, op)
            assert not here.qemu.held
            await world.until_phase(Phase.RUNNING, "Running", "twin")
            assert (world.state / f"{world.vm('twin').metadata.uid}_VARS.fd").read_text() == VARIABLES
            assert not here.places.machine(world.vm("twin").metadata.uid).exists()
            assert world.vm("twin").spec.networks is not None
            assert world.vm("twin").spec.networks[0].mac_address is None  # type: ignore[index]
            assert world.vm().phase is (Phase.RUNNING if running else Phase.STOPPED)

    play(tmp_path, scenario)


def test_clone_that_runs_is_seen_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=False)
            op = await world.operate("clone", **spec(startAfterClone=True))
            await world.until(lambda: world.exists("twin"))
            await world.until_phase(Phase.RUNNING, name="twin")
            clock = asyncio.get_running_loop().time
            ran_at = clock()
            whole(here, await world.done(op))
            assert clock() - ran_at < 0.05

    play(tmp_path, scenario)


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(6)])
def test_nothing_is_left_of_a_clone_that_is_cancelled(tmp_path: Path, number: int | None, running: bool) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.qemu.looks = 10_000
        here.fails = Transient("the disk is slow to read")
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec())
            await world.until(lambda: bool(here.files()))
            cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
            await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
            if number is not None:
                world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with here.life():
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            await world.until(lambda: not world.exists("twin"))
            assert here.files() == {}
            assert list((here.places.state / "machines").iterdir()) == []
            assert here.qemu.jobs == {}

    play(tmp_path, scenario)


@pytest.mark.parametrize("how", [{}, {"linkedClone": True}], ids=["whole", "linked"])
@pytest.mark.parametrize("number", range(16))
def test_cancelled_clone_is_gone_or_has_succeeded(tmp_path: Path, number: int, how: JsonObject) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=True)
            op = await world.operate("clone", **spec(**how))
            world.die_at(number)
            await world.pass_time(8)
        cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
        here.die_holding(op)
        world.live_on()
        await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
        async with here.life():
            op = await world.done(op)
            await world.pass_time(8)
            assert op.phase in {OperationPhase.SUCCEEDED, OperationPhase.CANCELLED}
            assert world.exists("twin") is (op.phase is OperationPhase.SUCCEEDED), op.status.message
            assert not here.qemu.held

    play(tmp_path, scenario)


def test_machine_that_has_taken_the_name_of_a_clone_is_no_success(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=True)
            op = await world.operate("clone", **spec())
            world.die_at(LET_GO)
            await world.pass_time(8)
        world.live_on()
        assert FILLING not in (world.vm("twin").metadata.annotations or {})
        assert not world.op(op).phase.is_over
        cast("JsonObject", world.api.objects[VMS, "twin"]["metadata"])["uid"] = "of another"
        cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
        await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
        async with here.life():
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            assert world.exists("twin")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"targetNamespace": "other"}, "CrossNamespaceReference"),
        ({"snapshotRef": {"name": "s", "namespace": "other"}}, "CrossNamespaceReference"),
        ({"targetName": "../../other/virtualmachines/web"}, "InvalidName"),
        ({"snapshotRef": {"name": "../secrets/s"}}, "InvalidName"),
        ({"targetName": "web"}, "TargetExists"),
        ({"targetName": "taken"}, "TargetExists"),
    ],
    ids=["namespace", "snapshot", "path", "snapshot-path", "itself", "taken"],
)
def test_clone_that_cannot_be_is_refused(tmp_path: Path, how: JsonObject, why: str) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=False)
            await world.create("taken", running=False)
            op = await world.done(await world.operate("clone", **spec(**how)))
            assert (op.phase, reason(op)) == (OperationPhase.FAILED, why)
            assert world.exists("taken")
            assert {name for path, name in world.api.objects if path == VMS} == {"web", "taken"}

    play(tmp_path, scenario)


def test_deleted_target_ends_the_operation(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.qemu.looks = 10_000
        async with here.life():
            await here.source(running=True)
            op = await world.operate("clone", **spec())
            await world.until(lambda: bool(here.files()))
            await world.delete("twin")
            op = await world.done(op)
            assert (op.phase, reason(op)) == (OperationPhase.FAILED, "TargetGone")
            assert here.files() == {}
            assert list((here.places.state / "machines").iterdir()) == []
            assert here.qemu.jobs == {}

    play(tmp_path, scenario)
