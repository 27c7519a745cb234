"""Objects after a write: the answer counts until the cache has caught up."""

from pathlib import Path

from controller.node.objects import Objects
from hypersdk.kube.cache import Cache
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from tests.flow.world import VMS, World


async def cached(world: World, cache: Cache[VirtualMachine]) -> VirtualMachine:
    """The cache as the watch leaves it."""
    vm = VirtualMachine.model_validate(world.api.objects[(VMS, "web")])
    cache.put([vm])
    return vm


async def test_answer_counts_while_the_cache_is_old() -> None:
    world = World(Path("/nowhere"))
    await world.create()
    cache: Cache[VirtualMachine] = Cache()
    objects = Objects(world.client, VIRTUAL_MACHINES, cache)
    old = await cached(world, cache)
    first = await objects.write(old, {"spec": {"running": False}})
    second = await objects.write(first, {"spec": {"cpus": 2}})
    assert objects.get("default", "web") == second
    cache.put([first])
    assert objects.get("default", "web") == second
    cache.put([second])
    assert objects.get("default", "web") == second


async def test_somebody_elses_later_write_counts_as_soon_as_it_is_seen() -> None:
    world = World(Path("/nowhere"))
    await world.create()
    cache: Cache[VirtualMachine] = Cache()
    objects = Objects(world.client, VIRTUAL_MACHINES, cache)
    old = await cached(world, cache)
    await objects.write(old, {"spec": {"running": False}})
    await world.set(cpus=7)
    newest = await cached(world, cache)
    assert objects.get("default", "web") == newest
    assert newest.spec.cpus == 7


async def test_object_that_is_gone_is_gone_and_its_successor_is_another() -> None:
    world = World(Path("/nowhere"))
    await world.create()
    cache: Cache[VirtualMachine] = Cache()
    objects = Objects(world.client, VIRTUAL_MACHINES, cache)
    old = await cached(world, cache)
    await objects.write(old, {"spec": {"running": False}})
    cache.drop(("default", "web"))
    assert objects.get("default", "web") is None


async def test_status_that_does_not_differ_is_not_written() -> None:
    world = World(Path("/nowhere"))
    vm = await world.create()
    cache: Cache[VirtualMachine] = Cache()
    objects = Objects(world.client, VIRTUAL_MACHINES, cache)
    world.api.writes.clear()
    assert await objects.write_status(vm, {"phase": "Running"}, {"phase": "Running"}) == vm
    assert world.api.writes == []
    await objects.write_status(vm, {}, {"phase": "Running"})
    assert world.api.writes == [("PATCH", f"{VMS}/web/status")]
