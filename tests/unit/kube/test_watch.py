"""The list-watch loop against a server that misbehaves on purpose."""

import asyncio
import logging
from pathlib import Path

import pytest

from hypersdk.kube.cache import Cache, Health
from hypersdk.kube.client import Client, error_of
from hypersdk.kube.watch import Pace, Watch
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from tests.controlplane.caches import names, running, until
from tests.unit.kube.scripted import Step, body, bookmark, events, listing, machine, refusal, scripted, status

QUICK = Pace(first_retry=0.01, longest_retry=0.05, inactivity=5)
FOR_EVER = events(then="stay")


def _watch(client: Client, pace: Pace = QUICK) -> Watch[VirtualMachine]:
    cache: Cache[VirtualMachine] = Cache()
    return Watch(client, VIRTUAL_MACHINES, cache, namespace="default", pace=pace, chance=lambda: 1.0)


async def test_every_page_is_fetched_before_the_cache_is_live(tmp_path: Path) -> None:
    steps = [
        listing(machine("a"), version="7", next_page="more"),
        listing(machine("b"), version="7", next_page="rest"),
        listing(machine("c"), version="7"),
        FOR_EVER,
    ]
    async with scripted(tmp_path, *steps) as (script, client), running(_watch(client)) as cache:
        assert names(cache) == {"a", "b", "c"}
        assert [query.get("continue") for query in script.asked[:3]] == [None, "more", "rest"]
        assert {query["limit"] for query in script.asked[:3]} == {"500"}


async def test_a_watch_that_ends_goes_on_where_it_was(tmp_path: Path) -> None:
    steps = [
        listing(machine("a"), version="7"),
        events(("ADDED", machine("b", "8"))),
        events(("ADDED", machine("c", "9")), bookmark("20")),
        events(("ADDED", machine("d", "21")), then="stay"),
    ]
    async with scripted(tmp_path, *steps) as (script, client), running(_watch(client)) as cache:
        await until(cache, lambda: names(cache) == {"a", "b", "c", "d"})
        watches = [query["resourceVersion"] for query in script.asked if "watch" in query]
        assert watches == ["7", "8", "20"]
        assert cache.health is Health.LIVE


async def test_of_an_object_that_was_just_made_nothing_is_listed(tmp_path: Path) -> None:
    made = VirtualMachine.model_validate(machine("a", "7"))
    async with scripted(tmp_path, events(("MODIFIED", machine("a", "8")), then="stay")) as (script, client):
        watch = _watch(client)
        watch.begin_from(made)
        assert watch.cache.synced.is_set()
        async with running(watch) as cache:
            await until(cache, lambda: [vm.metadata.resource_version for vm in cache] == ["8"])
        assert [query.get("resourceVersion") for query in script.asked] == ["7"]


FORGOTTEN = {
    "as an answer": refusal(410, "Expired"),
    "as an event": events(("ERROR", status(410, "Expired"))),
}


@pytest.mark.parametrize("gone", FORGOTTEN.values(), ids=FORGOTTEN.keys())
async def test_a_forgotten_version_is_listed_again_and_deletions_are_found(tmp_path: Path, gone: Step) -> None:
    steps = [
        listing(machine("a"), machine("b"), version="7"),
        gone,
        listing(machine("b", "30"), machine("c", "31"), version="40"),
        FOR_EVER,
    ]
    told: list[frozenset[tuple[str, str]]] = []
    async with scripted(tmp_path, *steps) as (_, client):
        watch = _watch(client)
        watch.cache.subscribe(told.append)
        async with running(watch) as cache:
            await until(cache, lambda: names(cache) == {"b", "c"})
            assert cache.health is Health.LIVE, "a forgotten version is no failure"
    assert frozenset({("default", "a")}) in told, "listeners hear of the deletion"


async def test_a_continue_that_expired_starts_the_list_again(tmp_path: Path) -> None:
    steps = [
        listing(machine("a"), version="7", next_page="more"),
        refusal(410, "Expired"),
        listing(machine("b"), version="9"),
        FOR_EVER,
    ]
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client)) as cache:
        assert names(cache) == {"b"}


async def test_a_torn_connection_makes_the_cache_stale_until_it_goes_on_where_it_was(tmp_path: Path) -> None:
    steps = [
        listing(machine("a"), version="7"),
        events(("ADDED", machine("b", "8")), then="break"),
        refusal(503, "ServiceUnavailable", "etcd has no leader"),
        refusal(429, "TooManyRequests", "slow down"),
        refusal(401, "Unauthorized"),
        events(("DELETED", machine("a", "9")), then="stay"),
    ]
    health: list[tuple[Health, str]] = []
    async with scripted(tmp_path, *steps) as (script, client):
        watch = _watch(client)
        watch.cache.subscribe(lambda _: health.append((watch.cache.health, watch.cache.error)))
        async with running(watch) as cache:
            await until(cache, lambda: names(cache) == {"b"} and cache.health is Health.LIVE)
    stale = [error for state, error in health if state is Health.STALE]
    assert any("broke off" in error for error in stale)
    assert {"etcd has no leader", "slow down"} <= set(stale)
    assert [query.get("resourceVersion") for query in script.asked[1:3]] == ["7", "8"]
    assert all("watch" in query for query in script.asked[1:]), "nothing was listed again"


REFUSED_VERSIONS = {
    "as nonsense": refusal(400, "BadRequest", "invalid resource version"),
    "as one of the future": refusal(504, "Timeout", "Too large resource version"),
}


