"""The feed: caches filled, changes gathered, at most one word a tick."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypersdk.model.virtualmachine import Phase
from tests.tui.builders import event, operation, vm
from tests.tui.scripted import ScriptedSession
from tui.changes import Changes
from tui.feed import Feed


class Told:
    """Counts how often it is told, and lets a test wait for it."""

    def __init__(self) -> None:
        self.times = 0
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self._event.set()

    async def again(self) -> None:
        """Wait for the next time."""
        self._event.clear()
        async with asyncio.timeout(5):
            await self._event.wait()


@asynccontextmanager
async def running(session: ScriptedSession) -> AsyncIterator[tuple[Feed, Told]]:
    told = Told()
    feed = Feed(session, "default", told)
    task = asyncio.create_task(feed.run())
    try:
        await told.again()
        feed.take()
        yield feed, told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_many_changes_are_one_word() -> None:
    async with running(session := ScriptedSession()) as (feed, told):
        before = told.times
        for number in range(100):
            session.put(vm(f"vm-{number % 10}"))
        await told.again()
        assert told.times == before + 1
        assert feed.take() == Changes(vms=frozenset(("default", f"vm-{n}") for n in range(10)))
        assert feed.take() == Changes()


async def test_operation_makes_its_vm_busy_until_it_is_over() -> None:
    async with running(session := ScriptedSession(objects=[vm("a")])) as (feed, told):
        session.put(operation("a", "start"))
        await told.again()
        assert ("default", "a") in feed.take().vms
        assert feed.pending(("default", "a")) is not None
        session.put(operation("a", "start", "Failed"))
        await told.again()
        changes = feed.take()
        assert ("default", "a") in changes.vms
        assert ("default", "a") in changes.talk
        assert feed.pending(("default", "a")) is None


async def test_deleted_operation_frees_its_vm() -> None:
    async with running(session := ScriptedSession(objects=[vm("a"), operation("a", "start")])) as (feed, told):
        assert feed.pending(("default", "a")) is not None
        session.caches["vmoperations", "default"].drop(("default", "a-start"))
        await told.again()
        assert feed.pending(("default", "a")) is None
        assert session


async def test_event_is_talk_about_its_vm() -> None:
    async with running(session := ScriptedSession()) as (feed, told):
        session.put(event("a", "Started", "runs"))
        await told.again()
        assert feed.take().talk == frozenset({("default", "a")})


async def test_stale_has_an_age_and_live_has_none() -> None:
    async with running(session := ScriptedSession()) as (feed, _):
        now = asyncio.get_running_loop().time()
        assert feed.stale_for(now) is None
        session.lose("no answer")
        assert feed.stale_for(now + 12) is not None
        session.find()
        assert feed.stale_for(now) is None


async def test_a_feed_that_ended_holds_nothing() -> None:
    async with running(ScriptedSession(objects=[vm("a")])) as (feed, told):
        assert len(feed.vms) == 1
    before = told.times
    # The VMs of a namespace that was left go at once, not when cycles are looked for the next time.
    assert len(feed.vms) == 0
    feed.vms.put([vm("b")])
    assert (feed.take(), told.times) == (Changes(), before)


async def test_phases_are_counted_as_they_change() -> None:
    async with running(session := ScriptedSession(objects=[vm("a"), vm("b", Phase.STOPPED)])) as (feed, told):
        session.put(vm("b"))
        session.put(vm("c", Phase.FAILED))
        await told.again()
        assert [feed.tally.of(phase) for phase in (Phase.RUNNING, Phase.STOPPED, Phase.FAILED)] == [2, 0, 1]
        session.caches["virtualmachines", "default"].drop(("default", "a"))
        await told.again()
        assert feed.tally.of(Phase.RUNNING) == 1
