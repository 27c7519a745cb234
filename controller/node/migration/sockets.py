"""The sockets of one move: a folder of the same path on both nodes, which only QEMU's user and root get into.

On the node that the VM leaves we listen, and carry what comes to the other node; there libvirt, QEMU or qemu-nbd
listens at the same path.
"""

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from controller.node.migration.guard import Answering, Guard
from controller.node.migration.ports import Peers
from controller.node.places import checked_uid
from hypersdk.errors import HyperSDKError, Transient
from hypersdk.kube.cache import Key

LIBVIRT, MEMORY, DISKS = "libvirt", "memory", "disks"
NAME = re.compile(r"libvirt|memory|disks|copy-[0-9]{1,2}")
LISTENS_WITHIN_S = 10.0
AGAIN_S = 0.02
CHUNK = 256 * 1024
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Folder:
    """The folder of one VM's sockets."""

    root: Path
    uid: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.root / checked_uid(self.uid)

    def socket(self, name: str) -> Path:
        """One socket; ValueError for a name that is none."""
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no socket of a move")
        return self.path / f"{name}.sock"

    def make(self, owner: tuple[int, int]) -> None:
        """Make it anew for QEMU's user. Blocks."""
        self.remove()
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        self.path.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(self.path, *owner)

    def remove(self) -> None:
        """With everything in it. Blocks."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass
class Way:
    """The way of one move's bytes to the other node."""

    peers: Peers
    node: str
    vm: Key
    operation: str
    guard: Guard
    _carrying: "dict[asyncio.Task[None], str]" = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def opened(self, folder: Folder, names: Iterable[str], owner: tuple[int, int]) -> AsyncIterator[None]:
        """Listen on each of the sockets until the block ends; nothing is carried any more then."""
        await asyncio.to_thread(folder.make, owner)
        servers: list[asyncio.Server] = []
        try:
            servers += [await self._listen(folder.socket(name), name, owner) for name in names]
            yield
        finally:
            for server in servers:
                server.close()
            for task in self._carrying:
                task.cancel()
            if self._carrying:
                await asyncio.wait(self._carrying)
            await asyncio.to_thread(folder.remove)

    async def silent(self, name: str) -> None:
        """Wait until nothing is carried for that socket any more, by the will of its ends."""
        if carrying := [task for task, what in self._carrying.items() if what == name]:
            await asyncio.wait(carrying)

    async def _listen(self, path: Path, name: str, owner: tuple[int, int]) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._carrying[task] = name
            task.add_done_callback(lambda done: self._carrying.pop(done, None))
            try:
                async with self._guarded(name, reader, writer) as ends:
                    await self.peers.carry(self.node, self.vm, self.operation, name, ends)
            except HyperSDKError:
                pass  # whoever has connected sees the end, and says what it has come to
            finally:
                writer.close()

        server = await asyncio.start_unix_server(connected, path, limit=CHUNK)
        await asyncio.to_thread(_lend, path, owner)
        return server

    @contextlib.asynccontextmanager
    async def _guarded(
        self, name: str, said: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> AsyncIterator[Ends]:
        """The ends of one connection, with what libvirt says and is answered read along."""
        if name != LIBVIRT:
            yield said, answers
            return
        heard = asyncio.StreamReader(limit=CHUNK)
        passing = asyncio.ensure_future(self.guard.pass_on(said, heard))
        try:
            yield heard, Answering(answers, self.guard)
        finally:
            passing.cancel()
            await asyncio.wait({passing})


def _lend(path: Path, owner: tuple[int, int]) -> None:
    path.chmod(0o600)
    if os.getuid() == 0:
        os.chown(path, *owner)


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to a socket that somebody is just about to listen on; Transient when nobody does."""
    try:
        async with asyncio.timeout(LISTENS_WITHIN_S):
            while True:
                try:
                    return await asyncio.open_unix_connection(path, limit=CHUNK)
                except (FileNotFoundError, ConnectionRefusedError):
                    # Nothing tells of a socket before somebody listens on it.
                    await asyncio.sleep(AGAIN_S)
    except TimeoutError as error:
        raise Transient(f"nobody listens at {path.name} of the move after {LISTENS_WITHIN_S:.0f} s") from error
    except OSError as error:
        raise Transient(f"{path.name} of the move cannot be reached: {error.strerror or error}") from error
