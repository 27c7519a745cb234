"""resize, on virtual time: what a running guest is given, what waits for its next start, what an end leaves."""

from pathlib import Path
from typing import Any

import pytest

from controller.hypervisor.port import Hardware
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.world import World, play

GIB = 2**30


async def begin(world: World, **spec: Any) -> None:
    size: dict[str, Any] = {"cpus": 2, "memory": "1Gi"}
    await world.create(**size | spec)
    await world.until_phase(Phase.RUNNING if spec.get("running", True) else Phase.STOPPED)


async def resized(world: World, hotplug: bool = True, **size: Any) -> VMOperation:
    return await world.done(await world.operate("resize", resizeSpec={**size, "hotplug": hotplug}))


def hardware(world: World) -> Hardware:
    return world.hypervisor.the(world.vm().metadata.uid).hardware


def size(world: World) -> tuple[int, str]:
    return world.vm().spec.cpus, world.vm().spec.memory


def result(op: VMOperation) -> JsonObject:
    assert op.status.result is not None
    return op.status.result


def reason(op: VMOperation) -> str:
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""


def test_running_guest_is_given_cpus_and_memory_and_the_spec_says_so(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            await world.until(lambda: world.reason("AgentConnected") == "AgentConnected")
            op = await resized(world, cpus=4, memory="2Gi")
            assert (op.phase, op.status.message) == (
                OperationPhase.SUCCEEDED,
                "the guest has 4 CPUs and 2Gi of memory, and uses them",
            )
            assert (hardware(world).cpus, hardware(world).dimm_bytes, size(world)) == (4, GIB, (4, "2Gi"))
            assert result(op)["restartRequired"] == []
            assert result(op)["guest"] == {"cpus": 4}
            assert world.reason("RestartRequired") == ""

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("asked", "fields", "why"),
    [
        ({"cpus": 1}, ["cpus"], "no CPU is taken from a running guest"),
        ({"memory": "512Mi"}, ["memory"], "no memory is taken from a running guest"),
        ({"cpus": 64, "memory": "2Gi"}, ["cpus"], "it was started with room for 8 CPUs"),
        ({"memory": "8Gi"}, ["memory"], "it was started with room for 4.0Gi of memory"),
        ({"memory": "1060Mi"}, ["memory"], "a running guest takes memory in steps of 128Mi"),
    ],
)
@pytest.mark.parametrize("hotplug", [False, True])
def test_what_a_running_guest_cannot_be_given_waits_for_its_next_start(
    tmp_path: Path, asked: dict[str, Any], fields: list[str], why: str, hotplug: bool
) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            pid = world.vm().status.qemu_pid
            op = await resized(world, hotplug, **asked)
            assert op.phase is OperationPhase.SUCCEEDED
            assert result(op)["restartRequired"] == fields
            assert op.status.message is not None
            assert "at the next start (RestartRequired)" in op.status.message
            assert why in op.status.message
            await world.until(lambda: world.reason("RestartRequired") == "SpecChanged")
            assert world.vm().status.qemu_pid == pid
            assert hardware(world).cpus >= 2
            await world.done(await world.operate("restart"))
            assert (hardware(world).cpus, world.reason("RestartRequired")) == (world.vm().spec.cpus, "")

    play(tmp_path, scenario)


def test_change_that_the_host_refuses_waits_with_its_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.hypervisor.fail("cpus", *[Terminal("ChangeRefused", "the guest is too old")] * 9)
            op = await resized(world, cpus=4)
            assert op.phase is OperationPhase.SUCCEEDED
            assert result(op)["restartRequired"] == ["cpus"]
            assert "the guest is too old" in (op.status.message or "")

    play(tmp_path, scenario)


def test_machine_that_is_off_starts_with_its_new_size(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world, running=False)
            op = await resized(world, cpus=4, memory="2Gi")
            assert (op.phase, size(world)) == (OperationPhase.SUCCEEDED, (4, "2Gi"))
            assert op.status.message == "web is off and starts with 4 CPUs and 2Gi of memory"
            assert world.vm().phase is Phase.STOPPED

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("asked", "why", "words"),
    [
        ({"cpus": 128}, "NodeFull", "the node has 78 CPUs left, and 126 more are asked for"),
        ({"memory": "64Gi"}, "NodeFull", "of memory left, and 63Gi more are asked for"),
        ({"memory": "0Gi"}, "InvalidMemory", "memory 0Gi is less than 16Mi"),
    ],
)
def test_size_that_cannot_be_is_refused_and_nothing_is_written(
    tmp_path: Path, asked: dict[str, Any], why: str, words: str
) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            op = await resized(world, **asked)
            assert (op.phase, reason(op), size(world)) == (OperationPhase.FAILED, why, (2, "1Gi"))
            assert words in (op.status.message or "")

    play(tmp_path, scenario)


@pytest.mark.parametrize("number", range(12))
def test_successor_of_a_controller_that_died_resizes_once(tmp_path: Path, number: int) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            op = await world.operate("resize", resizeSpec={"cpus": 4, "memory": "2Gi", "hotplug": True})
            world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with world.controller():
            over = await world.done(op)
            assert (over.phase, size(world)) == (OperationPhase.SUCCEEDED, (4, "2Gi"))
            assert (hardware(world).cpus, hardware(world).dimm_bytes) == (4, GIB)
            assert result(over)["before"] == {"cpus": 2, "memory": "1Gi"}

    play(tmp_path, scenario)


def test_resize_that_is_cancelled_leaves_the_spec_as_it_was(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.hypervisor.fail("cpus", *[Terminal("ChangeRefused", "not now")] * 9)
            op = await world.operate("resize", resizeSpec={"cpus": 4, "hotplug": True})
            await world.until(lambda: world.vm().spec.cpus == 4)
            cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
            await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            assert size(world) == (2, "1Gi")

    play(tmp_path, scenario)


def test_resize_gives_way_to_whoever_writes_another_size(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.hypervisor.fail("cpus", *[Terminal("ChangeRefused", "not now")] * 9)
            op = await world.operate("resize", resizeSpec={"cpus": 4, "hotplug": True})
            await world.until(lambda: world.vm().spec.cpus == 4)
            await world.set(cpus=3)
            over = await world.done(op)
            assert (over.phase, reason(over), size(world)) == (OperationPhase.FAILED, "SpecChanged", (3, "1Gi"))

    play(tmp_path, scenario)
