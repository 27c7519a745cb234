"""Held guests: by an operation, by somebody else, by a full disk; and what other operations make of them."""

from pathlib import Path

import pytest

from controller.hypervisor.port import DiskError, DomainState, Power
from hypersdk.errors import Transient
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.world import World, play

FULL = DiskError("root", "/pool/uid-root.qcow2", True)


async def running(world: World) -> str:
    """A VM that runs; its uid."""
    vm = await world.create()
    await world.until_phase(Phase.RUNNING, "Running")
    return vm.metadata.uid


async def paused(world: World) -> str:
    """A VM that was paused; its uid."""
    uid = await running(world)
    op = await world.done(await world.operate("pause"), within=5)
    assert (op.phase, op.status.message) == (OperationPhase.SUCCEEDED, "the VM is paused")
    await world.until_phase(Phase.PAUSED, "Paused")
    return uid


def held_by_disk(world: World, uid: str) -> None:
    """The disk is full, and QEMU holds the guest."""
    world.hypervisor.change(uid, "io-error", state=DomainState.PAUSED, reason="ioerror", disk_errors=(FULL,))


def words(op: VMOperation) -> tuple[str, str]:
    """The reason of an operation's end, and its message."""
    found = condition(op.status.conditions, "Succeeded")
    assert found is not None
    return found.reason or "", found.message or ""


