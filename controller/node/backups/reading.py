"""Reading a disk as of one moment, over a few connections at once, from QEMU or from a file that nobody writes to."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from controller.hypervisor.backup_port import CHANGED
from controller.node.backups.nbd import ALLOCATION, DIRTY, ZERO, Export, connected
from controller.node.backups.runs import Runs, both, rounded, without
from controller.node.qemu_img import MEMORY_LIMIT
from hypersdk.errors import Transient

_LIMITS = ("setpriv", "--pdeathsig", "KILL", "prlimit", f"--as={MEMORY_LIMIT}", "--")
LISTENS_WITHIN_S = 20.0
AGAIN_S = 0.01
READERS = 8


@dataclass
class Reading:
    """One export. Everything here blocks."""

    path: Path
    """Of the socket."""
    export: str
    _idle: list[Export] = field(default_factory=list)
    _all: list[Export] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_closed: bool = False

    def read_into(self, at: int, view: memoryview) -> None:
        """Fill the view with what is on the disk from there on."""
        one = self._taken()
        one.read_into(at, view)
        self._idle.append(one)

    def close(self) -> None:
        """Close the connections: whoever still reads gets an error."""
        with self._lock:
            self._is_closed = True
            for one in self._all:
                with contextlib.suppress(OSError):
                    one.connection.shutdown(socket.SHUT_RDWR)
                one.connection.close()

    def _taken(self) -> Export:
        with contextlib.suppress(IndexError):
            return self._idle.pop()
        one = connected(self.path, self.export)
        with self._lock:
            if self._is_closed:
                one.connection.close()
                raise Transient(f"{one.words} is not read any more")
            self._all.append(one)
        return one


def what_is_on(path: Path, export: str, *, changed: bool) -> tuple[Runs, Runs]:
    """The clusters that hold something, and those that hold zeros; of a bitmap, only what changed. Blocks."""
    with connected(path, export, ALLOCATION) as one:
        held = rounded((start, end) for start, end, flags in one.stretches() if not flags & ZERO)
    if not changed:
        return held, []
    with connected(path, export, f"qemu:dirty-bitmap:{CHANGED}") as one:
        dirty = rounded((start, end) for start, end, flags in one.stretches() if flags & DIRTY)
    return both(held, dirty), without(dirty, held)


@contextlib.asynccontextmanager
async def shown(file: Path, path: Path) -> AsyncIterator[None]:
    """Show a qcow2 file with all that lies below it, at that socket and under no name, until the block ends."""
    # Without a lock, which would keep the VM from starting.
    image = f"driver=qcow2,file.driver=file,file.filename={str(file).replace(',', ',,')},force-share=on"
    words = ("--read-only", "--persistent", f"--shared={READERS}", f"--socket={path}", "--image-opts", image)
    process = await asyncio.create_subprocess_exec(
        *(*_LIMITS, "qemu-nbd", *words), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _listening(process, path)
        yield
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _listening(process: asyncio.subprocess.Process, path: Path) -> None:
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LISTENS_WITHIN_S):
            while not await asyncio.to_thread(answers, path):
                # Nothing tells of a socket before somebody listens on it.
                await asyncio.sleep(AGAIN_S)
                if process.returncode is not None:
                    said = (await process.stderr.read()).decode(errors="replace").strip()
                    raise Transient(f"the disk cannot be read: {said[-300:] or process.returncode}")
    except TimeoutError as error:
        raise Transient("the disk cannot be read: qemu-nbd does not begin") from error


def answers(path: Path) -> bool:
    """Whether somebody listens at the socket. Blocks."""
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True
