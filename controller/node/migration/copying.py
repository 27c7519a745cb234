"""How the content of a disk that nobody writes to gets into a file on another node: as NBD, from qemu-img to qemu-nbd.

What arrives is flattened, and as sparse as it was.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from controller.node.qemu_img import MEMORY_LIMIT
from hypersdk.errors import Transient

_PERCENT = re.compile(rb"\((\d+)(?:\.\d+)?/100%\)")
_LIMITS = ("setpriv", "--pdeathsig", "KILL", "prlimit", f"--as={MEMORY_LIMIT}", "--")


async def copy_out(file: Path, form: Literal["qcow2", "raw"], socket: Path, tell: Callable[[int], None]) -> None:
    """Send what is on the disk to whoever takes it at the socket; `tell` is told per cent."""
    process = await asyncio.create_subprocess_exec(
        *(*_LIMITS, "qemu-img", "convert", "-p", "-W", "-n", "-f", form, "-O", "raw"),
        # By default what is written is not flushed at the end.
        *("-t", "writeback", str(file), f"nbd+unix:///?socket={socket}"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        errors = asyncio.ensure_future(process.stderr.read())
        while said := await process.stdout.read(4096):
            if found := _PERCENT.findall(said):
                tell(int(found[-1]))
        words = (await errors).decode(errors="replace").strip()
        if await process.wait() != 0:
            raise Transient(f"cannot copy {file.name}: {words[-300:] or process.returncode}")
    finally:
        await _ended(process)


@dataclass
class Takers:
    """The qemu-nbd of each file that is being filled here, by its socket."""

    _running: dict[Path, asyncio.subprocess.Process] = field(default_factory=dict)

    async def take(self, file: Path, form: Literal["qcow2", "raw"], socket: Path) -> None:
        """Fill the file with what comes through the socket."""
        await self.end(socket)
        self._running[socket] = await asyncio.create_subprocess_exec(
            *(*_LIMITS, "qemu-nbd", f"--format={form}", "--discard=unmap", "--persistent"),
            *(f"--socket={socket}", "--", str(file)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def end(self, socket: Path) -> None:
        """Nothing comes any more."""
        process = self._running.pop(socket, None)
        if process is not None:
            await _ended(process)

    async def end_all(self, folder: Path) -> None:
        """Of every socket in the folder."""
        for socket in [one for one in self._running if one.parent == folder]:
            await self.end(socket)


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
