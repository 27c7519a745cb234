"""What do the VMs of this host use, now and in the last minutes?"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

from controller.gateway.rates import sample
from controller.hypervisor.port import DomainStats, Hypervisor
from hypersdk.errors import Terminal, Transient
from hypersdk.model.metrics import Sample

_log = logging.getLogger(__name__)
IDLE_INTERVAL_S = 10.0
FORGET_AFTER_S = 3600.0
"""A VM without a sample for so long is off, and its history of no use."""


@dataclass
class _Track:
    """One VM's samples, and the counters behind the newest one."""

    samples: deque[Sample]
    counters: DomainStats | None = None
    read_at: float = 0.0
    count: int = 0
    """How many samples there ever were."""


class Sampler:
    """The only caller of `Hypervisor.stats`: one call a tick for all VMs; slower while nobody looks."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        interval_s: float = 2.0,
        keep: int = 300,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._hypervisor = hypervisor
        self._interval_s = interval_s
        self._keep = keep
        self._clock = clock
        self._wall = wall
        self._tracks: dict[str, _Track] = {}
        self._subscribers = 0
        self._subscribed = asyncio.Event()
        self._news = asyncio.Condition()

    @property
    def interval_s(self) -> float:
        """Seconds between two samples, as things are now."""
        return self._interval_s if self._subscribers else max(self._interval_s, IDLE_INTERVAL_S)

    def latest(self, uuid: str) -> Sample | None:
        """The newest sample of a VM; None when there is none."""
        track = self._tracks.get(uuid)
        return track.samples[-1] if track and track.samples else None

    def history(self, uuid: str) -> list[Sample]:
        """The samples of a VM, oldest first."""
        track = self._tracks.get(uuid)
        return list(track.samples) if track else []

    async def subscribe(self, uuid: str) -> AsyncGenerator[Sample, None]:
        """The VM's samples, history first, then each new one; a slow reader loses old ones."""
        self._subscribers += 1
        self._subscribed.set()
        seen = 0
        try:
            while True:
                track = self._tracks.get(uuid)
                if track and track.count > seen:
                    missing, seen = track.count - seen, track.count
                    for one in list(track.samples)[-missing:]:
                        yield one
                else:
                    async with self._news:
                        await self._news.wait()  # for ever: a VM that is off has no samples
        finally:
            self._subscribers -= 1

    async def run(self) -> None:
        """Read the counters at each tick, until cancelled."""
        while True:
            started = self._clock()
            await self.tick()
            while (left := started + self.interval_s - self._clock()) > 0:
                await self._subscriber_within(left)

    async def _subscriber_within(self, seconds: float) -> None:
        self._subscribed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._subscribed.wait()
        except TimeoutError:
            return

    async def tick(self) -> None:
        """Read the counters once."""
        try:
            counters = await self._hypervisor.stats()
        except (Transient, Terminal) as error:
            _log.info("no metrics: %s", error)
            return
        now = self._clock()
        for uuid, stats in counters.items():
            self._add(uuid, stats, now)
        for uuid in [uuid for uuid, track in self._tracks.items() if now - track.read_at > FORGET_AFTER_S]:
            del self._tracks[uuid]
        async with self._news:
            self._news.notify_all()

    def _add(self, uuid: str, stats: DomainStats, now: float) -> None:
        track = self._tracks.setdefault(uuid, _Track(deque(maxlen=self._keep)))
        track.samples.append(sample(self._wall(), stats, track.counters, now - track.read_at))
        track.counters, track.read_at = stats, now
        track.count += 1
