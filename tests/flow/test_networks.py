"""What the controller does about networks that a host does not have now, and about MACs that are somebody else's."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from controller.hypervisor.port import DomainState, ObservedDomain
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import NETWORK_ATTACHMENTS
from hypersdk.model.virtualmachine import Phase
from tests.flow.world import World, play

MAC = "02:00:00:00:00:0a"
LAB = [{"name": "lab", "type": "bridge", "multusNetworkName": "br-lab"}]


def test_second_machine_with_a_mac_waits_until_the_first_one_is_gone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            for name in ("one", "two"):
                await world.create(name, networks=[{"name": "default", "macAddress": MAC}])
            await world.until_phase(Phase.RUNNING, "Running", "one")
            await world.until_phase(Phase.FAILED, "DuplicateMAC", "two")
            assert world.reason("NetworkReady", "two") == "DuplicateMAC"
            await world.pass_time(600)
            assert world.event_reasons().count("DuplicateMAC") == 1
            assert world.hypervisor.calls.count("define") == 1
            await world.delete("one")
            await world.until_phase(Phase.RUNNING, "Running", "two")

    play(tmp_path, scenario)


def test_mac_of_a_foreign_domain_is_not_given_out_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        theirs = ObservedDomain("11111111-1111-4111-8111-111111111111", "theirs", DomainState.SHUTOFF, "unknown", None)
        world.hypervisor.adopt(replace(theirs, macs=(MAC,)))
        async with world.controller():
            await world.create(networks=[{"name": "default", "macAddress": MAC}])
            await world.until_phase(Phase.FAILED, "DuplicateMAC")
            assert world.hypervisor.calls == []

    play(tmp_path, scenario)


def test_missing_bridge_is_waited_for_and_a_running_guest_outlives_it(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.missing_bridges = frozenset({"br-lab"})
        async with world.controller():
            await world.create(networks=LAB)
            await world.until_phase(Phase.FAILED, "BridgeNotFound")
            world.hypervisor.missing_bridges = frozenset()
            await world.until_phase(Phase.RUNNING, "Running")
            world.hypervisor.missing_bridges = frozenset({"br-lab"})
            await world.pass_time(600)
            assert world.vm().phase is Phase.RUNNING
            assert world.reason("NetworkReady") == "NetworkReady"

    play(tmp_path, scenario)


def attached(reference: str) -> list[dict[str, str]]:
    return [{"name": "external", "type": "multus", "multusNetworkName": reference}]


async def define(world: World, bridge: str) -> None:
    config = json.dumps({"cniVersion": "0.3.1", "type": "bridge", "bridge": bridge})
    body: JsonObject = {"metadata": {"name": "external-net"}, "spec": {"config": config}}
    await world.client.create(NETWORK_ATTACHMENTS, "default", body)


@pytest.mark.parametrize("reference", ["external-net", "default/external-net"])
def test_network_of_a_definition_is_the_bridge_that_it_names(tmp_path: Path, reference: str) -> None:
    async def scenario(world: World) -> None:
        await define(world, "br-lab")
        async with world.controller():
            await world.create(networks=attached(reference))
            await world.until_phase(Phase.RUNNING, "Running")
            there = world.hypervisor.the(world.vm().metadata.uid).hardware.interfaces
            assert [(one.kind, one.source) for one in there] == [("bridge", "br-lab")]

    play(tmp_path, scenario)


def test_network_that_is_missing_is_named_and_waited_for(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with world.controller():
            await world.create(networks=attached("external-net"))
            await world.until_phase(Phase.FAILED, "NetworkNotFound")
            found = condition(world.vm().status.conditions, "NetworkReady")
            assert found is not None
            assert (found.status, found.reason) == ("False", "NetworkNotFound")
            assert "no NetworkAttachmentDefinition external-net in namespace default" in (found.message or "")
            await define(world, "br-lab")
            await world.until_phase(Phase.RUNNING, "Running")

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("bridge", "reference", "why"),
    [("br-secret", "external-net", "NetworkNotFound"), ("br-lab", "infra/external-net", "NetworkNotFound")],
    ids=["a bridge that is not for VMs", "another namespace"],
)
def test_definition_gets_nobody_where_the_node_lets_nobody(
    tmp_path: Path, bridge: str, reference: str, why: str
) -> None:
    async def scenario(world: World) -> None:
        await define(world, bridge)
        async with world.controller():
            await world.create(networks=attached(reference))
            await world.until_phase(Phase.FAILED, why)

    play(tmp_path, scenario)


def test_pod_network_of_a_missing_bridge_is_user_mode(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        world.hypervisor.missing_bridges = frozenset({"br-pods"})
        world.settings = replace(world.settings, network="bridge:br-pods")
        async with world.controller():
            await world.create()
            await world.until_phase(Phase.RUNNING, "Running")
            assert world.reason("NetworkReady") == "UserMode"
            world.hypervisor.missing_bridges = frozenset()
            await world.done(await world.operate("restart"))
            await world.until(lambda: world.reason("NetworkReady") == "NetworkReady")

    play(tmp_path, scenario)
