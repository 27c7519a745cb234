"""Takes keys from a queue and reconciles them: when to look again, what to do about failures."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from hypersdk.errors import ApiError, Terminal, Transient, Unreachable

log = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Done:
    """Nothing more until something changes."""


@dataclass(frozen=True)
class Later:
    """Look again after this time at the latest."""

    seconds: float


Outcome = Done | Later


@dataclass
class Worker(Generic[K]):
    """Reconciles keys of one queue, several at once, one key never twice at the same time."""

    queue: KeyQueue[K]
    reconcile: Callable[[K], Awaitable[Outcome]]
    backoff: Backoff = field(default_factory=Backoff)
    concurrency: int = 8

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.concurrency):
                group.create_task(self._loop())

    async def _loop(self) -> None:
        while True:
            key = await self.queue.get()
            try:
                delay = await self._pass(key)
            finally:
                self.queue.done(key)
            if delay is not None:
                self.queue.add_after(key, delay)

    async def _pass(self, key: K) -> float | None:
        """One pass; the seconds until the next, or None. The outermost loop: a bug must not end the others' work."""
        try:
            outcome = await self.reconcile(key)
        except Terminal as error:
            log.warning("%s: stopped until it changes: %s: %s", key, error.reason, error)
            self.backoff.forget(key)
            return None
        except (Transient, Unreachable, ApiError) as error:
            delay = self.backoff.delay(key)
            log.info("%s: again in %.1f s: %s", key, delay, error)
            return delay
        except Exception:
            delay = self.backoff.delay(key)
            log.exception("%s: a bug; again in %.1f s", key, delay)
            return delay
        self.backoff.forget(key)
        return outcome.seconds if isinstance(outcome, Later) else None
