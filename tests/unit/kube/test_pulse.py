"""What is known of a server that says nothing: quiet is well, silent is stale."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from hypersdk.background import beside
from hypersdk.kube.cache import Cache, Health
from hypersdk.kube.client import Client
from hypersdk.kube.pulse import Beat, Pulse
from hypersdk.kube.watch import Pace, Watch
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import VirtualMachine
from tests.controlplane.caches import names, running, until
from tests.unit.kube.scripted import Step, body, events, listing, machine, refusal, scripted

QUICK = Pace(first_retry=0.01, longest_retry=0.05, inactivity=30)
IMPATIENT = Beat(quiet=0.02, patience=0.2, hung=0.2)
PATIENT = Beat(quiet=0.02, patience=30, hung=30)
FOR_EVER = events(then="stay")


async def silence(request: web.Request) -> web.StreamResponse:
    """No answer, as long as the client waits for one."""
    await asyncio.Event().wait()
    raise AssertionError


def serving(lists: list[Step], watches: list[Step], answers: list[Step]) -> Step:
    """A server that goes on by kinds of requests, whichever comes first; the last step of each is repeated."""

    async def step(request: web.Request) -> web.StreamResponse:
        steps = watches if "watch" in request.query else lists if "limit" in request.query else answers
        return await (steps.pop(0) if len(steps) > 1 else steps[0])(request)

    return step


def told(steps: list[asyncio.Event], step: Step) -> Step:
    """The step, and word that it was asked for."""
    asked = asyncio.Event()
    steps.append(asked)

    async def tell(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await step(request)

    return tell


@asynccontextmanager
async def watched(client: Client, beat: Beat = IMPATIENT) -> AsyncIterator[tuple[Cache[VirtualMachine], list[Health]]]:
    """A cache under the pulse, and what its health has been since it was filled."""
    watch = Watch(client, VIRTUAL_MACHINES, Cache(), namespace="default", pace=QUICK, chance=lambda: 1.0)
    pulse, seen = Pulse(client, beat), list[Health]()
    with pulse.over(watch):
        async with beside(pulse.run()), running(watch) as cache:
            cache.subscribe(lambda _: seen.append(cache.health))
            yield cache, seen


async def test_silent_server_makes_its_caches_stale_until_it_answers_again(tmp_path: Path) -> None:
    back = events(("ADDED", machine("b", "8")), then="stay")
    server = serving([listing(machine("a"), version="7")], [FOR_EVER, back], [silence, body(b"{}")])
    async with scripted(tmp_path, server) as (script, client), watched(client) as (cache, seen):
        await until(cache, lambda: cache.health is Health.STALE)
        assert cache.error == f"no answer from {client.connection.host}"
        await until(cache, lambda: names(cache) == {"a", "b"})
        assert cache.health is Health.LIVE
        assert Health.LOADING not in seen
    watches = [query["resourceVersion"] for query in script.asked if "watch" in query]
    assert watches[:2] == ["7", "7"], "it goes on where it was, without a list"


async def test_quiet_server_is_asked_and_believed_also_when_it_refuses(tmp_path: Path) -> None:
    asked: list[asyncio.Event] = []
    answers = [told(asked, step) for step in (body(b"{}"), refusal(403, "Forbidden"), body(b"{}"), body(b"{}"))]
    server = serving([listing(machine("a"), version="7")], [FOR_EVER], answers)
    async with scripted(tmp_path, server) as (_, client), watched(client, PATIENT) as (cache, seen):
        contact = cache.contact
        for one in asked:
            await one.wait()
        assert cache.contact > contact, "the last word of the server is not older than its last answer"
        assert seen == []


async def test_nobody_is_asked_while_the_watch_has_just_heard_something(tmp_path: Path) -> None:
    more = events(*(("MODIFIED", machine("a", str(version))) for version in range(8, 30)), then="stay")
    steps = [listing(machine("a"), version="7"), more]
    async with scripted(tmp_path, *steps) as (script, client), watched(client, Beat(quiet=60)) as (cache, _):
        await until(cache, lambda: [vm.metadata.resource_version for vm in cache] == ["29"])
    assert len(script.asked) == 2


async def test_list_that_takes_long_is_left_alone(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    begun = asyncio.Event()
    page = listing(machine("a"), version="7")

    async def slowly(request: web.Request) -> web.StreamResponse:
        begun.set()
        await go_on.wait()
        return await page(request)

    async with scripted(tmp_path, serving([slowly], [FOR_EVER], [silence])) as (script, client):
        watch = Watch(client, VIRTUAL_MACHINES, Cache[VirtualMachine](), namespace="default", pace=QUICK)
        pulse = Pulse(client, IMPATIENT)
        with pulse.over(watch):
            async with beside(pulse.run()), beside(watch.run()):
                await begun.wait()
                assert not watch.is_following
                go_on.set()
                await until(watch.cache, lambda: watch.cache.health is Health.STALE)
    assert [query for query in script.asked if "limit" in query] == script.asked[:1], "one list, and it was not cut"
