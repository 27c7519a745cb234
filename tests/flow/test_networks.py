"""What the controller does about networks that a host does not have now, and about MACs that are somebody else's."""

from dataclasses import replace
from pathlib import Path

from controller.hypervisor.port import DomainState, ObservedDomain
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