def test_paused_machine_stays_paused_until_it_is_resumed(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await paused(world)
            assert world.vm().spec.running is True
            pid = world.hypervisor.the(uid).pid
            await world.pass_time(600)
        async with world.controller():
            await world.pass_time(600)
            assert (world.vm().phase, world.reason()) == (Phase.PAUSED, "Paused")
            assert world.hypervisor.calls.count("resume") == 1
            resume = await world.done(await world.operate("resume"), within=5)
            assert resume.phase is OperationPhase.SUCCEEDED
            await world.until_phase(Phase.RUNNING, "Running")
            now = world.hypervisor.the(uid)
            assert (now.pid, now.owner and now.owner.power) == (pid, Power.ON)
            assert world.event_reasons().count("Paused") == 1
            assert world.event_reasons().count("Resumed") == 1
            assert world.event_reasons().count("Started") == 1

    play(tmp_path, scenario)


def test_pause_of_a_paused_and_resume_of_a_running_one_succeed_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await paused(world)
            assert (await world.done(await world.operate("pause"), within=5)).phase is OperationPhase.SUCCEEDED
            assert world.hypervisor.calls.count("suspend") == 1
            for _ in range(2):
                assert (await world.done(await world.operate("resume"), within=5)).phase is OperationPhase.SUCCEEDED
            assert world.hypervisor.calls.count("resume") == 2

    play(tmp_path, scenario)


@pytest.mark.parametrize("operation", ["pause", "resume"])
def test_machine_that_is_off_can_be_neither(tmp_path: Path, operation: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False)
            await world.until_phase(Phase.STOPPED)
            op = await world.done(await world.operate(operation), within=5)
            assert op.phase is OperationPhase.FAILED
            assert words(op)[0] == "NotRunning"
            assert world.vm().spec.running is False

    play(tmp_path, scenario)


def test_stop_of_a_paused_machine_lets_the_guest_shut_itself_down(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await paused(world)
            stop = await world.done(await world.operate("stop"), within=10)
            assert stop.phase is OperationPhase.SUCCEEDED
            assert "destroy" not in world.hypervisor.calls
            await world.until_phase(Phase.STOPPED, "Stopped")
            await world.done(await world.operate("start"))
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


@pytest.mark.parametrize("operation", ["stop", "restart"])
def test_force_does_not_wake_a_paused_machine(tmp_path: Path, operation: str) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await paused(world)
            resumes = world.hypervisor.calls.count("resume")
            op = await world.done(await world.operate(operation, force=True), within=10)
            assert op.phase is OperationPhase.SUCCEEDED
            boots = 1 if operation == "restart" else 0
            assert world.hypervisor.calls.count("resume") == resumes + boots
            assert world.hypervisor.the(uid).is_active is (operation == "restart")

    play(tmp_path, scenario)


def test_start_of_a_paused_machine_lets_it_run_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await paused(world)
            pid = world.hypervisor.the(uid).pid
            assert (await world.done(await world.operate("start"), within=5)).phase is OperationPhase.SUCCEEDED
            assert world.hypervisor.the(uid).pid == pid
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_paused_machine_is_deleted_like_any_other(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await paused(world)
            await world.delete()
            await world.until(lambda: not world.exists(), within=10)
            assert world.hypervisor.domains_by_uuid == {}

    play(tmp_path, scenario)


def test_pause_by_somebody_else_is_told_and_left_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await running(world)
            world.hypervisor.change(uid, "lifecycle", state=DomainState.PAUSED, reason="user")
            await world.until_phase(Phase.PAUSED, "PausedOutside")
            await world.pass_time(600)
            assert world.hypervisor.calls.count("resume") == 1
            world.hypervisor.change(uid, "lifecycle", state=DomainState.RUNNING, reason="unpaused")
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_somebody_else_may_let_it_run(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await paused(world)
            world.hypervisor.change(uid, "lifecycle", state=DomainState.RUNNING, reason="unpaused")
            await world.until_phase(Phase.RUNNING, "Running")
            owner = world.hypervisor.the(uid).owner
            assert owner is not None
            assert owner.power is Power.ON

    play(tmp_path, scenario)


def test_full_disk_is_named_and_resumed_once_there_is_space(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await running(world)
            world.hypervisor.disk_stays_full = True
            held_by_disk(world, uid)
            await world.until_phase(Phase.PAUSED, "DiskFull")
            found = condition(world.vm().status.conditions, "Ready")
            assert found is not None
            assert found.message == "disk root cannot grow, /pool is full: free space there, then resume the VM"
            await world.pass_time(600)
            assert world.hypervisor.calls.count("resume") == 1
            in_vain = await world.done(await world.operate("resume"), within=10)
            assert in_vain.phase is OperationPhase.FAILED
            assert words(in_vain) == ("DiskFull", f"it ran, and is held again: {found.message}")
            assert world.hypervisor.calls.count("resume") == 2
            world.hypervisor.disk_stays_full = False
            resume = await world.done(await world.operate("resume"), within=10)
            assert resume.phase is OperationPhase.SUCCEEDED
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_stop_of_a_machine_with_a_full_disk_tries_seldom_and_then_cuts_the_power(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await running(world)
            world.hypervisor.disk_stays_full = True
            held_by_disk(world, uid)
            await world.until_phase(Phase.PAUSED, "DiskFull")
            stop = await world.done(await world.operate("stop"), within=130)
            assert stop.phase is OperationPhase.SUCCEEDED
            assert world.hypervisor.calls.count("resume") == 7

    play(tmp_path, scenario)


def test_pause_that_libvirt_cannot_do_ends_at_its_deadline(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await running(world)
            world.hypervisor.fail("suspend", *(Transient("QEMU's monitor does not answer") for _ in range(100)))
            pause = await world.operate("pause", timeout="60s")
            await world.until(lambda: world.op(pause).status.message == "QEMU's monitor does not answer")
            pause = await world.done(pause, within=120)
            assert pause.phase is OperationPhase.FAILED
            assert words(pause) == ("DeadlineExceeded", "not done within 60s: QEMU's monitor does not answer")
            world.hypervisor.fail_no_more("suspend")
            await world.pass_time(120)
            assert (world.vm().phase, world.hypervisor.calls[-1]) == (Phase.RUNNING, "power=on")

    play(tmp_path, scenario)


def test_spec_changed_while_paused_is_defined_and_nothing_more(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await paused(world)
            await world.set(machineType="pc")
            await world.until(lambda: world.reason("RestartRequired") == "SpecChanged")
            await world.pass_time(120)
            now = world.hypervisor.the(uid)
            assert (now.state, now.owner and now.owner.power) == (DomainState.PAUSED, Power.PAUSED)

    play(tmp_path, scenario)
