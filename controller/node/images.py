"""The node's images: each imported once, checked, kept under its content's digest, shared by every VM on it."""

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from controller.node.finding import NotYet
from controller.node.places import make_folder
from controller.node.qemu_img import inspect
from controller.node.source import Source
from controller.node.transfer import IMPORT_FAILED, Incoming, incoming
from controller.runtime.backoff import Backoff
from controller.settings import Limits
from hypersdk.errors import Terminal
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import ImageProgress

log = logging.getLogger(__name__)
TELL_EVERY_S = 2.0


@dataclass(frozen=True)
class StoredImage:
    """An image that is there."""

    path: Path
    format: Literal["qcow2", "raw"]
    virtual_bytes: int


@dataclass
class _Job:
    """One import: how far it is, who waits for it, and how it failed."""

    source: Source
    started: float
    done: int = 0
    total: int | None = None
    told: float = 0.0
    waiters: dict[Hashable, Callable[[], None]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    failure: NotYet | Terminal | None = None
    retry_at: float = 0.0


class Images:
    """The store. Use it with `async with`: imports run inside, and stop with it."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self._limits = limits
        self._jobs: dict[str, _Job] = {}
        self._backoff = Backoff(first_s=5, longest_s=300)
        self._group = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._prepare)
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for job in self._jobs.values():
            if job.task is not None:
                job.task.cancel()
        await self._group.__aexit__(kind, error, trace)

    async def ensure(self, source: Source, who: Hashable, wake: Callable[[], None]) -> StoredImage | ImageProgress:
        """The image, or how far its import is; `wake` is called while it goes on and when it ends.

        Raises NotYet for a failure that is tried again, and Terminal for one that is not.
        """
        key = await asyncio.to_thread(_key, source)
        stored = await asyncio.to_thread(self._stored, key)
        if stored is not None:
            return stored
        job = self._jobs.get(key) or self._begin(key, source)
        job.waiters[who] = wake
        self._raise_failure(key, job)
        return self._progress(job)

    def forget(self, who: Hashable) -> None:
        """Somebody does not wait any more; an import that nobody waits for is given up."""
        for key, job in list(self._jobs.items()):
            if job.waiters.pop(who, None) is not None and not job.waiters:
                if job.task is not None:
                    job.task.cancel()
                del self._jobs[key]

    def retry(self, who: Hashable) -> None:
        """Somebody wants another try at what has failed for them."""
        for key, job in list(self._jobs.items()):
            if who in job.waiters and job.failure is not None:
                del self._jobs[key]

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

    def _begin(self, key: str, source: Source) -> _Job:
        job = self._jobs[key] = _Job(source, asyncio.get_running_loop().time())
        self._start(key, job)
        return job

    def _start(self, key: str, job: _Job) -> None:
        job.failure, job.done, job.started = None, 0, asyncio.get_running_loop().time()
        job.task = self._group.create_task(self._import(key, job))

    async def _import(self, key: str, job: _Job) -> None:
        log.info("importing image %s", job.source.words)
        try:
            await self._fetch(key, job)
        except Terminal as error:
            job.failure = error
        except NotYet as error:
            self._fail(key, job, error)
        except OSError as error:
            self._fail(key, job, NotYet(IMPORT_FAILED, f"image {job.source.words}: {error.strerror or error}"))
        else:
            self._backoff.forget(key)
            if self._jobs.get(key) is job:
                del self._jobs[key]
        if job.failure is not None:
            log.warning("image %s was not imported: %s", job.source.words, job.failure)
        _tell(job)

    def _fail(self, key: str, job: _Job, failure: NotYet) -> None:
        loop = asyncio.get_running_loop()
        delay = self._backoff.delay(key)
        job.failure, job.retry_at = failure, loop.time() + delay
        loop.call_later(delay, _tell, job)

    async def _fetch(self, key: str, job: _Job) -> None:
        # A name of its own: an import that is given up may still be ending when the next one begins.
        partial = self._folder / ".partial" / f"{key}-{secrets.token_hex(4)}"
        try:
            async with incoming(job.source) as image:
                digest = await self._receive(job, image, partial)
            facts = await inspect(partial, job.source.words, self._limits.virtual_bytes)
            stored = StoredImage(self._folder / f"{digest}.img", facts.format, facts.virtual_bytes)
            await asyncio.to_thread(self._keep, key, partial, stored)
        finally:
            partial.unlink(missing_ok=True)

    async def _receive(self, job: _Job, image: Incoming, partial: Path) -> str:
        job.total = image.total_bytes
        self._check_size(job, image.total_bytes or 0)
        expected = job.source.digest
        own, asked = hashlib.sha256(), hashlib.new(expected.algorithm) if expected else None
        with partial.open("wb") as file:
            async for piece in image.pieces:
                job.done += len(piece)
                self._check_size(job, job.done)
                await asyncio.to_thread(_take, piece, file.write, own.update, asked.update if asked else None)
                self._tell_sometimes(job)
            await asyncio.to_thread(_sync, file.fileno())
        if image.total_bytes is not None and job.done != image.total_bytes:
            raise NotYet(IMPORT_FAILED, f"image {job.source.words}: {job.done} of {image.total_bytes} bytes came")
        if expected and asked and asked.hexdigest() != expected.value:
            words = f"image {job.source.words} has {expected.algorithm} {asked.hexdigest()}, not {expected.value}"
            raise Terminal("ChecksumMismatch", words)
        return own.hexdigest()

    def _check_size(self, job: _Job, count: int) -> None:
        most = self._limits.image_bytes
        if count > most:
            raise Terminal("ImageTooLarge", f"image {job.source.words} is larger than {human_bytes(most)}")

    def _tell_sometimes(self, job: _Job) -> None:
        now = asyncio.get_running_loop().time()
        if now - job.told >= TELL_EVERY_S:
            job.told = now
            _tell(job)

    def _progress(self, job: _Job) -> ImageProgress:
        passed = asyncio.get_running_loop().time() - job.started
        speed = int(job.done / passed) if passed > 0 else None
        return ImageProgress(bytes_transferred=job.done, total_bytes=job.total, bytes_per_second=speed)

    def _prepare(self) -> None:
        for folder in (self._folder, self._folder / ".partial", self._folder / "sources"):
            make_folder(folder)
        for left in (self._folder / ".partial").iterdir():
            left.unlink()

    def _stored(self, key: str) -> StoredImage | None:
        try:
            raw = json.loads((self._folder / "sources" / f"{key}.json").read_text())
            image = StoredImage(self._folder / raw["file"], raw["format"], raw["virtual_bytes"])
        except (OSError, ValueError, KeyError):
            return None
        return image if image.path.is_file() else None

    def _keep(self, key: str, partial: Path, image: StoredImage) -> None:
        """Move the file into its place, then write down what it came from: whoever finds the note finds the file."""
        if not image.path.exists():
            partial.chmod(0o444)
            os.replace(partial, image.path)
        note = asdict(image) | {"file": image.path.name}
        del note["path"]
        with_note = self._folder / "sources" / f"{key}.json"
        written = with_note.with_suffix(".tmp")
        written.write_text(json.dumps(note))
        os.replace(written, with_note)


def _key(source: Source) -> str:
    """One import for each URL and digest; a file counts as another one when it was written to."""
    parts = [source.url, *((source.digest.algorithm, source.digest.value) if source.digest else ())]
    if source.path is not None:
        with contextlib.suppress(OSError):
            facts = source.path.stat()
            parts.append(f"{facts.st_size} {facts.st_mtime_ns}")
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _tell(job: _Job) -> None:
    for wake in list(job.waiters.values()):
        wake()


def _take(piece: bytes, *takers: Callable[[bytes], object] | None) -> None:
    for taker in takers:
        if taker is not None:
            taker(piece)


def _sync(handle: int) -> None:
    os.fsync(handle)
