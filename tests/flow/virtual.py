"""An event loop whose clock jumps to the next timer instead of waiting: hours of a controller in milliseconds.

What would run in a thread runs at once instead; sockets and processes have no place here.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
SAFE_POLL_S = 0.05
"""With neither timers nor ready callbacks only the outside can go on (a signal); poll for it slowly."""


class _JumpingSelector(selectors.DefaultSelector):
    """Moves the loop's clock on instead of sleeping."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0 if timeout is not None else SAFE_POLL_S)
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop on virtual time."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def virtual_now() -> datetime:
    """The wall clock that goes with the loop's."""
    return EPOCH + timedelta(seconds=asyncio.get_running_loop().time())


def run(scenario: Coroutine[Any, Any, T]) -> T:
    """Run one scenario on virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(scenario)
