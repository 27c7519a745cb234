"""Work that takes long, as tasks beside the passes: begun once, looked at by each pass, ended with its operation."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

T = TypeVar("T")


class Errands(Generic[T]):
    """Tasks by the uid of the operation that they are for."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}

    def begin(self, uid: str, work: Coroutine[None, None, T], wake: Callable[[], None]) -> None:
        """Begin one; `wake` is called when it is over."""
        task = self._tasks[uid] = asyncio.create_task(work)
        task.add_done_callback(lambda _: wake())

    def is_begun(self, uid: str) -> bool:
        """Whether there is one, over or not."""
        return uid in self._tasks

    def is_over(self, uid: str) -> bool:
        """Whether there is one whose result waits."""
        return uid in self._tasks and self._tasks[uid].done()

    def result(self, uid: str) -> T:
        """What came of one that is over, once; raises what it raised."""
        return self._tasks.pop(uid).result()

    async def end(self, uid: str) -> None:
        """End one; no error when there is none."""
        task = self._tasks.pop(uid, None)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()

    async def close(self) -> None:
        """End all."""
        for uid in list(self._tasks):
            await self.end(uid)
