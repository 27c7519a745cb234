"""Operations on VMs: in turn, with a deadline, cancellable, refused for a reason."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.node.finding import NotYet
from hypersdk.errors import Transient
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_OPERATIONS
from hypersdk.model.virtualmachine import ImageProgress, Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.world import OPS, World, play

Scenario = Callable[[World], Awaitable[None]]


async def running(world: World) -> None:
    await world.create()
    await world.until_phase(Phase.RUNNING, "Running")


def test_operations_on_one_machine_go_one_after_the_other(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            world.hypervisor.guest_behaviour.power_off_s = 30
            restart = await world.operate("restart")
            await world.pass_time(5)
            stop = await world.operate("stop")
            await world.until(lambda: world.op(stop).status.message is not None)
            assert world.op(stop).phase is OperationPhase.PENDING
            assert world.op(stop).status.message == f"waits for restart ({restart.metadata.name})"
            assert (await world.done(restart)).phase is OperationPhase.SUCCEEDED
            assert (await world.done(stop)).phase is OperationPhase.SUCCEEDED
            await world.until_phase(Phase.STOPPED, "Stopped")

    play(tmp_path, scenario)


@pytest.mark.parametrize("is_restarted", [False, True])
def test_operations_of_one_second_go_in_the_order_they_were_made(tmp_path: Path, is_restarted: bool) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            world.hypervisor.guest_behaviour.power_off_s = 5
            made: list[VMOperation] = []
            for name, operation in {"z": "stop", "m": "start", "b": "restart", "a": "stop"}.items():
                spec: JsonObject = {"vmRef": {"name": "web"}, "operation": operation}
                body: JsonObject = {"metadata": {"name": name}, "spec": spec}
                made.append(await world.client.create(VM_OPERATIONS, "default", body))
            assert len({op.metadata.creation_timestamp for op in made}) == 1
            await world.until(lambda: all(world.op(op).status.phase is not None for op in made))
            if not is_restarted:
                await world.done(made[-1])
        async with world.controller():
            assert (await world.done(made[-1])).phase is OperationPhase.SUCCEEDED
        ended = [world.op(op).status.completion_time for op in made]
        assert all(end is not None for end in ended)
        assert sorted(map(str, ended)) == list(map(str, ended))

    play(tmp_path, scenario)


@pytest.mark.parametrize("operation", ["start", "stop", "restart"])
def test_stop_by_force_waits_for_no_other(tmp_path: Path, operation: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            slow = await stuck(world, operation)
            began = world.elapsed()
            force = await world.done(await world.operate("stop", force=True), within=10)
            assert force.phase is OperationPhase.SUCCEEDED
            assert world.elapsed() - began < 5
            assert world.op(slow).phase is OperationPhase.CANCELLED
            assert world.op(slow).status.message == f"overtaken by a stop by force ({force.metadata.name})"
            world.storage.outcome = None
            await world.pass_time(300)
            assert (world.vm().spec.running, world.vm().phase) == (False, Phase.STOPPED)

    play(tmp_path, scenario)


def test_start_of_a_running_machine_and_stop_of_a_stopped_one_succeed_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            calls = list(world.hypervisor.calls)
            assert (await world.done(await world.operate("start"), within=2)).phase is OperationPhase.SUCCEEDED
            assert world.hypervisor.calls == calls
            await world.done(await world.operate("stop"))
            stop = await world.done(await world.operate("stop"), within=2)
            assert stop.phase is OperationPhase.SUCCEEDED
            assert stop.status.start_time is not None
            assert stop.status.completion_time is not None

    play(tmp_path, scenario)


def test_restart_of_a_stopped_machine_starts_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False)
            await world.until_phase(Phase.STOPPED)
            assert (await world.done(await world.operate("restart"))).phase is OperationPhase.SUCCEEDED
            assert world.vm().spec.running is True

    play(tmp_path, scenario)


def test_operation_that_takes_too_long_fails_and_says_what_it_waited_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = NotYet("ImportFailed", "image x: the server says 503", 10)
        async with world.controller():
            await world.create(running=False)
            start = await world.done(await world.operate("start", timeout="90s"))
            assert start.phase is OperationPhase.FAILED
            assert reason(start) == "DeadlineExceeded"
            assert 88 < world.elapsed() < 100

    play(tmp_path, scenario)


def test_start_that_libvirt_refuses_fails_with_its_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False)
            await world.until_phase(Phase.STOPPED)
            world.hypervisor.fail("start", Transient("cannot start: no memory"))
            start = await world.done(await world.operate("start"), within=5)
            assert start.phase is OperationPhase.FAILED
            assert "no memory" in (start.status.message or "")
            assert (await world.done(await world.operate("start"), within=5)).phase is OperationPhase.SUCCEEDED

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("operation", "spec", "why"),
    [
        ("clone", {}, "NotSupported"),
        ("migrate", {}, "NotSupported"),
        ("stop", {"vmRef": {"name": "web", "namespace": "other"}}, "CrossNamespaceReference"),
        ("stop", {"vmRef": {"name": "nobody"}}, "VMNotFound"),
    ],
)
def test_operations_that_cannot_be_done_fail_for_a_reason(
    tmp_path: Path, operation: str, spec: dict[str, Any], why: str
) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            op = await world.done(await world.operate(operation, **spec), within=10)
            assert (op.phase, reason(op)) == (OperationPhase.FAILED, why)
            assert world.vm().phase is Phase.RUNNING

    play(tmp_path, scenario)


def test_reference_to_its_own_namespace_is_none_to_another(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            op = await world.operate("stop", vmRef={"name": "web", "namespace": "default"})
            assert (await world.done(op)).phase is OperationPhase.SUCCEEDED

    play(tmp_path, scenario)


@pytest.mark.parametrize("how", ["annotation", "deletion"])
def test_cancelled_stop_lets_the_guest_be(tmp_path: Path, how: str) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await running(world)
            stop = await world.operate("stop")
            await world.until_phase(Phase.RUNNING, "Stopping")
            await cancel(world, stop, how)
            await world.until(lambda: last_phase(world, stop) is OperationPhase.CANCELLED)
            assert world.vm().spec.running is True
            await world.until_phase(Phase.RUNNING, "Running", within=300)
            await world.pass_time(300)
            assert "destroy" not in world.hypervisor.calls
            assert (stop.metadata.name in left(world)) is (how == "annotation")

    play(tmp_path, scenario)


async def stuck(world: World, operation: str) -> VMOperation:
    """An operation that has begun and comes to no end."""
    world.hypervisor.guest_behaviour.obeys = False
    if operation == "start":
        world.storage.outcome = ImageProgress(bytes_transferred=1)
        await world.create(running=False)
    else:
        await running(world)
        world.hypervisor.fail("suspend", *(Transient("QEMU's monitor does not answer") for _ in range(1000)))
    op = await world.operate(operation, timeout="90s")
    await world.until(lambda: world.op(op).phase is OperationPhase.RUNNING)
    return op


@pytest.mark.parametrize("how", ["annotation", "deletion"])
@pytest.mark.parametrize("operation", ["start", "stop", "restart", "pause"])
def test_operation_that_goes_on_is_cancelled_and_leaves_no_trace(tmp_path: Path, operation: str, how: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            op = await stuck(world, operation)
            before = op.spec.operation != "start"
            await cancel(world, op, how)
            await world.until(lambda: last_phase(world, op) is OperationPhase.CANCELLED)
            assert world.vm().spec.running is before
            world.storage.outcome = None
            world.hypervisor.fail_no_more("suspend")
            await world.pass_time(300)
            assert world.vm().phase is (Phase.RUNNING if before else Phase.STOPPED)
            assert world.hypervisor.calls.count("start") == int(before)

    play(tmp_path, scenario)


@pytest.mark.parametrize("operation", ["start", "stop", "restart", "pause"])
def test_operation_that_is_out_of_time_takes_back_what_it_wrote(tmp_path: Path, operation: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            op = await stuck(world, operation)
            before = op.spec.operation != "start"
            ended = await world.done(op, within=150)
            assert (ended.phase, reason(ended)) == (OperationPhase.FAILED, "DeadlineExceeded")
            await world.until(lambda: not world.op(op).metadata.finalizers)
            assert world.vm().spec.running is before
            world.storage.outcome = None
            world.hypervisor.fail_no_more("suspend")
            await world.pass_time(300)
            assert world.vm().phase is (Phase.RUNNING if before else Phase.STOPPED)
            assert "destroy" not in world.hypervisor.calls

    play(tmp_path, scenario)


@pytest.mark.parametrize("how", ["annotation", "deletion"])
def test_operation_that_waits_its_turn_is_cancelled_at_once(tmp_path: Path, how: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await stuck(world, "restart")
            waiting = await world.operate("stop")
            await world.until(lambda: (world.op(waiting).status.message or "").startswith("waits for restart"))
            await cancel(world, waiting, how)
            gone_or_cancelled = {OperationPhase.CANCELLED, OperationPhase.PENDING}
            await world.until(
                lambda: (
                    waiting.metadata.name not in left(world) or last_phase(world, waiting) is OperationPhase.CANCELLED
                )
            )
            assert last_phase(world, waiting) in gone_or_cancelled
            assert world.vm().spec.running is True

    play(tmp_path, scenario)


def test_operation_that_cannot_begin_says_why(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            world.hypervisor.down = True
            stop = await world.operate("stop")
            await world.until(lambda: world.op(stop).status.message == "libvirtd does not answer")
            assert world.op(stop).phase is OperationPhase.PENDING
            world.hypervisor.come_back()
            assert (await world.done(stop)).phase is OperationPhase.SUCCEEDED

    play(tmp_path, scenario)


def test_operation_is_out_of_time_though_libvirt_cannot_be_asked(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            world.hypervisor.guest_behaviour.obeys = False
            stop = await world.operate("stop", timeout="60s")
            await world.until_phase(Phase.RUNNING, "Stopping")
            world.hypervisor.down = True
            ended = await world.done(stop, within=150)
            assert reason(ended) == "DeadlineExceeded"
            assert "libvirtd does not answer" in (ended.status.message or "")
            assert world.vm().spec.running is True

    play(tmp_path, scenario)


def test_guest_that_goes_off_after_the_stop_was_taken_back_is_started_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.power_off_s = 10
        async with world.controller():
            await running(world)
            await world.set(running=False)
            await world.until_phase(Phase.RUNNING, "Stopping")
            await world.set(running=True)
            await world.until(lambda: world.hypervisor.calls.count("start") == 2)
            await world.until_phase(Phase.RUNNING, "Running")
            assert "GuestShutdown" not in world.event_reasons()

    play(tmp_path, scenario)


def test_deletion_cancels_what_goes_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await running(world)
            stop = await world.operate("stop")
            await world.until_phase(Phase.RUNNING, "Stopping")
            await world.delete()
            await world.until(lambda: not world.exists())
            assert world.op(stop).phase is OperationPhase.CANCELLED

    play(tmp_path, scenario)


def test_finished_operations_go_after_an_hour_but_for_the_last_twenty(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            made = []
            for _ in range(25):
                made.append(await world.done(await world.operate("start")))
                await world.pass_time(2)
            await world.pass_time(3500)
            assert len(left(world)) == 25
            await world.pass_time(300)
            assert left(world) == {op.metadata.name for op in made[5:]}
            await world.delete()
            await world.pass_time(200)
            assert left(world) == set()

    play(tmp_path, scenario)


async def cancel(world: World, op: VMOperation, how: str) -> None:
    """By an annotation, or by deletion."""
    if how == "annotation":
        marked: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "now"}}}
        await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, marked)
    else:
        await world.client.delete(VM_OPERATIONS, "default", op.metadata.name)


def last_phase(world: World, op: VMOperation) -> OperationPhase | None:
    """The last phase that a watcher saw, also of an operation that is gone."""
    mine = [change.doc for change in world.api.changes if change.doc["metadata"].get("uid") == op.metadata.uid]
    return VMOperation.model_validate(mine[-1]).phase if mine else None


def reason(op: Any) -> str:
    """The reason of its end."""
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""


def left(world: World) -> set[str]:
    """The operations that the API still has."""
    return {name for path, name in world.api.objects if path == OPS}
