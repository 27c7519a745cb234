"""How does a watcher get changes? Through a bounded queue of its own; who reads too slowly is cut off."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from apiserver.storage.stored import Change

LIMIT = 4096
SIZE_LIMIT = 8 * 2**20
"""Less than the window of changes, which holds these bytes anyway: a slow watcher keeps none alive for itself."""


class Subscription:
    """The changes of one resource from now on."""

    def __init__(
        self, limit: int = LIMIT, size_limit: int = SIZE_LIMIT, on_break: Callable[[], None] = lambda: None
    ) -> None:
        self._limit = limit
        self._size_limit = size_limit
        self._on_break = on_break
        self._size = 0
        self._changes: deque[Change] = deque()
        self._wake = asyncio.Event()
        self.broken = False
        """Changes were lost (the watcher was too slow), or the server stops: the connection is to be cut."""
        self.ended = False
        """The resource is gone: the watch is to end in good order."""

    def push(self, change: Change) -> None:
        """Add a change."""
        if len(self._changes) >= self._limit or self._size >= self._size_limit:
            self.cut()
        if not self.broken:
            self._changes.append(change)
            self._size += len(change.last.raw)
        self._wake.set()

    @property
    def is_empty(self) -> bool:
        """Whether everything was taken."""
        return not self._changes

    def cut(self) -> None:
        """Break the watch off."""
        self.broken = True
        self._changes.clear()
        self._wake.set()
        self._on_break()

    def end(self) -> None:
        """Let the watcher finish."""
        self.ended = True
        self._wake.set()

    async def take(self, timeout: float) -> list[Change]:
        """Everything that came; empty after the timeout, or when the watch is over."""
        if not self._changes and not self.broken and not self.ended:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
        taken = list(self._changes)
        self._changes.clear()
        self._size = 0
        return taken
