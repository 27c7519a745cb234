"""What the leader does for all: it places VMs, and another takes over when it is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from hypersdk.kube.leases import Election
from hypersdk.model.base import condition
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.flow.virtual import run, virtual_now
from tests.flow.world import World, play

Scenario = Callable[[World], Awaitable[None]]


def test_machine_without_a_fitting_node_waits_and_says_why(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(nodeSelector={"disk": "fast"})
            await world.until_phase(Phase.PENDING, "Unschedulable")
            found = condition(world.vm().status.conditions, "Ready")
            assert found is not None
            assert found.message == "no node takes it: node-1: it lacks the label disk=fast"
            start = await world.operate("start")
            await world.until(lambda: world.op(start).status.message == "waits until the VM has a node")
            await world.client.patch(VM_NODES, "", "node-1", {"metadata": {"labels": {"disk": "fast"}}})
            await world.until_phase(Phase.RUNNING, "Running")
            assert (await world.done(start)).phase is OperationPhase.SUCCEEDED
            assert world.event_reasons().count("FailedScheduling") == 1

    play(tmp_path, scenario)


def test_node_takes_no_more_than_its_memory(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            for name in "abc":
                await world.create(name, memory="7Gi", running=False)
            await world.until(lambda: sorted(phases(world)) == [Phase.PENDING, Phase.STOPPED, Phase.STOPPED])
            waiting = next(name for name in "abc" if world.vm(name).phase is Phase.PENDING)
            assert world.reason(name=waiting) == "Unschedulable"
            await world.delete(next(name for name in "abc" if world.vm(name).phase is Phase.STOPPED))
            await world.until_phase(Phase.STOPPED, name=waiting)

    def phases(world: World) -> list[Phase]:
        return [world.vm(name).phase for name in "abc"]

    play(tmp_path, scenario)


def test_only_one_leads_and_another_takes_over_when_it_is_gone() -> None:
    async def scenario() -> list[str]:
        world = World(Path("/nowhere"))
        told: list[str] = []

        def candidate(name: str) -> asyncio.Task[None]:
            async def lead() -> None:
                told.append(f"{name} leads at {asyncio.get_running_loop().time():.0f}")
                try:
                    await asyncio.Event().wait()
                finally:
                    told.append(f"{name} ends")

            election = Election(world.client, "hypersdk-system", "lease", name, virtual_now)
            return asyncio.ensure_future(election.run(lead))

        world.api.objects[("/api/v1/namespaces", "hypersdk-system")] = {}
        one, two = candidate("one"), candidate("two")
        await asyncio.sleep(100)
        one.cancel()
        await asyncio.sleep(100)
        world.api.go_down()
        await asyncio.sleep(100)
        two.cancel()
        await asyncio.wait([one, two])
        return told

    told = run(scenario())
    assert told[:2] == ["one leads at 0", "one ends"]
    assert told[2].startswith("two leads at 11")
    assert told[3:] == ["two ends"]
