"""Are guests on the networks that their VMs name, with the MACs that stay theirs, and are their addresses seen?

Two real guests, one of them without an agent, each on libvirt's network and on a bridge of the host.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from ipaddress import ip_address

import pytest
import pytest_asyncio

from controller.node.networks import stable_mac
from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Address, Phase
from hypersdk.settings import places
from tests.controlplane.api import Api
from tests.folders import open_folder
from tests.libvirt.benches import Bridge, host_bridge, lone_bench
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]

BRIDGE = Bridge("br-lab", "10.78.0.1", "fd00:78::1")
NETWORKS = [{"name": "default"}, {"name": "lab", "type": "bridge", "multusNetworkName": BRIDGE.name}]
SCRIPT = """#!/bin/sh
ip addr add {ip}/24 dev eth1
ip -6 addr add {ip6}/64 dev eth1
ping -c 3 {host} >/dev/null
"""
BOOT_WITHIN_S = 300.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(embedded_api: Api, libvirtd: Libvirtd, private_network: None) -> AsyncIterator[Bench]:
    """A controller with both guests, `told` with an agent and `mute` without."""
    with open_folder() as folder, host_bridge(BRIDGE):
        async with lone_bench(embedded_api, libvirtd, folder, "--bridge", BRIDGE.name) as made:
            image = await asyncio.to_thread(build, places(os.environ).cache, print)
            copy = await asyncio.to_thread(shutil.copy, image, made.controller.images / "demo.qcow2")
            for number, (name, agent) in enumerate({"told": True, "mute": False}.items(), start=10):
                script = SCRIPT.format(ip=f"10.78.0.{number}", ip6=f"fd00:78::{number}", host=BRIDGE.ip)
                await made.create(
                    name,
                    f"file://{copy}",
                    networks=[{**network} for network in NETWORKS],
                    cloudInit={"userData": script},
                    guestAgent={"enabled": agent},
                )
            yield made


async def test_agent_tells_of_every_network_and_of_ipv6(here: Bench) -> None:
    await here.until(lambda: bool(here.vm("told").metadata.uid), BOOT_WITHIN_S)
    uid = here.vm("told").metadata.uid
    macs = {"eth0": stable_mac(uid, "default"), "eth1": stable_mac(uid, "lab")}
    await here.until(lambda: told(here, "told") == ({"agent"}, macs), BOOT_WITHIN_S)
    await here.until(lambda: {"10.78.0.10", "fd00:78::10"} <= ips(here, "told"), BOOT_WITHIN_S)
    seen = addresses(here, "told")
    assert all(place.last_seen is not None for place in seen)
    assert [ip_address(place.ip).version for place in seen] == sorted(ip_address(place.ip).version for place in seen)
    found = condition(here.vm("told").status.conditions, "NetworkReady")
    assert found is not None
    assert (found.status, found.message) == ("True", "on libvirt network default")


async def test_guest_without_an_agent_is_known_by_its_lease_and_its_answers_to_arp(here: Bench) -> None:
    uid = here.vm("mute").metadata.uid
    sources = {"lease": stable_mac(uid, "default"), "arp": stable_mac(uid, "lab")}
    await here.until(
        lambda: {place.source: place.mac_address for place in addresses(here, "mute")} == sources, BOOT_WITHIN_S
    )
    assert "10.78.0.11" in ips(here, "mute")


async def test_macs_and_networks_are_the_same_after_a_restart(here: Bench, libvirtd: Libvirtd) -> None:
    await here.until_phase("mute", Phase.RUNNING, "Running", BOOT_WITHIN_S)
    uid = here.vm("mute").metadata.uid
    before = virsh(libvirtd.uri, "domiflist", uid)
    assert [line.split()[1:3] for line in before.splitlines()] == [["network", "default"], ["bridge", BRIDGE.name]]
    await here.operate("mute", "restart", force=True)
    after = virsh(libvirtd.uri, "domiflist", uid)
    assert [line.split()[-1] for line in after.splitlines()] == [line.split()[-1] for line in before.splitlines()]


def addresses(here: Bench, name: str) -> list[Address]:
    """What the VM's status says of them."""
    return here.vm(name).status.addresses or []


def told(here: Bench, name: str) -> tuple[set[str], dict[str | None, str | None]]:
    """Who told of the addresses, and the MAC of each interface."""
    seen = addresses(here, name)
    return {place.source for place in seen}, {place.interface: place.mac_address for place in seen}


def ips(here: Bench, name: str) -> set[str]:
    """The addresses alone."""
    return {place.ip for place in addresses(here, name)}
