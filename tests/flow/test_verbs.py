"""What a person's verbs come to: each ends only after its effect was seen, and says so."""

from pathlib import Path

import pytest

from hypersdk.errors import UsageError
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.verbs.operation import cancel
from hypersdk.verbs.table import DELETE, PAUSE, RESIZE, RESUME
from hypersdk.verbs.verb import Values, Verb
from tests.flow.world import World, play


class Heard:
    """What a verb told while it went on."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __call__(self, percent: int | None, message: str) -> None:
        """Remember it."""
        self.words.append(message)


async def do(world: World, verb: Verb, values: Values | None = None) -> tuple[bool, str]:
    """Do it to the VM as it is now."""
    outcome = await verb.run(world.client, world.vm(), values or {}, Heard())
    return outcome.ok, outcome.message


def test_pause_and_resume_apply_in_turn_and_end_with_what_was_seen(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            assert (PAUSE.applies(world.vm()), RESUME.applies(world.vm())) == (True, False)
            assert await do(world, PAUSE) == (True, "the VM is paused")
            await world.until_phase(Phase.PAUSED, "Paused")
            assert (PAUSE.refusal(world.vm()), RESUME.applies(world.vm())) == ("web is Paused", True)
            ok, words = await do(world, RESUME)
            assert (ok, words.startswith("the VM runs")) == (True, True)

    play(tmp_path, scenario)


def test_delete_keeps_the_disks_only_when_asked(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            for values in ({}, {"keep-disks": True}):
                vm = await world.create()
                await world.until_phase(Phase.RUNNING, "Running")
                assert await do(world, DELETE, values) == (True, "web is deleted")
                assert (vm.metadata.uid in world.storage.kept) is bool(values)

    play(tmp_path, scenario)


def test_resize_takes_a_size_and_says_what_came_of_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(cpus=2, memory="1Gi")
            await world.until_phase(Phase.RUNNING, "Running")
            await world.until(lambda: world.reason("AgentConnected") == "AgentConnected")
            for values in ({}, {"hotplug": True}):
                with pytest.raises(UsageError, match="resize web to what"):
                    await do(world, RESIZE, values)
            told = (True, "the guest has 4 CPUs and 2Gi of memory, and uses them")
            assert await do(world, RESIZE, {"cpus": 4, "memory": "2Gi", "hotplug": True}) == told
            ok, words = await do(world, RESIZE, {"cpus": 1})
            assert (ok, "at the next start (RestartRequired)" in words) == (True, True)

    play(tmp_path, scenario)


def test_cancelling_waits_for_the_end_and_says_when_it_came_too_late(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.guest_behaviour.obeys = False
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            stop = await world.operate("stop")
            await world.until_phase(Phase.RUNNING, "Stopping")
            outcome = await cancel(world.client, stop, Heard())
            assert (outcome.ok, outcome.message) == (True, f"{stop.metadata.name} is Cancelled: it was cancelled")
            force = await world.done(await world.operate("stop", force=True))
            assert force.phase is OperationPhase.SUCCEEDED
            outcome = await cancel(world.client, force, Heard())
            assert (outcome.ok, outcome.message) == (False, f"{force.metadata.name} is Succeeded: the VM is off")

    play(tmp_path, scenario)
