"""How much work is there, how long does it take, how does it end? By the names that controller-runtime has for it."""

import time
from collections.abc import Awaitable, Callable
from typing import Final

from controller.runtime.queue import KeyQueue
from controller.runtime.worker import Later, Outcome
from controller.telemetry.context import about_vm
from controller.telemetry.figures import (
    QUEUE_ADDS,
    QUEUE_DEPTH,
    QUEUE_RETRIES,
    QUEUE_WAIT,
    QUEUE_WORK,
    RECONCILE_ERRORS,
    RECONCILE_TIME,
    RECONCILES,
)
from hypersdk.errors import HyperSDKError, Terminal
from hypersdk.kube.cache import Key

NAME: Final = "virtualmachine"
Reconcile = Callable[[Key], Awaitable[Outcome]]


class MeteredQueue(KeyQueue[Key]):
    """A queue of VMs that counts what goes through it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._added_at: dict[Key, float] = {}
        self._taken_at: dict[Key, float] = {}

    def add(self, key: Key) -> None:
        """Look at the key as soon as possible."""
        if key not in self._added_at:
            self._added_at[key] = self._clock()
            QUEUE_ADDS.labels(NAME).inc()
            QUEUE_DEPTH.labels(NAME).set(len(self._added_at))
        super().add(key)

    def add_after(self, key: Key, delay_s: float) -> None:
        """Look at the key after a while."""
        QUEUE_RETRIES.labels(NAME).inc()
        super().add_after(key, delay_s)

    async def get(self) -> Key:
        """The next key."""
        key = await super().get()
        now = self._taken_at[key] = self._clock()
        QUEUE_WAIT.labels(NAME).observe(now - self._added_at.pop(key, now))
        QUEUE_DEPTH.labels(NAME).set(len(self._added_at))
        return key

    def done(self, key: Key) -> None:
        """The work on the key is over for now."""
        now = self._clock()
        QUEUE_WORK.labels(NAME).observe(now - self._taken_at.pop(key, now))
        super().done(key)


def metered(reconcile: Reconcile) -> Reconcile:
    """The same passes, counted and timed, with every line that they log about their VM."""

    async def reconciled(key: Key) -> Outcome:
        about_vm(*key)
        with RECONCILE_TIME.labels(NAME).time():
            try:
                outcome = await reconcile(key)
            except HyperSDKError as error:
                _count("terminal" if isinstance(error, Terminal) else "error")
                raise
            except Exception:
                _count("error")
                raise
        _count("requeue_after" if isinstance(outcome, Later) else "success")
        return outcome

    return reconciled


def _count(result: str) -> None:
    RECONCILES.labels(NAME, result).inc()
    if result in {"error", "terminal"}:
        RECONCILE_ERRORS.labels(NAME).inc()
