"""How much is written: little for a quiet fleet, bounded in a storm, and at once where a person waits for it."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import Phase
from tests.flow.virtual import virtual_now
from tests.flow.world import World, play

FLEET = 50
MINUTES = 10


async def one(world: World) -> str:
    """A VM that has run for long; its uid."""
    vm = await world.create()
    await world.until(lambda: world.reason("LivenessProbe") == "AgentAnswers")
    await world.pass_time(300)
    return vm.metadata.uid


@pytest.mark.timeout(240)
def test_quiet_fleet_writes_less_than_one_object_a_second(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.host = replace(world.hypervisor.host, cpus=64, memory_bytes=256 * 2**30)
        world.hypervisor.guest_behaviour.ips = ("10.0.0.5", "fd00::5")
        async with world.controller():
            names = [f"vm-{number}" for number in range(FLEET)]
            for name in names:
                await world.create(name)
            await world.until(lambda: all(world.reason("LivenessProbe", name) == "AgentAnswers" for name in names))
            await world.pass_time(300)
            world.api.writes.clear()
            for minute in range(MINUTES):
                # Idle guests: their figures tremble.
                world.usage.sample = trembling(minute)
                await world.pass_time(60)
            kinds = Counter(kind_of(path) for _, path in world.api.writes)
            assert len(world.api.writes) < MINUTES * 60, kinds
            assert kinds["events"] == 0, kinds

    play(tmp_path, scenario)


def trembling(minute: int) -> Sample:
    """What an idle guest is measured to use."""
    memory = (200 + minute % 3) * 2**20
    return Sample(time=virtual_now().timestamp(), cpu_percent=1 + minute % 4, memory_used_bytes=memory)


def kind_of(path: str) -> str:
    """What was written, by the path of its API."""
    return next(part for part in ("events", "leases", "vmnodes", "vmoperations", "virtualmachines") if part in path)


def test_new_address_and_lost_agent_are_seen_soon(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.ips = ("10.0.0.5",)
        async with world.controller():
            uid = await one(world)
            world.hypervisor.guest_behaviour.ips = ("10.0.0.6",)
            await world.until(lambda: world.vm().status.ip_addresses == ["10.0.0.6"], within=31)
            world.hypervisor.change(uid, "agent", agent_connected=False)
            await world.until(lambda: world.reason("AgentConnected") == "AgentNotConnected", within=1)
            world.hypervisor.change(uid, "agent", agent_connected=True)
            await world.until(lambda: world.reason("AgentConnected") == "AgentConnected", within=1)

    play(tmp_path, scenario)


def test_flapping_agent_is_written_seldom_and_in_the_end_rightly(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await one(world)
            world.api.writes.clear()
            for number in range(1001):
                world.hypervisor.change(uid, "agent", agent_connected=number % 2 == 0)
                await world.pass_time(0.05)
            written = [path for _, path in world.api.writes if "virtualmachines" in path]
            assert len(written) <= 5 + 50 / 10 + 1
            assert "events" not in {kind_of(path) for _, path in world.api.writes}
            await world.until(lambda: world.reason("AgentConnected") == "AgentConnected", within=15)

    play(tmp_path, scenario)


def test_thousand_events_of_libvirt_are_no_thousand_writes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await one(world)
            world.api.writes.clear()
            for _ in range(250):
                for what in ("lifecycle", "reboot", "watchdog", "io-error"):
                    world.hypervisor.change(uid, what)
                await world.pass_time(0.1)
            told = [event for event in world.events() if event.reason in {"GuestRebooted", "WatchdogReset"}]
            assert {event.reason for event in told} == {"WatchdogReset"}
            assert [event.count for event in told] == [3]
            assert len([path for _, path in world.api.writes if "virtualmachines" in path]) <= 4

    play(tmp_path, scenario)


def test_guest_that_reboots_for_ever_is_one_event_with_a_bounded_count(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await one(world)
            for _ in range(300):
                world.hypervisor.change(uid, "reboot")
                await world.pass_time(12)
            told = [event for event in world.events() if event.reason == "GuestRebooted"]
            assert len(told) == 1
            assert 20 <= (told[0].count or 0) <= 10 + 3600 / 300 + 1

    play(tmp_path, scenario)


def test_crash_loop_is_one_event_of_each_reason(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await one(world)
            for _ in range(40):
                world.hypervisor.go_off(uid, "crashed")
                await world.until_phase(Phase.FAILED, "GuestCrashed")
                await world.done(await world.operate("start"))
                await world.until_phase(Phase.RUNNING, "Running")
            counts = Counter(world.event_reasons())
            assert (counts["GuestCrashed"], counts["Started"]) == (1, 1)
            told = {event.reason: event.count for event in world.events()}
            assert told["GuestCrashed"] == 10

    play(tmp_path, scenario)


def test_guest_held_and_let_run_by_others_for_ever_is_bounded_too(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            uid = await one(world)
            for _ in range(100):
                world.hypervisor.change(uid, "lifecycle", state=DomainState.PAUSED, reason="user")
                await world.until_phase(Phase.PAUSED, "PausedOutside")
                world.hypervisor.change(uid, "lifecycle", state=DomainState.RUNNING, reason="unpaused")
                await world.until_phase(Phase.RUNNING, "Running")
            told = [event for event in world.events() if event.reason == "PausedOutside"]
            assert [event.count for event in told] == [10]

    play(tmp_path, scenario)


def test_agent_that_floods_with_addresses_is_cut_and_written_seldom(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await one(world)
            world.api.writes.clear()
            for number in range(60):
                world.hypervisor.guest_behaviour.ips = tuple(
                    f"10.{number}.{n // 250}.{n % 250 + 1}" for n in range(900)
                )
                await world.pass_time(5)
            assert len(world.vm().status.ip_addresses or []) == 32
            assert len([path for _, path in world.api.writes if "virtualmachines" in path]) <= 5 + 300 / 10
            await world.until(lambda: "10.59.0.1" in (world.vm().status.ip_addresses or []), within=30)

    play(tmp_path, scenario)
