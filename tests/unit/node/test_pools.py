"""storageClasses and libvirt's pools: what holds VMs up, and what does not."""

import asyncio
from pathlib import Path

import pytest

from controller.hypervisor.fake import FakeHypervisor
from controller.node.finding import NotYet
from controller.node.places import NodePlaces
from controller.node.pools import NodePools
from controller.node.storage import together
from hypersdk.errors import Terminal, Transient
from hypersdk.model.virtualmachine import ImageProgress


@pytest.fixture
def hypervisor() -> FakeHypervisor:
    return FakeHypervisor(lambda: 0.0)


@pytest.fixture
def pools(hypervisor: FakeHypervisor) -> NodePools:
    """A class in a folder and one in a pool of the host."""
    return NodePools(hypervisor, NodePlaces(Path("/state"), {"fast": Path("/fast")}, {"lab": "lab-pool"}))


async def test_folder_of_a_hosts_pool_is_found_and_known_from_then_on(pools: NodePools) -> None:
    with pytest.raises(NotYet, match="lab-pool"):
        pools.places.root("lab")
    await pools.find()
    assert pools.places.root("lab") == Path("/pools/lab-pool")


async def test_class_in_a_folder_waits_for_no_pool(pools: NodePools, hypervisor: FakeHypervisor) -> None:
    hypervisor.fail("ensure_pool", Transient("no"), Transient("no"))
    await pools.find()
    assert pools.places.root("fast") == Path("/fast")
    assert pools.places.root("lab") == Path("/pools/lab-pool")


async def test_pool_that_the_host_does_not_have_is_said(pools: NodePools, hypervisor: FakeHypervisor) -> None:
    hypervisor.fail("ensure_pool", Terminal("PoolNotFound", "the host has no storage pool lab-pool"))
    with pytest.raises(Terminal, match="no storage pool lab-pool"):
        await pools.ensure("lab")
    with pytest.raises(NotYet):
        pools.places.root("lab")


async def test_pools_are_refreshed_after_a_change_and_a_failure_harms_nobody(
    pools: NodePools, hypervisor: FakeHypervisor
) -> None:
    await pools.find()
    keeping = asyncio.ensure_future(pools.keep_fresh())
    hypervisor.fail("refresh_pool", Transient("busy"))
    pools.changed("fast", "unknown")
    pools.changed()
    while len(hypervisor.refreshed_pools) < 2:
        await asyncio.wait([keeping], timeout=0.01)
    assert set(hypervisor.refreshed_pools) < {"fast", "lab-pool", "standard"}
    keeping.cancel()
    await asyncio.wait([keeping])


def test_several_imports_are_told_as_one() -> None:
    one = ImageProgress(bytes_transferred=1, total_bytes=10, bytes_per_second=3)
    two = ImageProgress(bytes_transferred=2, total_bytes=20)
    assert together([one, two]) == ImageProgress(bytes_transferred=3, total_bytes=30, bytes_per_second=3)
    assert together([one, ImageProgress()]).total_bytes is None
