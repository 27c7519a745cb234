"""What do the VMs of this host use, now and in the last minutes?"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace

from controller.gateway.rates import sample
from controller.gateway.samples import Samples
from controller.hypervisor.port import Hypervisor
from controller.hypervisor.readings import DomainStats, Pulse
from hypersdk.errors import Terminal, Transient
from hypersdk.model.metrics import Sample

_log = logging.getLogger(__name__)
INTERVAL_S = 1.0
KEEP = 900
"""15 minutes of samples."""
COUNTERS_EVERY_S = 15.0
"""How often QEMU is asked for its counters while nobody looks: docs/decisions/metrics.md."""
COUNTERS_APART_S = 3.0
"""The same while VMs come and go."""
FORGET_AFTER_S = 3600.0
"""A VM without a sample for so long is off, and its history of no use."""


@dataclass
class _Reading:
    """Counters, and when they were read."""

    counters: DomainStats
    at: float


@dataclass
class _Track:
    """One VM's samples, and the readings behind the newest: QEMU's own, and the kernel's."""

    samples: Samples
    exact: _Reading | None = None
    pulse: _Reading | None = None
    sampled_at: float = 0.0
    watchers: int = 0


@dataclass
class Sampler:
    """A sample a second of every VM: from the kernel alone, and of a VM that somebody watches from QEMU."""

    hypervisor: Hypervisor
    interval_s: float = INTERVAL_S
    keep: int = KEEP
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _counted_at: float | None = None
    _is_moving: bool = False
    _running: frozenset[str] = frozenset()
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _watched: asyncio.Event = field(default_factory=asyncio.Event)

    def latest(self, uuid: str) -> Sample | None:
        """The newest sample of a VM; None when there is none."""
        track = self._tracks.get(uuid)
        return next(iter(track.samples.last(1)), None) if track else None

    def counters(self, uuid: str) -> DomainStats | None:
        """What QEMU said last of a running VM."""
        track = self._tracks.get(uuid)
        return track.exact.counters if track and track.exact and uuid in self._running else None

    def history(self, uuid: str) -> list[Sample]:
        """The samples of a VM, oldest first."""
        track = self._tracks.get(uuid)
        return track.samples.last(self.keep) if track else []

    async def subscribe(self, uuid: str) -> AsyncGenerator[Sample, None]:
        """The VM's samples, history first, then each new one; a slow reader loses old ones."""
        track = self._track(uuid)
        track.watchers += 1
        self._watched.set()
        seen = 0
        try:
            while True:
                if track.samples.count > seen:
                    missing, seen = track.samples.count - seen, track.samples.count
                    for one in track.samples.last(missing):
                        yield one
                else:
                    async with self._news:
                        await self._news.wait()  # for ever: a VM that is off has no samples
        finally:
            track.watchers -= 1

    def moved(self) -> None:
        """A VM has come or gone: find out soon which ones there are."""
        self._is_moving = True

    async def run(self) -> None:
        """Measure at each tick, until cancelled."""
        due = self.clock()
        while True:
            await self.tick()
            # The ticks keep their distance, however long one takes; those that were missed are left out.
            due = max(due + self.interval_s, self.clock())
            await self._until(due)

    async def _until(self, due: float) -> None:
        """Wait, but not when somebody comes to see a VM of which there is nothing yet."""
        self._watched.clear()
        try:
            async with asyncio.timeout(max(due - self.clock(), 0)):
                while True:
                    await self._watched.wait()
                    self._watched.clear()
                    if any(track.watchers and not len(track.samples) for track in self._tracks.values()):
                        return
        except TimeoutError:
            return

    async def tick(self) -> None:
        """Measure once."""
        try:
            exact = await self._count()
        except (Transient, Terminal) as error:
            _log.info("no metrics: %s", error)
            exact = {}
        pulses = await self.hypervisor.pulses()
        now = self.clock()
        for uuid in exact.keys() | pulses.keys():
            self._add(self._track(uuid), exact.get(uuid), pulses.get(uuid), now)
        self._forget(now)
        async with self._news:
            self._news.notify_all()

    async def _count(self) -> dict[str, DomainStats]:
        """QEMU's counters of all VMs from time to time, of those that are watched each time."""
        now = self.clock()
        pause = COUNTERS_APART_S if self._is_moving else COUNTERS_EVERY_S
        if self._counted_at is None or now - self._counted_at >= pause:
            self._is_moving = False
            counted = await self.hypervisor.stats()
            self._counted_at, self._running = now, frozenset(counted)
            return counted
        watched = {uuid for uuid, track in self._tracks.items() if track.watchers}
        return await self.hypervisor.stats(watched) if watched else {}

    def _add(self, track: _Track, exact: DomainStats | None, pulse: Pulse | None, now: float) -> None:
        """One sample: by QEMU's counters where they were read just now for somebody, else by the kernel's."""
        old = track.exact
        if exact is not None:
            track.exact = _Reading(exact, now)
        counters = None if pulse is None or track.exact is None else merged(track.exact.counters, pulse)
        before, track.pulse = track.pulse, None if counters is None else _Reading(counters, now)
        if exact is not None and (track.watchers or counters is None):
            self._sample(track, exact, old, now)
        elif counters is not None:
            self._sample(track, counters, before, now)

    def _sample(self, track: _Track, new: DomainStats, before: _Reading | None, now: float) -> None:
        seconds = now - before.at if before else 0.0
        track.samples.add(sample(self.wall(), new, before.counters if before else None, seconds))
        track.sampled_at = now

    def _track(self, uuid: str) -> _Track:
        return self._tracks.setdefault(uuid, _Track(Samples(self.keep), sampled_at=self.clock()))

    def _forget(self, now: float) -> None:
        old = [u for u, track in self._tracks.items() if now - track.sampled_at > FORGET_AFTER_S and not track.watchers]
        for uuid in old:
            del self._tracks[uuid]


def merged(counters: DomainStats, pulse: Pulse) -> DomainStats:
    """The kernel's counters, with what only QEMU knows from when it was asked last."""
    return replace(
        counters,
        cpu_time_ns=pulse.cpu_time_ns,
        memory_used_bytes=counters.memory_used_bytes if counters.memory_is_guests else pulse.resident_bytes,
        disk_read_bytes=pulse.disk_read_bytes,
        disk_write_bytes=pulse.disk_write_bytes,
        network_receive_bytes=pulse.network_receive_bytes,
        network_transmit_bytes=pulse.network_transmit_bytes,
    )
