"""What is said of nodes that do not report, and of nodes that cannot do what they were set to."""

import asyncio
from dataclasses import replace
from pathlib import Path

from hypersdk.model.base import Condition, JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmnode import VMNode
from tests.flow.world import World, play

NODES = "/apis/hypersdk.io/v1alpha1/vmnodes"


def node(world: World, name: str = "node-1") -> VMNode:
    """The node as the API has it."""
    return VMNode.model_validate(world.api.objects[(NODES, name)])


def ready_of(world: World, name: str = "node-1") -> Condition:
    """Its Ready condition."""
    found = condition(node(world, name).status.conditions, "Ready")
    assert found is not None
    return found


async def other_node(world: World) -> None:
    """Another node that reported once, with a VM on it that ran."""
    await world.client.create(VM_NODES, "", {"metadata": {"name": "node-2"}, "spec": {"unschedulable": True}})
    ready: JsonObject = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    status: JsonObject = {"conditions": [ready], "lastHeartbeatTime": "2026-01-01T00:00:00Z"}
    await world.client.patch(VM_NODES, "", "node-2", {"status": status}, subresource="status")
    await world.create("far")
    placed: JsonObject = {"nodeName": "node-2", "phase": "Running", "qemuPid": 77}
    await world.client.patch(VIRTUAL_MACHINES, "default", "far", {"status": placed}, subresource="status")


def test_silent_node_and_its_machines_become_unknown_and_nothing_is_done_to_them(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await other_node(world)
        async with world.controller():
            await world.create("near")
            await world.until_phase(Phase.RUNNING, "Running", name="near")
            calls = list(world.hypervisor.calls)
            await world.until_phase(Phase.UNKNOWN, "NodeSilent", name="far")
            assert (ready_of(world, "node-2").status, ready_of(world, "node-2").reason) == (
                "Unknown",
                "NodeStatusUnknown",
            )
            assert world.vm("far").status.qemu_pid == 77
            await world.pass_time(3600)
            assert ready_of(world).status == "True"
            assert world.vm("near").phase is Phase.RUNNING
            assert world.hypervisor.calls == calls
            assert world.event_reasons().count("NodeSilent") == 1

    play(tmp_path, scenario)


def test_node_that_speaks_again_tells_of_itself_and_of_its_machines(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
        lost: JsonObject = {"type": "Ready", "status": "Unknown", "reason": "NodeSilent"}
        said: JsonObject = {"phase": "Unknown", "conditions": [lost | {"lastTransitionTime": "2026-01-01T00:00:00Z"}]}
        await world.client.patch(VIRTUAL_MACHINES, "default", "web", {"status": said}, subresource="status")
        async with world.controller():
            await world.until_phase(Phase.RUNNING, "Running")
            assert ready_of(world).status == "True"

    play(tmp_path, scenario)


def test_kvm_that_is_insisted_on_and_useless_is_told_on_the_node_and_on_the_machine(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(running=False)
            await world.until_phase(Phase.STOPPED, "Stopped")
        words = "a guest does not run under it"
        world.hypervisor.host = replace(world.hypervisor.host, virt_type="kvm", kvm_works=False, kvm_reason=words)
        async with world.controller() as controller:
            waiting = asyncio.ensure_future(world.done(await world.operate("start")))
            await world.until_phase(Phase.FAILED, "KvmUnusable")
            assert words in str(world.vm().wire())
            assert (ready_of(world).status, ready_of(world).reason) == ("False", "KvmUnusable")
            await world.create("new")
            await world.until(lambda: world.reason(name="new") == "Unschedulable")
            world.hypervisor.host = replace(world.hypervisor.host, virt_type="qemu")
            await controller.host.refresh()
            await world.until_phase(Phase.RUNNING, "Running")
            await waiting

    play(tmp_path, scenario)