@pytest.mark.parametrize("refused", REFUSED_VERSIONS.values(), ids=REFUSED_VERSIONS.keys())
async def test_a_version_that_the_server_does_not_know_is_given_up(tmp_path: Path, refused: Step) -> None:
    steps = [listing(machine("a"), version="7"), refused, listing(machine("b"), version="2"), FOR_EVER]
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client)) as cache:
        await until(cache, lambda: names(cache) == {"b"})


NO_EVENTS = {"no JSON": b"<html>\n", "no object": b"[1]\n", "an empty event": b"{}\n"}


@pytest.mark.parametrize("line", NO_EVENTS.values(), ids=NO_EVENTS.keys())
async def test_what_is_no_event_is_a_loss_and_not_the_end(tmp_path: Path, line: bytes) -> None:
    steps = [listing(machine("a"), version="7"), body(line), events(("ADDED", machine("b", "8")), then="stay")]
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client)) as cache:
        await until(cache, lambda: names(cache) == {"a", "b"})


async def test_a_list_that_is_no_list_is_a_loss_and_not_the_end(tmp_path: Path) -> None:
    steps = [body(b"<html>"), body(b"{}"), listing(machine("a"), version="7"), FOR_EVER]
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client)) as cache:
        assert names(cache) == {"a"}


async def test_a_server_that_refuses_keeps_the_cache_loading_and_says_why(tmp_path: Path) -> None:
    async with scripted(tmp_path, refusal(403, "Forbidden", "no list for you")) as (_, client):
        watch = _watch(client)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(watch.run())
            await until(watch.cache, lambda: bool(watch.cache.error))
            task.cancel()
    assert (watch.cache.health, watch.cache.error) == (Health.LOADING, "no list for you")
    assert not watch.cache.synced.is_set()


async def test_events_may_come_in_any_pieces(tmp_path: Path) -> None:
    steps = [
        listing(version="7"),
        events(("ADDED", machine("a", "8")), ("ADDED", machine("b", "9")), ("DELETED", machine("a", "10")), piece=3),
        FOR_EVER,
    ]
    async with scripted(tmp_path, *steps) as (script, client), running(_watch(client)) as cache:
        await until(cache, lambda: names(cache) == {"b"})
        await until(cache, lambda: len(script.asked) >= 2)


async def test_an_object_that_nobody_can_read_is_skipped_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable = machine("odd", "8") | {"spec": {"cpus": "many"}}
    steps = [listing(version="7"), events(("ADDED", unreadable), ("ADDED", machine("a", "9"))), FOR_EVER]
    caplog.set_level(logging.WARNING)
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client)) as cache:
        await until(cache, lambda: names(cache) == {"a"})
    assert "unreadable VirtualMachine" in caplog.text


async def test_silence_beyond_the_limit_counts_as_a_loss(tmp_path: Path) -> None:
    steps = [listing(machine("a"), version="7"), FOR_EVER, events(("ADDED", machine("b", "8")), then="stay")]
    pace = Pace(first_retry=0.01, longest_retry=0.05, inactivity=0.2)
    async with scripted(tmp_path, *steps) as (_, client), running(_watch(client, pace)) as cache:
        await until(cache, lambda: cache.health is Health.STALE)
        await until(cache, lambda: names(cache) == {"a", "b"})


@pytest.mark.parametrize(("code", "reason"), [(429, "TooManyRequests"), (503, "ServiceUnavailable")])
async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path, code: int, reason: str) -> None:
    busy = refusal(code, reason, retry_after="1")
    clock = asyncio.get_running_loop().time
    async with scripted(tmp_path, busy, listing(machine("a"), version="7"), FOR_EVER) as (_, client):
        began = clock()
        async with running(_watch(client)) as cache:
            assert names(cache) == {"a"}
        assert clock() - began >= 1


@pytest.mark.parametrize(
    ("code", "said", "meant"),
    [(429, "7", 7), (503, "9999", 60), (429, "soon", 0), (429, "-1", 0), (429, "", 0), (500, "7", 0)],
)
def test_only_a_busy_server_is_taken_at_its_word(code: int, said: str, meant: float) -> None:
    assert error_of(code, b"", said).retry_after == meant


HASTY = {
    "ends every watch at once": [listing(version="7"), events()],
    "forgets every version at once": [listing(version="7"), refusal(410, "Expired")] * 50,
}


@pytest.mark.parametrize("hasty", HASTY.values(), ids=HASTY.keys())
async def test_a_server_that_answers_in_vain_is_asked_less_and_less(tmp_path: Path, hasty: list[Step]) -> None:
    async with scripted(tmp_path, *hasty) as (script, client):
        watch = _watch(client, Pace(first_retry=0.001, longest_retry=5))
        pauses: list[float] = []
        enough = asyncio.Event()

        def chance() -> float:
            pauses.append(asyncio.get_running_loop().time())
            enough.set() if len(pauses) == 9 else None
            return 1.0

        watch.chance = chance
        async with running(watch):
            async with asyncio.timeout(8):
                await enough.wait()
    assert pauses[-1] - pauses[0] > 0.001 * (2**8 - 1), "each pause is twice the one before"
    assert len(script.asked) <= 2 * len(pauses)


async def test_pauses_grow_to_the_longest_and_no_further(tmp_path: Path) -> None:
    async with scripted(tmp_path, FOR_EVER) as (_, client):
        watch = _watch(client, Pace(first_retry=0.2, longest_retry=15))
        pauses = [watch._delay(failures) for failures in (0, 1, 2, 5, 6, 7, 1000)]
        assert pauses == pytest.approx([0.2, 0.4, 0.8, 6.4, 12.8, 15, 15])
        watch.chance = lambda: 0.0
        assert watch._delay(7) == pytest.approx(7.5), "chance takes half of it at most"
