"""How is a disk with everything below it copied into one file that stands alone? By qemu-img, telling how far it is."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from controller.node.qemu_img import MEMORY_LIMIT
from hypersdk.errors import Transient

_PERCENT = re.compile(rb"\((\d+(?:\.\d+)?)/100%\)")
_MOST_WORDS = 4096


async def convert(
    source: Path, target: Path, tell: Callable[[float], None], *, format: str = "qcow2", packed: bool = False
) -> None:
    """Copy it into a qcow2 file of its own, safe on disk; `tell` gets 0.0 to 1.0. Transient with qemu-img's words."""
    # It dies with the controller: the successor does not find a file that somebody still writes to.
    limits = ["setpriv", "--pdeathsig", "KILL", "prlimit", f"--as={MEMORY_LIMIT}", "--"]
    form = ["-p", "-f", format, "-O", "qcow2", *(["-c"] if packed else [])]
    process = await asyncio.create_subprocess_exec(
        *(*limits, "qemu-img", "convert", *form, "--", str(source), str(target)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        _, errors = await asyncio.gather(_follow(process.stdout, tell), _kept(process.stderr))
        await process.wait()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode != 0:
        words = errors.decode(errors="replace").strip().rpartition("\n")[2].removeprefix("qemu-img: ")
        raise Transient(f"{source.name} cannot be copied: {words or f'qemu-img ended with {process.returncode}'}")
    await asyncio.to_thread(settle, target)


def settle(path: Path) -> None:
    """Have the file's content on disk. Blocks."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def _follow(stream: asyncio.StreamReader, tell: Callable[[float], None]) -> None:
    while piece := await stream.read(4096):
        if found := _PERCENT.findall(piece):
            tell(float(found[-1]) / 100)


async def _kept(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while piece := await stream.read(4096):
        kept += piece
        del kept[:-_MOST_WORDS]
    return bytes(kept)
