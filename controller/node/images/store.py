"""The node's images: each imported once, kept under its content's digest, shared, and removed when nothing needs it."""

import asyncio
import errno
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from controller.node.finding import NotYet
from controller.node.images.collect import Collector
from controller.node.images.incoming import IMPORT_FAILED, Fetch
from controller.node.images.library import PARTIAL, Library, StoredImage
from controller.node.images.local import from_file
from controller.node.images.partial import Partial, discard_of
from controller.node.images.receive import Progress, Receiver
from controller.node.images.source import Source
from controller.node.images.web import Web
from controller.node.qemu_img import inspect
from controller.node.room import NO_ROOM
from controller.runtime.backoff import Backoff
from controller.settings import Limits
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import ImageProgress

log = logging.getLogger(__name__)
FRESH_S = 300.0
"""So long a source is not asked again whether its image is still the same."""
PASSING = frozenset({IMPORT_FAILED, NO_ROOM})
"""Reasons that do not forbid to use the image as it came before."""
TELL_EVERY_S = 2.0
"""And as many seconds as there are VMs that wait, so that all together write about one status a second."""


@dataclass
class _Job:
    """One import: how far it is, who waits for it, and how it failed."""

    source: Source
    progress: Progress = field(default_factory=Progress)
    told: float = 0.0
    waiters: dict[str, Callable[[], None]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    failure: NotYet | Terminal | None = None
    retry_at: float = 0.0
    before: NotYet | None = None
    """How the last try failed: said on, until this one is better."""


class Images:
    """The store. Use it with `async with`: imports run inside, and stop with it."""

    def __init__(self, folder: Path, limits: Limits, web: Web | None = None) -> None:
        self._library = Library(folder)
        self._limits = limits
        self._web = web or Web()
        self._jobs: dict[str, _Job] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._pins: dict[str, set[Path]] = {}
        self._fresh: dict[str, float] = {}
        """Until when an image counts as the one that its source has."""
        self._looking = asyncio.Lock()
        """Held while images are looked up or removed: nobody finds one that is just going."""
        self._backoff = Backoff(first_s=5, longest_s=300)
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._library.prepare)
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def ensure(self, source: Source, who: str, wake: Callable[[], None]) -> StoredImage | ImageProgress:
        """The image, which stays until `release`; or how far its import is, and `wake` is called as it goes on.

        Raises NotYet for a failure that is tried again, and Terminal for one that is not.
        """
        key = await asyncio.to_thread(lambda: source.identity)
        async with self._looking:
            stored = await asyncio.to_thread(self._library.find, key)
            if stored is not None and not await self._is_stale(key, source):
                self._pins.setdefault(who, set()).add(stored.path)
                return stored
        job = self._jobs.get(key) or self._begin(key, source)
        job.waiters[who] = wake
        self._raise_failure(key, job)
        return self._progress(job)

    async def reach(self, source: Source) -> None:
        """NotYet or Terminal when the image cannot be had now; nothing of it is read."""
        key = await asyncio.to_thread(lambda: source.identity)
        known = await asyncio.to_thread(self._library.validator, key)
        try:
            async with self._open(source, Partial(self._library.partial(f"{key}.asked")), known):
                pass
        except OSError as error:
            raise _of_os(error, source) from error

    def release(self, who: str) -> None:
        """Somebody has made their disks of what they asked for: from now on those disks hold it."""
        self._pins.pop(who, None)

    async def forget(self, who: str) -> None:
        """Somebody does not wait any more; an import that nobody waits for is given up, and nothing of it stays."""
        self.release(who)
        self.wait_only(who, ())
        if self._ending:
            await asyncio.wait(set(self._ending.values()))
        async with self._looking:
            busy = self._jobs.keys() | self._ending.keys()
            await asyncio.to_thread(discard_of, self._library.folder / PARTIAL, who, busy)

    def wait_only(self, who: str, sources: Collection[Source]) -> None:
        """Of all that somebody waited for only these are still wanted."""
        for key, job in list(self._jobs.items()):
            if job.source not in sources and job.waiters.pop(who, None) is not None and not job.waiters:
                del self._jobs[key]
                self._give_up(key, job)

    def retry(self, who: str) -> None:
        """Somebody wants another try at what has failed for them."""
        for key, job in list(self._jobs.items()):
            if who in job.waiters and job.failure is not None:
                del self._jobs[key]

    async def collect(self, collector: Collector) -> list[Path]:
        """Remove what nothing needs any more; what was removed."""
        async with self._looking:
            pinned = {path for paths in self._pins.values() for path in paths}
            busy = {self._library.partial(key).stem for key in (*self._jobs, *self._ending)}
            return await asyncio.to_thread(collector.collect, self._library, pinned, busy)

    def _give_up(self, key: str, job: _Job) -> None:
        before = {task for task in (job.task, self._ending.get(key)) if task is not None}
        ending = self._ending[key] = self._group.create_task(self._end(key, job.task, before))

        def over(_: asyncio.Task[None]) -> None:
            if self._ending.get(key) is ending:
                del self._ending[key]

        ending.add_done_callback(over)

    async def _end(self, key: str, importing: asyncio.Task[None] | None, before: set[asyncio.Task[None]]) -> None:
        if importing is not None:
            importing.cancel()
        if before:
            await asyncio.wait(before)
        await asyncio.to_thread(Partial(self._library.partial(key)).discard)

    def _raise_failure(self, key: str, job: _Job) -> None:
        now = asyncio.get_running_loop().time()
        match job.failure:
            case Terminal() as failure:
                # The same words until another source is asked for, or somebody wants another try.
                raise Terminal(failure.reason, str(failure))
            case NotYet() as failure if now < job.retry_at:
                raise NotYet(failure.reason, str(failure), job.retry_at - now)
            case NotYet():
                self._start(key, job)
        if job.before is not None and job.progress.done == job.progress.before:
            raise NotYet(job.before.reason, str(job.before), self._web.patience.silence)

    def _begin(self, key: str, source: Source) -> _Job:
        job = self._jobs[key] = _Job(source)
        self._start(key, job)
        return job

    def _start(self, key: str, job: _Job) -> None:
        job.before = job.failure if isinstance(job.failure, NotYet) else None
        job.failure, job.progress = None, Progress(asyncio.get_running_loop().time())
        job.task = self._group.create_task(self._import(key, job, self._ending.get(key)))

    async def _import(self, key: str, job: _Job, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            # An import of the same that is just ending: two must not write into one file.
            await asyncio.wait({before})
        log.info("importing image %s", job.source.words)
        try:
            await self._fetch(key, job)
        except (Terminal, NotYet) as error:
            await self._fail(key, job, error)
        except OSError as error:
            await self._fail(key, job, _of_os(error, job.source))
        else:
            self._done(key, job)
        _tell(job)

    def _done(self, key: str, job: _Job) -> None:
        self._backoff.forget(key)
        self._fresh[key] = asyncio.get_running_loop().time() + FRESH_S
        if self._jobs.get(key) is job:
            del self._jobs[key]

    async def _fail(self, key: str, job: _Job, failure: NotYet | Terminal) -> None:
        if failure.reason in PASSING and await asyncio.to_thread(self._library.find, key) is not None:
            log.warning("image %s is used as it came before: %s", job.source.words, failure)
            self._done(key, job)
            return
        log.warning("image %s was not imported: %s", job.source.words, failure)
        if isinstance(failure, Terminal):
            job.failure = failure
            return
        loop = asyncio.get_running_loop()
        delay = self._backoff.delay(key)
        job.failure, job.retry_at = failure, loop.time() + delay
        loop.call_later(delay, _tell, job)

    async def _fetch(self, key: str, job: _Job) -> None:
        partial = await asyncio.to_thread(Partial.at, self._library.partial(key))
        partial.owners = frozenset(job.waiters)
        try:
            receiver = Receiver(
                job.source, self._limits.image_bytes, partial, job.progress, lambda: self._tell_sometimes(job)
            )
            known = await asyncio.to_thread(self._library.validator, key)
            async with self._open(job.source, partial, known) as incoming:
                if incoming.unchanged:
                    return
                digest = await receiver.receive(incoming)
            facts = await inspect(partial.path, job.source.words, self._limits.virtual_bytes)
            stored = StoredImage(self._library.folder / f"{digest}.img", facts.format, facts.virtual_bytes)
            async with self._looking:
                await asyncio.to_thread(self._library.keep, key, partial.path, stored, incoming.validator)
                for who in job.waiters:
                    self._pins.setdefault(who, set()).add(stored.path)
        except (Terminal, OSError):
            # Never to be continued; and a full disk is left to the guests.
            await asyncio.to_thread(partial.discard)
            raise
        except NotYet as error:
            if error.reason == NO_ROOM:
                await asyncio.to_thread(partial.discard)
            raise
        await asyncio.to_thread(partial.discard)

    async def _is_stale(self, key: str, source: Source) -> bool:
        """Whether the source may have another one by now: without a digest, what a URL means can change."""
        if source.path is not None or source.digest is not None:
            return False
        if asyncio.get_running_loop().time() < self._fresh.get(key, 0.0):
            return False
        return bool(await asyncio.to_thread(self._library.validator, key))

    def _open(self, source: Source, partial: Partial, known: str) -> Fetch:
        if source.folder is not None and source.path is not None:
            return from_file(source, source.folder, source.path)
        return self._web.fetch(source, partial.had, known)

    def _tell_sometimes(self, job: _Job) -> None:
        now = asyncio.get_running_loop().time()
        waiting = sum(len(each.waiters) for each in self._jobs.values())
        if now - job.told >= max(TELL_EVERY_S, waiting):
            job.told = now
            _tell(job)

    def _progress(self, job: _Job) -> ImageProgress:
        now, progress = asyncio.get_running_loop().time(), job.progress
        return ImageProgress(
            bytes_transferred=progress.done, total_bytes=progress.total, bytes_per_second=progress.speed(now)
        )


def _of_os(error: OSError, source: Source) -> NotYet:
    reason = NO_ROOM if error.errno in {errno.ENOSPC, errno.EDQUOT} else IMPORT_FAILED
    return NotYet(reason, f"image {source.words}: {error.strerror or error}")


def _tell(job: _Job) -> None:
    for wake in list(job.waiters.values()):
        wake()
