"""Which keys have to be looked at, and when: each key once, and never twice at the same time."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class KeyQueue(Generic[K]):
    """A de-duplicating queue of keys, with delays; a key that is added while in work comes again afterwards."""

    def __init__(self) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: set[K] = set()
        self._working: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    def add(self, key: K) -> None:
        """Look at the key as soon as possible; a delay that it had is void, for the pass decides anew."""
        self._stop_timer(key)
        if key in self._dirty:
            return
        self._dirty.add(key)
        self._idle.clear()
        if key not in self._working:
            self._ready.put_nowait(key)

    def add_after(self, key: K, delay_s: float) -> None:
        """Look at the key after a while, or earlier if it was to be looked at earlier anyway."""
        if key in self._dirty:
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + delay_s:
            return
        self._stop_timer(key)
        self._timers[key] = loop.call_later(max(delay_s, 0.0), self._due, key)

    async def get(self) -> K:
        """The next key; it counts as in work until `done`."""
        key = await self._ready.get()
        self._dirty.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """The work on the key is over for now."""
        self._working.discard(key)
        if key in self._dirty:
            self._ready.put_nowait(key)
        elif not self._dirty and not self._working:
            self._idle.set()

    async def join(self) -> None:
        """Wait until nothing is ready or in work; delayed keys do not count."""
        await self._idle.wait()

    def close(self) -> None:
        """Stop all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _stop_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
