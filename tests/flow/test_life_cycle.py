"""A VM's life from creation to deletion, on virtual time."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState, Power
from controller.node.finding import NotYet
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import ImageProgress, Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.virtual import run
from tests.flow.world import NODE, World

Scenario = Callable[[World], Awaitable[None]]


def play(tmp_path: Path, scenario: Scenario) -> World:
    """Run a scenario in a world of its own."""

    async def inner() -> World:
        world = World(tmp_path)
        await scenario(world)
        return world

    return run(inner())


def test_created_machine_is_placed_defined_and_started(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.ips = ("10.0.0.5", "fe80::1", "not an address")
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING)
            assert world.vm().status.node_name == NODE
            assert world.hypervisor.calls == ["define", "start", "resume", "power=on"]
            assert world.consoles.attached == [vm.metadata.uid]
            await world.until(lambda: bool(world.vm().status.ip_addresses))
            status = world.vm().status
            assert status.ip_addresses == ["10.0.0.5"]
            assert status.guest_agent is not None
            assert status.guest_agent.connected
            assert status.qemu_pid == world.hypervisor.the(vm.metadata.uid).pid
            assert status.observed_generation == 1
            reasons = {c.type: (c.status, c.reason) for c in status.conditions or []}
            assert reasons == {
                "Ready": ("True", "Running"),
                "AgentConnected": ("True", "AgentConnected"),
                "LivenessProbe": ("True", "AgentAnswers"),
                "DiskReady": ("True", "DisksReady"),
                "NetworkReady": ("True", "NetworkReady"),
            }
            assert world.event_reasons() == ["Scheduled", "Created", "Started"]

    play(tmp_path, scenario)


def test_machine_that_is_not_to_run_is_defined_and_never_started(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False)
            await world.until_phase(Phase.STOPPED, "Stopped")
            await world.pass_time(600)
            assert world.hypervisor.calls == ["define"]

    play(tmp_path, scenario)


def test_a_quiet_machine_is_neither_touched_nor_written(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING)
            await world.pass_time(60)
            calls = list(world.hypervisor.calls)
            world.api.writes.clear()
            await world.pass_time(3600)
            assert world.hypervisor.calls == calls
            assert not [path for _, path in world.api.writes if "virtualmachines" in path]

    play(tmp_path, scenario)


def test_stop_asks_the_guest_and_start_brings_it_back(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.until(lambda: world.reason("AgentConnected") == "AgentConnected")
            stop = await world.done(await world.operate("stop"))
            assert (stop.phase, stop.status.progress) == (OperationPhase.SUCCEEDED, 100)
            assert world.vm().spec.running is False
            await world.until_phase(Phase.STOPPED, "Stopped")
            assert "shutdown=agent" in world.hypervisor.calls
            assert "destroy" not in world.hypervisor.calls
            assert world.vm().status.qemu_pid is None
            start = await world.done(await world.operate("start"))
            assert start.phase is OperationPhase.SUCCEEDED
            assert world.vm().spec.running is True
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_guest_that_ignores_the_request_loses_its_power_after_the_grace(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            began = world.elapsed()
            await world.set(running=False)
            await world.until_phase(Phase.RUNNING, "Stopping")
            asked = condition(world.vm().status.conditions, "Stopping")
            assert asked is not None
            assert asked.status == "True"
            await world.until_phase(Phase.STOPPED, "Stopped")
            assert 119 < world.elapsed() - began < 125
            assert len([call for call in world.hypervisor.calls if call.startswith("shutdown")]) == 6
            assert condition(world.vm().status.conditions, "Stopping") is None
            words = next(event.message or "" for event in world.events() if event.reason == "PowerCut")
            assert "within 120 s" in words

    play(tmp_path, scenario)


def test_grace_is_counted_on_by_the_next_controller(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            began = world.elapsed()
            await world.set(running=False)
            await world.until_phase(Phase.RUNNING, "Stopping")
            await world.pass_time(60)
        async with world.controller():
            await world.until_phase(Phase.STOPPED, "Stopped")
            assert 119 < world.elapsed() - began < 125

    play(tmp_path, scenario)


def test_forced_stop_does_not_ask(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            stop = await world.done(await world.operate("stop", force=True), within=5)
            assert stop.phase is OperationPhase.SUCCEEDED
            assert not [call for call in world.hypervisor.calls if call.startswith("shutdown")]

    play(tmp_path, scenario)


@pytest.mark.parametrize("force", [False, True], ids=["asked", "forced"])
def test_restart_ends_with_another_qemu(tmp_path: Path, force: bool) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            vm = await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            pid = world.hypervisor.the(vm.metadata.uid).pid
            restart = await world.done(await world.operate("restart", force=force))
            assert restart.phase is OperationPhase.SUCCEEDED
            now = world.hypervisor.the(vm.metadata.uid)
            assert now.state is DomainState.RUNNING
            assert now.pid != pid
            assert now.owner is not None
            assert now.owner.power is Power.ON
            await world.until_phase(Phase.RUNNING, "Running")
            await world.pass_time(600)
            assert world.hypervisor.the(vm.metadata.uid).pid == now.pid

    play(tmp_path, scenario)


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


def test_import_is_shown_and_then_the_machine_starts(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = ImageProgress(bytes_transferred=25, total_bytes=100)
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.CREATING, "Importing")
            assert world.vm().status.image_progress is not None
            found = condition(world.vm().status.conditions, "DiskReady")
            assert found is not None
            assert found.message == "importing the image, 25%"
            world.storage.outcome = None
            world.storage.wakes[-1]()
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.vm().status.image_progress is None
            assert world.event_reasons() == ["Scheduled", "Importing", "Imported", "Created", "Started"]

    play(tmp_path, scenario)


def test_failing_import_is_said_and_tried_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = NotYet("ImportFailed", "image x: the server says 503", 30)
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "ImportFailed")
            await world.pass_time(300)
            told = [event for event in world.events() if event.reason == "ImportFailed"]
            assert [event.count for event in told] == [1]
            world.storage.outcome = None
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_terminal_import_stops_and_a_start_fails_with_its_words(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.storage.outcome = Terminal("ChecksumMismatch", "image x has another sha256")
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "ChecksumMismatch")
            start = await world.done(await world.operate("start"))
            assert start.phase is OperationPhase.FAILED
            assert start.status.message == "image x has another sha256"

    play(tmp_path, scenario)


def test_failing_start_is_failed_with_words_and_tried_again_ever_later(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.logs["default.web"] = ["could not open disk"]
        world.hypervisor.fail("start", *(Transient("cannot start: no memory") for _ in range(3)))
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "StartFailed")
            found = condition(world.vm().status.conditions, "Ready")
            assert found is not None
            assert found.message == "the VM cannot be started: cannot start: no memory\ncould not open disk"
            await world.until_phase(Phase.RUNNING, "Running")
            assert 7.5 + 15 + 30 <= world.elapsed() <= 60
            assert world.hypervisor.calls.count("start") == 4
            told = [event for event in world.events() if event.reason == "StartFailed"]
            assert [event.count for event in told] == [3]

    play(tmp_path, scenario)


def test_refused_definition_stops_until_the_spec_changes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.fail("define", Terminal("Unsupported", "libvirt refuses it"))
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.FAILED, "Unsupported")
            await world.pass_time(3600)
            assert world.hypervisor.calls.count("define") == 1
            await world.set(cpus=2)
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


def test_changed_spec_of_a_running_machine_asks_for_a_restart(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.set(cpus=2, memory="512Mi")
            await world.until(lambda: world.reason("RestartRequired") == "SpecChanged")
            found = condition(world.vm().status.conditions, "RestartRequired")
            assert found is not None
            assert found.message == "changed since the guest was started: cpus, memory"
            await world.pass_time(300)
            assert world.hypervisor.calls.count("define") == 2
            await world.done(await world.operate("restart"))
            await world.until(lambda: condition(world.vm().status.conditions, "RestartRequired") is None)
            assert world.hypervisor.calls.count("define") == 2

    play(tmp_path, scenario)


def test_silent_agent_is_asked_ever_less_often(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.agent_answers = False
        async with world.controller():
            await world.create()
            await world.until(lambda: world.reason("LivenessProbe") == "AgentSilent")
            await world.pass_time(3600)
            assert 25 <= world.hypervisor.questions <= 45
            world.hypervisor.guest_behaviour.agent_answers = True
            await world.until(lambda: world.reason("LivenessProbe") == "AgentAnswers", within=150)

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
