"""A VM's life from creation on: running, stopped, started, restarted, quiet in between; on virtual time."""

from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState, Power
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.world import NODE, World, play


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


def test_changed_spec_of_a_running_machine_asks_for_a_restart(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            await world.set(cpus=5, memory="512Mi")
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


def test_silent_agent_that_opens_its_port_anew_is_asked_at_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.agent_answers = False
        async with world.controller():
            uid = (await world.create()).metadata.uid
            await world.until(lambda: world.reason("LivenessProbe") == "AgentSilent")
            await world.pass_time(3600)
            world.hypervisor.guest_behaviour.agent_answers = True
            world.hypervisor.change(uid, "agent", agent_connected=False)
            world.hypervisor.change(uid, "agent", agent_connected=True)
            await world.until(lambda: world.reason("LivenessProbe") == "AgentAnswers", within=1)

    play(tmp_path, scenario)


def test_port_that_is_opened_all_the_time_is_no_reason_to_ask_all_the_time(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.agent_answers = False
        async with world.controller():
            uid = (await world.create()).metadata.uid
            await world.until(lambda: world.reason("LivenessProbe") == "AgentSilent")
            before = world.hypervisor.questions
            for _ in range(600):
                world.hypervisor.change(uid, "agent", agent_connected=True)
                await world.pass_time(1)
            assert world.hypervisor.questions - before <= 600 / 10 + 15

    play(tmp_path, scenario)
