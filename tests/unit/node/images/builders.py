"""Images and stores that the tests of this folder begin with."""

import asyncio
import os
import subprocess
from pathlib import Path

from controller.node.images.library import StoredImage
from controller.node.images.source import Source
from controller.node.images.store import Images
from controller.settings import Limits

MIB = 2**20
LIMITS = Limits(image_bytes=64 * MIB, virtual_bytes=1024 * MIB)


def local(file: Path) -> Source:
    """The file as a source."""
    return Source(f"file://{file}", file.parent, file)


def raw(size: int = MIB) -> bytes:
    """A raw disk."""
    return b"\xeb\x63\x90" + os.urandom(size - 3)


def qcow2(path: Path, *options: str, size: str = "8M") -> bytes:
    """A qcow2 disk made by qemu-img."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)
    return path.read_bytes()


async def imported(images: Images, source: Source, who: str = "a") -> StoredImage:
    """The image once it is there; failures are raised."""
    woken = asyncio.Event()
    while not isinstance(found := await images.ensure(source, who, woken.set), StoredImage):
        await woken.wait()
        woken.clear()
    return found
