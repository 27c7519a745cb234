"""Bytes of an image that is a file of the host: in a configured folder, whatever happens to the path meanwhile."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from pathlib import Path

from controller.node.finding import NotYet
from controller.node.images.incoming import PIECE, Incoming
from controller.node.images.source import Source
from hypersdk.errors import Terminal


@asynccontextmanager
async def from_file(source: Source, folder: Path, path: Path) -> AsyncIterator[Incoming]:
    """Open the file; NotYet when it is not there, Terminal when it is not a plain file of the folder."""
    try:
        handle = await asyncio.to_thread(_open, folder, path.relative_to(folder).parts)
    except FileNotFoundError as error:
        raise NotYet("ImageNotFound", f"image {source.words}: there is no such file on this node") from error
    except (NotADirectoryError, PermissionError) as error:
        raise Terminal("ImageNotAllowed", f"image {source.words}: {error.strerror}") from error
    except OSError as error:
        raise NotYet("ImageNotFound", f"image {source.words}: {error.strerror}") from error
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode):
        os.close(handle)
        raise Terminal("ImageNotAllowed", f"image {source.words} is not a plain file")
    with FileIO(handle) as file:
        yield Incoming(_pieces(file), facts.st_size)


def _open(folder: Path, parts: tuple[str, ...]) -> int:
    """Step by step, following no link: the path was resolved before, and a link in it has appeared since."""
    here = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = inner
        # Not blocking: a fifo would wait for a writer.
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)


async def _pieces(file: FileIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, PIECE):
        yield piece
