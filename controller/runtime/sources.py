"""What wakes keys: changes of a cache, events of some stream, the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Iterable
from typing import TypeVar

from controller.runtime.queue import KeyQueue
from hypersdk.kube.cache import Cache, Key
from hypersdk.model.base import Resource

K = TypeVar("K", bound=Hashable)
E = TypeVar("E")
T = TypeVar("T", bound=Resource)


def on_change(cache: Cache[T], queue: KeyQueue[K], keys: Callable[[Key], Iterable[K]]) -> Callable[[], None]:
    """Wake the keys that belong to each changed object; returns how to stop it."""

    def changed(changes: frozenset[Key]) -> None:
        for change in changes:
            for key in keys(change):
                queue.add(key)

    return cache.subscribe(changed)


async def on_event(events: AsyncIterator[E], queue: KeyQueue[K], keys: Callable[[E], Iterable[K]]) -> None:
    """Wake the keys that each event is about, for as long as there are events."""
    async for event in events:
        for key in keys(event):
            queue.add(key)


async def on_clock(every_s: float, queue: KeyQueue[K], keys: Callable[[], Iterable[K]]) -> None:
    """Wake all keys from time to time, whatever was missed."""
    while True:
        await asyncio.sleep(every_s)
        for key in keys():
            queue.add(key)
