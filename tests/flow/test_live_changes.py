"""A running VM's spec is edited, on virtual time: what is made at once, what is refused, what a kill leaves behind."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller.hypervisor.port import Hardware
from controller.node.finding import NotYet
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Phase
from tests.flow.world import World, play

ROOT = {"name": "root", "size": "2Gi"}
DATA = {"name": "data", "size": "1Gi"}
LAN = {"name": "lan", "macAddress": "52:54:00:00:00:09"}
REFUSED = Terminal("ChangeRefused", "no more PCI slots")


def hardware(world: World) -> Hardware:
    return world.hypervisor.the(world.vm().metadata.uid).hardware


def disks(world: World) -> list[str]:
    return [disk.name for disk in hardware(world).disks if disk.device == "disk"]


def made(world: World, kind: str) -> int:
    return sum(call.partition("=")[0] == kind for call in world.hypervisor.calls)


def restart_required(world: World) -> str:
    found = condition(world.vm().status.conditions, "RestartRequired")
    return (found.message or "") if found else ""


async def begin(world: World) -> None:
    await world.create(memory="1Gi", disks=[ROOT], networks=[{"name": "default"}])
    await world.until_phase(Phase.RUNNING, "Running")


async def edit(world: World, holds: Callable[[], bool], **spec: Any) -> None:
    """Edit the spec, and wait for something of the running domain and for its definition."""
    await world.set(**spec)
    async with asyncio.timeout(120):
        while not holds() or world.vm().status.observed_generation != world.vm().metadata.generation:
            await world.api.changed.wait()
    await world.pass_time(60)


def test_edit_of_a_running_machine_is_made_at_once_and_once(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            more: dict[str, Any] = {"disks": [ROOT, DATA], "networks": [{"name": "default"}, LAN]}
            await edit(world, lambda: hardware(world).cpus == 3, cpus=3, memory="2Gi", **more)

            assert disks(world) == ["root", "data"]
            assert hardware(world).interfaces[1].mac == LAN["macAddress"]
            assert hardware(world).dimm_bytes == 2**30
            assert (made(world, "attach"), made(world, "cpus"), made(world, "dimm")) == (2, 1, 1)
            assert made(world, "define") == 2
            assert restart_required(world) == ""
            changes = [event.message for event in world.events() if event.reason == "ChangedLive"]
            assert [(message or "").partition(":")[0] for message in changes] == ["disks", "networks", "cpus", "memory"]

            await edit(world, lambda: disks(world) == ["root"], disks=[ROOT], networks=[{"name": "default"}])
            assert len(hardware(world).interfaces) == 1
            told = next(event.message or "" for event in world.events() if "pulled out" in (event.message or ""))
            assert "its data stays in" in told
            assert "-disk-data.qcow2" in told
            assert world.storage.removed == []

    play(tmp_path, scenario)


def test_what_cannot_be_changed_now_waits_and_is_named_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            await edit(world, lambda: disks(world) == ["root", "data"], machineType="pc", disks=[ROOT, DATA])
            assert restart_required(world) == "changed since the guest was started: machineType"

            await edit(world, lambda: restart_required(world) == "", machineType="q35")
            await edit(world, lambda: hardware(world).cpus == 2, cpus=2)
            await edit(world, lambda: restart_required(world).endswith(": cpus"), cpus=1)
            assert hardware(world).cpus == 2

    play(tmp_path, scenario)


def test_refused_change_is_told_with_its_reason_and_tried_ever_less_often(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.hypervisor.fail("attach", *[REFUSED] * 4)
            await edit(world, lambda: "no more PCI slots" in restart_required(world), disks=[ROOT, DATA], cpus=2)
            assert restart_required(world) == "changed since the guest was started: disks\ndisks: no more PCI slots"
            assert hardware(world).cpus == 2
            assert made(world, "attach") <= 3
            await world.until(lambda: restart_required(world) == "", 1800)
            assert disks(world) == ["root", "data"]
            assert made(world, "attach") == 5
            assert world.event_reasons().count("ChangeRefused") == 1

    play(tmp_path, scenario)


def test_lost_libvirt_is_no_refusal(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.hypervisor.fail("attach", Transient("libvirtd has gone"))
            await edit(world, lambda: disks(world) == ["root", "data"], disks=[ROOT, DATA])
            assert "ChangeRefused" not in world.event_reasons()

    play(tmp_path, scenario)


def test_disk_that_cannot_be_made_holds_up_the_disks_alone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            world.storage.outcome = NotYet("InsufficientStorage", "the pool is full", 10.0)
            await edit(world, lambda: hardware(world).cpus == 2, disks=[ROOT, DATA], cpus=2)
            assert (disks(world), world.reason("DiskReady")) == (["root"], "InsufficientStorage")
            assert restart_required(world) == "changed since the guest was started: disks"
            assert world.vm().phase is Phase.RUNNING

            world.storage.outcome = None
            await world.until(lambda: world.reason("DiskReady") == "DisksReady")
            assert disks(world) == ["root", "data"]

    play(tmp_path, scenario)


def test_machine_that_is_off_is_only_defined_anew(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False, disks=[ROOT])
            await world.until_phase(Phase.STOPPED)
            await world.set(cpus=3, disks=[ROOT, DATA])
            await world.until(lambda: world.hypervisor.calls == ["define", "define"])
            await world.set(running=True)
            await world.until_phase(Phase.RUNNING, "Running")
            assert (hardware(world).cpus, disks(world)) == (3, ["root", "data"])
            assert restart_required(world) == ""

    play(tmp_path, scenario)


@pytest.mark.parametrize("death", range(12))
def test_controller_killed_while_changing_leaves_no_change_half_or_twice_made(tmp_path: Path, death: int) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await begin(world)
            await world.set(cpus=2, disks=[ROOT, DATA], networks=[{"name": "default"}, LAN])
            died = world.die_at(death)
            waiting = asyncio.ensure_future(died.wait())
            await asyncio.wait([waiting], timeout=120)
            waiting.cancel()
        world.live_on()
        async with world.controller():
            await world.until(lambda: world.vm().status.observed_generation == 2, 300)
            await world.pass_time(60)
            assert (disks(world), len(hardware(world).interfaces), hardware(world).cpus) == (["root", "data"], 2, 2)
            assert made(world, "attach") == 2
            assert restart_required(world) == ""
            owner = world.hypervisor.the(world.vm().metadata.uid).owner
            await world.pass_time(300)
            assert world.hypervisor.the(world.vm().metadata.uid).owner == owner
            assert made(world, "define") == 2

    play(tmp_path, scenario)
