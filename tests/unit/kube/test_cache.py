"""The cache tells its listeners what changed, and how far it can be trusted."""

from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.model.virtualmachine import VirtualMachine
from tests.unit.kube.scripted import machine


def _machines(*names: str, cpus: int = 1) -> list[VirtualMachine]:
    return [VirtualMachine.model_validate(machine(name, cpus=cpus)) for name in names]


def _filled(*names: str) -> tuple[Cache[VirtualMachine], list[frozenset[Key]]]:
    cache: Cache[VirtualMachine] = Cache()
    cache.put(_machines(*names))
    told: list[frozenset[Key]] = []
    cache.subscribe(told.append)
    return cache, told


def _keys(*names: str) -> frozenset[Key]:
    return frozenset(("default", name) for name in names)


def test_put_adds_and_replaces_and_tells_at_once() -> None:
    cache, told = _filled("a")
    cache.put(_machines("a", "b", cpus=4))
    assert {name: vm.spec.cpus for (_, name), vm in cache.objects.items()} == {"a": 4, "b": 4}
    assert told == [_keys("a", "b")]
    assert len(cache) == 2


def test_drop_of_what_is_not_there_tells_nothing() -> None:
    cache, told = _filled("a")
    cache.drop(("default", "b"))
    assert told == []
    cache.drop(("default", "a"))
    assert told == [_keys("a")]
    assert cache.get("default", "a") is None


def test_keep_only_forgets_the_rest() -> None:
    cache, told = _filled("a", "b", "c")
    cache.keep_only(set(_keys("b", "new")))
    assert set(cache.objects) == {("default", "b")}
    assert told == [_keys("a", "c")]
    cache.keep_only(set(_keys("b")))
    assert len(told) == 1


def test_health_is_told_when_it_changes_and_only_then() -> None:
    cache, told = _filled()
    assert cache.health is Health.LOADING
    cache.lost("no route")
    assert (cache.health, cache.error) == (Health.LOADING, "no route")
    cache.live(1.0)
    cache.live(2.0)
    assert (cache.health, cache.error, cache.contact) == (Health.LIVE, "", 2.0)
    cache.lost("gone")
    cache.lost("gone")
    assert (cache.health, cache.error) == (Health.STALE, "gone")
    assert told == [frozenset()] * 3
    assert cache.synced.is_set(), "what was seen once stays readable"


def test_a_listener_that_stops_hears_no_more() -> None:
    cache, told = _filled("a")
    more: list[frozenset[Key]] = []
    stop = cache.subscribe(more.append)
    cache.drop(("default", "a"))
    stop()
    cache.put(_machines("b"))
    assert (len(told), len(more)) == (2, 1)


def test_reading_while_it_changes_is_safe() -> None:
    cache, _ = _filled("a", "b")
    for vm in cache:
        cache.drop(vm.key)
    assert len(cache) == 0
