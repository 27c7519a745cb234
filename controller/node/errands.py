"""What goes on in the background for an operation that is done by steps, how far is it, and how did it end?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar

from controller.node.refused import tried
from hypersdk.errors import Transient
from hypersdk.model.quantity import human_bytes

T = TypeVar("T")


@dataclass
class Progress:
    """How far one errand is."""

    began: float = 0.0
    done: int = 0
    total: int = 0
    found: dict[str, str] = field(default_factory=dict)
    """What is worth telling of it when it is over."""

    @property
    def percent(self) -> int:
        """Of the bytes that are to be moved."""
        return min(100, 100 * self.done // self.total) if self.total else 0

    def words(self, now: float) -> str:
        """Bytes and rate, for a person."""
        rate = int(self.done / (now - self.began)) if now > self.began else 0
        return f"{human_bytes(self.done)} of {human_bytes(self.total)}, {human_bytes(rate)} a second"


@dataclass
class Errand(Generic[T]):
    """One of them."""

    progress: Progress
    task: asyncio.Task[T]

    @property
    def is_over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.task.done()


class Errands(Generic[T]):
    """Those of one kind of work, by the operations' uids. Use it with `async with`: they end with it."""

    def __init__(self) -> None:
        self._errands: dict[str, Errand[T]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for uid in list(self._errands):
            await self.end(uid)

    def get(self, uid: str) -> Errand[T] | None:
        """The operation's errand; None when there is none."""
        return self._errands.get(uid)

    def begin(self, uid: str, work: Callable[[Progress], Awaitable[T]], wake: Callable[[], None]) -> Errand[T]:
        """Begin it; `wake` is called when it is over."""
        progress = Progress(asyncio.get_running_loop().time())
        # Not of a group: a bug in it is told to whoever takes it, and ends nobody else's work.
        errand = self._errands[uid] = Errand(progress, asyncio.create_task(_guarded(work, progress)))
        errand.task.add_done_callback(lambda _: wake())
        return errand

    def take(self, uid: str) -> T:
        """Forget one that is over, for what it came to; raises what it failed with."""
        task = self._errands.pop(uid).task
        if task.cancelled():
            raise Transient("it was broken off; it begins anew")
        return task.result()

    def look(self, uid: str) -> T:
        """What one that is over came to; only one that failed is forgotten."""
        errand, result = self._errands[uid], self.take(uid)
        self._errands[uid] = errand
        return result

    async def end(self, uid: str) -> bool:
        """End it, and wait until it is over; whether there was one, which may have changed what was seen before."""
        errand = self._errands.pop(uid, None)
        if errand is None:
            return False
        errand.task.cancel()
        await asyncio.wait({errand.task})
        if not errand.task.cancelled():
            errand.task.exception()  # nobody wants to know it any more
        return True


async def unbroken(work: Awaitable[T]) -> T:
    """The result of a call that goes on in libvirt whoever waits for it: who is cancelled waits until it is over."""
    under_way = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait({under_way})
        raise


async def _guarded(work: Callable[[Progress], Awaitable[T]], progress: Progress) -> T:
    return await tried(work(progress))  # called in the task: one that is ended before has not begun
