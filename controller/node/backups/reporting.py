"""How far a job is goes into its status now and then, and one that cannot be written is left out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from controller.node.backups.status import progress
from controller.runtime.waiting import within
from hypersdk.background import beside
from hypersdk.errors import ApiError, Unreachable
from hypersdk.model.backupjob import JobProgress

log = logging.getLogger(__name__)
EVERY_S = 2.0
Write = Callable[[JobProgress], Awaitable[None]]


@dataclass
class Reporter:
    """The progress of one job."""

    write: Write
    now: Callable[[], datetime]
    spans: dict[str, tuple[int, int]]
    """Which part of the whole each phase is, in percent."""
    _newest: JobProgress | None = None
    _began: dict[str, datetime] = field(default_factory=dict)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Take a figure; it is written soon."""
        is_new = phase not in self._began
        now = self.now()  # once: a rate over the moment between two looks at the clock is one of terabytes
        began = self._began.setdefault(phase, now)
        self._newest = progress(phase, done, total, began, now, self.spans[phase])
        if is_new:
            self._woken.set()

    @asynccontextmanager
    async def reporting(self) -> AsyncIterator["Reporter"]:
        """Write while the block runs."""
        async with beside(self._keep_writing()):
            yield self

    async def _keep_writing(self) -> None:
        written: JobProgress | None = None
        while True:
            await within(self._woken, EVERY_S)
            self._woken.clear()
            if self._newest is None or self._newest == written:
                continue
            written = self._newest
            try:
                await self.write(written)
            except (ApiError, Unreachable) as error:
                log.debug("progress was not written: %s", error)
