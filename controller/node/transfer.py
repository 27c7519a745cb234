"""Bytes of an image from where it lies, in pieces: a file of the host or a web server."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import aiohttp

from controller.node.finding import NotYet
from controller.node.source import Source

PIECE = 2**20
CONNECT_S = 15.0
SILENCE_S = 60.0
REDIRECTS = 5
IMPORT_FAILED = "ImportFailed"


@dataclass(frozen=True)
class Incoming:
    """An image on its way: how large it says it is, and its bytes."""

    total_bytes: int | None
    pieces: AsyncIterator[bytes]


def incoming(source: Source) -> AbstractAsyncContextManager[Incoming]:
    """Open the source; NotYet when that fails, now or while its bytes come."""
    return _file(source, source.path) if source.path is not None else _web(source)


@asynccontextmanager
async def _file(source: Source, path: Path) -> AsyncIterator[Incoming]:
    try:
        # The path was resolved before: a link in its last part has appeared since, and is not followed.
        handle = await asyncio.to_thread(os.open, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise NotYet("ImageNotFound", f"image {source.words}: {error.strerror}") from error
    with FileIO(handle) as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise NotYet("ImageNotFound", f"image {source.words} is not a file")
        yield Incoming(facts.st_size, _pieces(file))


async def _pieces(file: FileIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece


@asynccontextmanager
async def _web(source: Source) -> AsyncIterator[Incoming]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session,
            session.get(source.url, max_redirects=REDIRECTS, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status != 200:
                raise NotYet(IMPORT_FAILED, f"image {source.words}: the server says {response.status}")
            yield Incoming(response.content_length, response.content.iter_chunked(PIECE))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotYet(IMPORT_FAILED, f"image {source.words}: {error or type(error).__name__}") from error
