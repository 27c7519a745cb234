"""Long work beside the passes of a reconciler: one task a key, cancelled when the key's object is to end."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from controller.runtime.backoff import Backoff
from hypersdk.errors import ApiError, Terminal, Transient, Unreachable
from hypersdk.kube.cache import Key

_PASSING = (Transient, Unreachable, ApiError, OSError, TimeoutError)
"""Worth another try, and nothing to wonder about."""


@dataclass
class Errands:
    """The tasks, and the failures of those that are to be tried again."""

    wake: Callable[[Key], None]
    wake_after: Callable[[Key, float], None]
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, longest_s=60.0))
    _tasks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    _refusals: dict[Key, Terminal] = field(default_factory=dict)
    _failures: dict[Key, str] = field(default_factory=dict)
    _not_before: dict[Key, float] = field(default_factory=dict)
    _bugs: dict[Key, BaseException] = field(default_factory=dict)

    async def close(self) -> None:
        """End everything that goes on."""
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def start(self, key: Key, work: Coroutine[None, None, None]) -> None:
        """Begin, if nothing of that key goes on."""
        task = self._tasks[key] = asyncio.create_task(work)
        task.add_done_callback(lambda _: self._ended(key, task))

    def is_on(self, key: Key) -> bool:
        """Whether something of that key goes on."""
        return key in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def refused(self, key: Key) -> Terminal | None:
        """Why the last one came to nothing for good; told once."""
        return self._refusals.pop(key, None)

    def raise_bug(self, key: Key) -> None:
        """Let an error that nobody thought of come up in the pass, where such are logged; the next pass tries again."""
        if (bug := self._bugs.pop(key, None)) is not None:
            raise bug

    def failed(self, key: Key) -> str:
        """What the last one failed of, as long as it is to be tried again."""
        return self._failures.get(key, "")

    def due_in_s(self, key: Key) -> float:
        """How long to wait before the next try."""
        return max(0.0, self._not_before.get(key, 0.0) - asyncio.get_running_loop().time())

    async def cancel(self, key: Key) -> None:
        """End what goes on, and wait for its end."""
        task = self._tasks.get(key)
        if task is not None:
            task.cancel()
            await asyncio.wait({task})
        self.forget(key)

    def forget(self, key: Key) -> None:
        """The key is done with."""
        for known in (self._refusals, self._failures, self._not_before, self._bugs):
            known.pop(key, None)
        self.backoff.forget(key)

    def _ended(self, key: Key, task: asyncio.Task[None]) -> None:
        del self._tasks[key]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Terminal):
            self._refusals[key] = error
        elif error is not None:
            if not isinstance(error, _PASSING):
                self._bugs[key] = error
            delay = self.backoff.delay(key)
            self._failures[key] = str(error) or type(error).__name__
            self._not_before[key] = asyncio.get_running_loop().time() + delay
            self.wake_after(key, delay)
        elif not task.cancelled():
            self.forget(key)
        self.wake(key)
