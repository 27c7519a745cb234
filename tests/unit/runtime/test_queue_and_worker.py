"""Keys are de-duplicated, delayed and serialised; failures are told apart."""

import asyncio
import logging

import pytest

from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock
from controller.runtime.worker import Done, Later, Outcome, Worker
from hypersdk.backoff import spread
from hypersdk.errors import Terminal, Transient, Unreachable
from hypersdk.kube.cache import Cache
from hypersdk.model.base import ObjectMeta, Resource
from tests.flow.virtual import run


def worker(queue: KeyQueue[str], seen: list[tuple[float, str]], outcomes: list[Outcome | Exception]) -> Worker[str]:
    async def reconcile(key: str) -> Outcome:
        seen.append((asyncio.get_running_loop().time(), key))
        outcome = outcomes.pop(0) if outcomes else Done()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return Worker(queue, reconcile, Backoff(first_s=1, chance=lambda: 1.0))


async def passes(outcomes: list[Outcome | Exception], seconds: float = 100.0) -> list[float]:
    """The times at which one key is looked at."""
    queue: KeyQueue[str] = KeyQueue()
    seen: list[tuple[float, str]] = []
    working = asyncio.ensure_future(worker(queue, seen, outcomes).run())
    queue.add("a")
    await asyncio.sleep(seconds)
    working.cancel()
    await asyncio.wait([working])
    return [moment for moment, _ in seen]


def test_key_added_many_times_is_looked_at_once() -> None:
    async def scenario() -> list[tuple[float, str]]:
        queue: KeyQueue[str] = KeyQueue()
        seen: list[tuple[float, str]] = []
        for key in ("a", "b", "a", "a"):
            queue.add(key)
        working = asyncio.ensure_future(worker(queue, seen, []).run())
        await queue.join()
        working.cancel()
        return seen

    assert run(scenario()) == [(0.0, "a"), (0.0, "b")]


def test_key_added_while_in_work_comes_again_and_never_twice_at_once() -> None:
    async def scenario() -> tuple[int, int]:
        queue: KeyQueue[str] = KeyQueue()
        at_once, most, count = 0, 0, 0

        async def reconcile(key: str) -> Outcome:
            nonlocal at_once, most, count
            at_once, count = at_once + 1, count + 1
            most = max(most, at_once)
            if count == 1:
                queue.add(key)
                queue.add(key)
            await asyncio.sleep(1)
            at_once -= 1
            return Done()

        working = asyncio.ensure_future(Worker(queue, reconcile).run())
        queue.add("a")
        await queue.join()
        working.cancel()
        return most, count

    assert run(scenario()) == (1, 2)


def test_earliest_delay_wins() -> None:
    async def scenario() -> list[tuple[float, str]]:
        queue: KeyQueue[str] = KeyQueue()
        seen: list[tuple[float, str]] = []
        for delay in (30, 5, 60):
            queue.add_after("a", delay)
        working = asyncio.ensure_future(worker(queue, seen, []).run())
        await asyncio.sleep(100)
        working.cancel()
        return seen

    assert run(scenario()) == [(5.0, "a")]


def test_a_pass_says_when_to_look_again() -> None:
    assert run(passes([Later(7), Later(3), Done()])) == [0.0, 7.0, 10.0]


@pytest.mark.parametrize("error", [Transient("busy"), Unreachable("gone"), RuntimeError("bug")], ids=repr)
def test_failures_back_off(error: Exception) -> None:
    assert run(passes([error, error, error, Done()])) == [0.0, 1.0, 3.0, 7.0]


def test_terminal_failure_stops() -> None:
    assert run(passes([Terminal("BadSpec", "no")])) == [0.0]


def test_bug_is_logged_with_its_key(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        run(passes([ValueError("oops")], seconds=0.5))
    assert "a: a bug" in caplog.text
    assert "ValueError: oops" in caplog.text


@pytest.mark.parametrize(("failures", "whole"), [(0, 1), (3, 8), (10, 60), (10_000, 60)])
def test_backoff_spreads_below_the_doubled_time(failures: int, whole: float) -> None:
    assert spread(1, 60, failures, lambda: 0.0) == whole / 2
    assert spread(1, 60, failures, lambda: 1.0) == whole


def test_cache_and_clock_wake_keys() -> None:
    async def scenario() -> list[str]:
        queue: KeyQueue[str] = KeyQueue()
        cache: Cache[Resource] = Cache()
        woken: list[str] = []
        on_change(cache, queue, lambda key: [key[1]])
        cache.put([Resource(metadata=ObjectMeta(name="a", namespace="n"))])
        ticking = asyncio.ensure_future(on_clock(30, queue, lambda: ["b"]))
        for _ in range(3):
            key = await queue.get()
            woken.append(f"{key}@{asyncio.get_running_loop().time():.0f}")
            queue.done(key)
        ticking.cancel()
        return woken

    assert run(scenario()) == ["a@0", "b@30", "b@60"]
