"""Receiving an image into its half: digests, sizes and room are watched while it comes."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedRandom

from controller.node.finding import NotYet
from controller.node.images.incoming import IMPORT_FAILED, PIECE, Incoming
from controller.node.images.partial import Partial
from controller.node.images.source import Source
from controller.node.room import check_room
from controller.telemetry.figures import IMAGE_BYTES
from hypersdk.errors import Terminal
from hypersdk.model.quantity import human_bytes

CHECKPOINT_BYTES = 64 * 2**20
CHECKPOINT_S = 5.0


@dataclass
class Progress:
    """How far one image is."""

    started: float = 0.0
    done: int = 0
    total: int | None = None
    before: int = 0
    """What of it an earlier attempt had brought."""

    def speed(self, now: float) -> int | None:
        """Bytes a second of this attempt."""
        passed = now - self.started
        return int((self.done - self.before) / passed) if passed > 0 else None


@dataclass
class Receiver:
    """Receives one image."""

    source: Source
    largest: int
    partial: Partial
    progress: Progress
    tell: Callable[[], None]
    """Called after each piece."""
    _own: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    async def receive(self, image: Incoming) -> str:
        """Take all of it; its SHA-256. Terminal for a wrong digest or size, NotYet for an image that ends early."""
        self._check_size(image.total_bytes or 0)
        await self._check_room(max(0, (image.total_bytes or 0) - image.start))
        asked = hashlib.new(self.source.digest.algorithm) if self.source.digest else None
        try:
            file = await asyncio.to_thread(self.partial.begin, image.start, image.total_bytes, image.validator)
            await self._again(file, image.start, asked)
            await self._take(image, file, asked)
            await asyncio.to_thread(self.partial.checkpoint)
        except BaseException:
            await asyncio.to_thread(self.partial.save)
            raise
        finally:
            await asyncio.to_thread(self.partial.close)
        self._check_whole(image)
        self._check_digest(asked)
        return self._own.hexdigest()

    async def _again(self, file: BufferedRandom, count: int, asked: "hashlib._Hash | None") -> None:
        """Digest what is there already."""
        self.progress.before = self.progress.done = count
        while count > 0:
            piece = await asyncio.to_thread(file.read, min(PIECE, count))
            if not piece:
                raise NotYet(IMPORT_FAILED, f"image {self.source.words}: its first half has become shorter")
            await asyncio.to_thread(_digest, piece, self._own, asked)
            count -= len(piece)

    async def _take(self, image: Incoming, file: BufferedRandom, asked: "hashlib._Hash | None") -> None:
        progress, clock = self.progress, asyncio.get_running_loop().time
        # The first piece is safe at once: a server that stalls after it may do so for long.
        unsafe, since = 0, clock() - CHECKPOINT_S
        progress.total = image.total_bytes
        async for piece in image.pieces:
            progress.done += len(piece)
            IMAGE_BYTES.inc(len(piece))
            self._check_size(progress.done)
            await asyncio.to_thread(_write, file, piece, self._own, asked)
            unsafe += len(piece)
            if unsafe >= CHECKPOINT_BYTES or clock() - since >= CHECKPOINT_S:
                unsafe, since = 0, clock()
                await asyncio.to_thread(self.partial.checkpoint)
                await self._check_room(max(0, (image.total_bytes or 0) - progress.done))
            self.tell()

    async def _check_room(self, count: int) -> None:
        await asyncio.to_thread(check_room, self.partial.path.parent, count, f"image {self.source.words}")

    def _check_size(self, count: int) -> None:
        if count > self.largest:
            words = f"image {self.source.words} is larger than {human_bytes(self.largest)}"
            raise Terminal("ImageTooLarge", words)

    def _check_whole(self, image: Incoming) -> None:
        if image.total_bytes is not None and self.progress.done != image.total_bytes:
            words = f"{self.progress.done} of {image.total_bytes} bytes came"
            raise NotYet(IMPORT_FAILED, f"image {self.source.words}: {words}")

    def _check_digest(self, asked: "hashlib._Hash | None") -> None:
        expected = self.source.digest
        if expected and asked and asked.hexdigest() != expected.value:
            words = f"image {self.source.words} has {expected.algorithm} {asked.hexdigest()}, not {expected.value}"
            raise Terminal("ChecksumMismatch", words)


def _write(file: BufferedRandom, piece: bytes, own: "hashlib._Hash", asked: "hashlib._Hash | None") -> None:
    file.write(piece)
    _digest(piece, own, asked)


def _digest(piece: bytes, own: "hashlib._Hash", asked: "hashlib._Hash | None") -> None:
    own.update(piece)
    if asked is not None:
        asked.update(piece)
