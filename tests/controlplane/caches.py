"""Waiting for a cache to become what a test wants, woken by the cache itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.base import Resource

T = TypeVar("T", bound=Resource)


async def until(cache: Cache[T], wanted: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as `wanted` holds, looking whenever the cache changes."""
    changed = asyncio.Event()
    stop = cache.subscribe(lambda _: changed.set())
    try:
        async with asyncio.timeout(seconds):
            while not wanted():
                await changed.wait()
                changed.clear()
    except TimeoutError as error:
        seen = sorted(cache.objects)
        raise AssertionError(f"not within {seconds} s; {cache.health} {cache.error!r}, has {seen}") from error
    finally:
        stop()


@asynccontextmanager
async def running(watch: Watch[T]) -> AsyncIterator[Cache[T]]:
    """The watch's cache, filled, while the watch goes on."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.run())
        try:
            await until(watch.cache, watch.cache.synced.is_set)
            yield watch.cache
        finally:
            task.cancel()


def names(cache: Cache[T]) -> set[str]:
    """The names of what is in the cache."""
    return {name for _, name in cache.objects}
